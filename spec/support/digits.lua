-- digits.lua: a script that prints a checksum of the bits that each operation of the catalogue gives.
--
--     build/bin/cresset spec/support/digits.lua [DEVICE [NAME]]
--
-- Two runs print the same lines where the two ways of computing (levels of the instruction set, numbers of
-- threads, devices) give the same digits. With a NAME, the lines of that operation come with the numbers
-- themselves. All NaN are one. A line that ends in "apart" names an operation whose result depends on where in
-- memory an element lies.

package.path = package.path .. ";./?.lua"
local cr = require "cresset"
local samples = require "spec.support.samples"
local values = require "spec.support.values"

local device, only = arg[1] or "cpu", arg[2]

local function flat(t) return t:detach():cpu():reshape(-1):totable() end

local function text_of(v)
  if type(v) ~= "number" then return tostring(v) end
  return v ~= v and "nan" or math.type(v) == "integer" and ("%d"):format(v) or ("%a"):format(v)
end

-- A line for a call's results: tensors, numbers, truths.
local function tell(what, results)
  local hash, words = 1, {}
  for _, r in ipairs(results) do
    local list = type(r) ~= "userdata" and { r } or r.numel and r:numel() > 0 and flat(r) or {}
    for k, v in ipairs(list) do
      local word = text_of(v)
      if only then words[k] = word end
      for i = 1, #word do hash = (hash ~ word:byte(i)) * 0x100000001b3 end
      hash = hash * 31
    end
  end
  print(("%s %016x"):format(what, hash))
  for k, word in ipairs(words) do print(what, k, word) end
end

-- Numbers of every kind: special ones, all patterns of bits, close to 0 and to 1, and of moderate size.
math.randomseed(11)
local function numbers(dtype, n)
  local inf, wide = math.huge, dtype == "float64"
  local list = {
    0.0, -0.0, inf, -inf, 0 / 0, 1, -1, 0.5, -0.5, 2, -2, 1.5, -1.5, 3, -3, 10, -10, 1e-300, 5e-324, 1e300, 1e-40,
    1.4e-45, 3.4e38, -1e-40, 65504, 1e-7, 1e5, -1e5, 3e9, 1e22, -1e22, 88.7, -88.7, 104, -103.9, 709.7, -745.1, 171.5,
  }
  for k = #list + 1, n do
    local kind, r, u = k % 4, math.random(0), math.random()
    if kind == 0 then
      list[k] = wide and string.unpack("<d", string.pack("<i8", r))
        or (string.unpack("<f", string.pack("<I4", r >> 32)))
    elseif kind == 1 then
      list[k] = (u - 0.5) * 12
    elseif kind == 2 then
      list[k] = u * u * u * (r < 0 and -1 or 1)
    else
      list[k] = r < 0 and 1 + (u - 0.5) / 50 or (u - 0.5) * 400
    end
  end
  return list
end

local N = 1003
local made = {}
-- The k-th operand of a dtype.
local function operand(dtype, k)
  local key = dtype .. k
  if not made[key] then
    local list = numbers(dtype, N)
    for i = 2, N - 38 do -- another order, and the specials of one beside those of another
      local j = (i * 7919 * k + 13 * k) % (N - 40) + 1
      list[i], list[j] = list[j], list[i]
    end
    local exact = values.is_float[dtype] and dtype ~= "float64" and "float32" or dtype
    made[key] = cr.tensor(list, { dtype = exact }):to(dtype)
  end
  return made[key]:to(device)
end

local function elementwise(e, args)
  if not e.pointwise then return false end
  for i, p in ipairs(e.params) do
    if type(args[i]) == "userdata" and not args[i]:is_floating_point() or p.name == e.mask then return false end
  end
  return true
end

local function protected(what, f)
  local ok, results = pcall(f)
  if ok then tell(what, results) else print(what .. " fails") end
  return ok and results
end

local function same(a, b)
  a, b = flat(a), flat(b)
  for i = 1, #a do
    if text_of(a[i]) ~= text_of(b[i]) then return false end
  end
  return true
end

-- One element after the other, and every second of a tensor, give what whole tensors give.
local function check_places(what, e, args, whole)
  local function spread(t)
    local room = cr.zeros({ N, 2 }, { dtype = t.dtype, device = t.device })
    room[{ {}, 1 }] = t
    return room[{ {}, 1 }]
  end
  local function first(t) return t[{ { 3, 9 } }] end
  local ok = same(samples.call(e, samples.map(args, spread))[1], whole)
    and same(samples.call(e, samples.map(args, first))[1], first(whole))
  if not ok then print(what .. " apart") end
end

local function gradients(e, args)
  local leaves = {}
  local with = samples.map(args, function(t)
    leaves[#leaves + 1] = t:clone():requires_grad_()
    return leaves[#leaves]
  end)
  local out = samples.call(e, with)[1]
  if not out.requires_grad then return {} end
  out:backward(cr.ones_like(out))
  local list = {}
  for i, leaf in ipairs(leaves) do list[i] = leaf.grad or false end
  return list
end

local function sweep(e)
  for s, args in ipairs(samples.of(e)) do
    if args.n > 0 and elementwise(e, args) then
      for _, dtype in ipairs(values.floats) do
        local what, k = ("%s %d %s"):format(e.name, s, dtype), 0
        local wide = samples.map(args, function()
          k = k + 1
          return operand(dtype, k)
        end)
        local results = protected(what, function() return samples.call(e, wide) end)
        if results and k > 0 then
          check_places(what, e, wide, results[1])
          protected(what .. " grad", function() return gradients(e, wide) end)
        end
      end
    else
      for _, dtype in ipairs(values.floats) do
        local cast = samples.map(args, function(t) return samples.in_dtype(dtype)(t):to(device) end)
        protected(("%s %d %s"):format(e.name, s, dtype), function() return samples.repeatable(e, cast) end)
      end
    end
  end
end

-- What folds many numbers, draws some, or works on rows.
local rows = {
  sum = function(x, d) return x:sum(d) end,
  mean = function(x, d) return x:mean(d) end,
  prod = function(x, d) return (x / 8 + 1):prod(d) end,
  var = function(x, d) return x:var(d) end,
  std = function(x, d) return x:std(d) end,
  norm = function(x, d) return x:norm(3, d) end,
  norm2 = function(x, d) return x:norm(2, d) end,
  amax = function(x, d) return x:amax(d) end,
  cummax = function(x, d) return (x:cummax(d)) end,
  argmax = function(x, d) return x:argmax(d) end,
  logsumexp = function(x, d) return x:logsumexp(d) end,
  softmax = function(x, d) return x:softmax(d) end,
  log_softmax = function(x, d) return x:log_softmax(d) end,
  cumsum = function(x, d) return x:cumsum(d) end,
  cumprod = function(x, d) return (x / 8 + 1):cumprod(d) end,
  logcumsumexp = function(x, d) return x:logcumsumexp(d) end,
  sort = function(x, d) return (x:sort(d)) end,
  normalization = function(x, d)
    local leaf = x:detach():requires_grad_()
    local w = cr.rand({ x.shape[2] }, { dtype = x.dtype, device = device, requires_grad = true })
    local y = d == 1 and cr.batch_norm(leaf, nil, nil, w, nil, true) or cr.layer_norm(leaf, { x.shape[2] }, w)
    y:backward(x:flip(1))
    return cr.cat { y:detach(), leaf.grad, w.grad:reshape(1, -1) }
  end,
  randn = function(x) return cr.randn(x.shape, { dtype = x.dtype, device = device }) end,
  exponential = function(x) return x:clone():exponential_() end,
  uniform = function(x) return x:clone():uniform_(-3, 5) end,
  matmul = function(x, d) return d == 1 and x:matmul(x:t()) or x:t():matmul(x) end,
  ["matmul of few rows"] = function(x, d)
    local y = x:narrow(1, 3, d == 1 and 1 or 5)
    return cr.cat { y:matmul(x:t()), x:matmul(y:t()):t() }
  end,
}

local function main()
  local names = {}
  for name in pairs(rows) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    for _, dtype in ipairs(values.floats) do
      for d = 1, 2 do
        if not only or only == name then
          cr.manual_seed(5)
          local x = cr.randn({ 37, 301 }, { dtype = dtype, device = device })
          protected(("rows %s %d %s"):format(name, d, dtype), function() return { rows[name](x, d) } end)
        end
      end
      for _, n in ipairs(name:find "^matmul" and {} or { 3, 7, 50, 100 }) do
        if not only or only == name then
          cr.manual_seed(6)
          local x = cr.randn({ 277, n }, { dtype = dtype, device = device })
          protected(("rows of %d %s %s"):format(n, name, dtype), function() return { rows[name](x, 2) } end)
        end
      end
    end
  end
  for _, e in ipairs(samples.public()) do
    if not samples.is_undefined(e) and not samples.by_memory[e.name] and (not only or only == e.name) then sweep(e) end
  end
end

main()
