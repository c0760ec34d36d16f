-- cuda_digits_spec.lua: what a CUDA device gives as the CPU does, to the last digit. These are elementwise operations
-- and what adds up no floats or few of them; longer float sums are added in another order.

local cr = require "cresset"
local samples = require "spec.support.samples"
local values = require "spec.support.values"
local device = require "spec.support.device"

local on_device = device.only(describe)

-- How many elements are not the same; NaN are all one.
local function differing(a, b)
  a, b = a:cpu():double():reshape(-1), b:cpu():double():reshape(-1)
  local same = a:eq(b):bitwise_or(a:ne(a):bitwise_and(b:ne(b)))
  return a:numel() - same:sum():item()
end

-- Numbers of all sizes, from patterns of bits, and some that are moderate or special.
local function numbers(n, seed)
  local inf = math.huge
  local list = { 0.0, -0.0, inf, -inf, 0 / 0, 1, -1, 0.5, 2, -2.5, 1e-40, 88.7, -104, 65504, 1e22, -3e9, 1.4e-45 }
  math.randomseed(seed)
  for k = #list + 1, n do
    local u = math.random()
    list[k] = k % 3 == 0 and string.unpack("<f", string.pack("<I4", math.random(0) >> 32))
      or k % 3 == 1 and (u - 0.5) * 12 or u ^ 4 * (k % 2 == 0 and 1 or -1)
  end
  return list
end

-- Both devices' results, and gradients by floating inputs.
local function both(problems, what, f, inputs)
  local got = {}
  for k, name in ipairs { "cpu", "cuda" } do
    local leaves = {}
    for i, t in ipairs(inputs) do
      leaves[i] = t:to(name):detach():clone()
      if t:is_floating_point() then leaves[i]:requires_grad_() end
    end
    local ok, y = pcall(f, table.unpack(leaves))
    got[k] = { ok = ok, y }
    if ok and y.requires_grad then
      y:backward(y:detach():isfinite():to(y.dtype))
      for _, leaf in ipairs(leaves) do got[k][#got[k] + 1] = leaf.grad end
    end
  end
  if got[1].ok ~= got[2].ok then problems[#problems + 1] = what .. ": fails on one of the two" end
  if not got[1].ok or not got[2].ok then return end
  for i, y in ipairs(got[1]) do
    local n = differing(y, got[2][i])
    local part = i == 1 and "" or (", gradient %d"):format(i - 1)
    if n > 0 then problems[#problems + 1] = ("%s%s: %d of %d elements differ"):format(what, part, n, y:numel()) end
  end
end

on_device("to the last digit, a CUDA device gives what the CPU gives for", function()
  local function wanted(e) return e.pointwise and not e.truth and not e.inplace_only end
  samples.specify(it, wanted, function(problems, e, k, args)
    local own = 0
    for i, p in ipairs(e.params) do
      if type(args[i]) == "userdata" and (not args[i]:is_floating_point() or p.name == e.mask) then return end
    end
    for _, dtype in ipairs(values.floats) do
      local at, list = {}, {}
      local wide = samples.map(args, function(t)
        own = own + 1
        local x = cr.tensor(numbers(601, own), { dtype = dtype == "float64" and dtype or "float32" }):to(dtype)
        list[#list + 1] = x
        return t and x
      end)
      local n = 0
      for i = 1, args.n do
        if type(args[i]) == "userdata" then n, at[i] = n + 1, n + 1 end
      end
      if n > 0 then
        both(problems, ("sample %d, %s"):format(k, dtype), function(...)
          local given, tensors = { n = wide.n }, { ... }
          for i = 1, wide.n do given[i] = at[i] and tensors[at[i]] or wide[i] end
          return samples.call(e, given)[1]
        end, list)
      end
    end
  end)
end)

on_device("to the last digit, a CUDA device gives what the CPU gives for", function()
  local function equal(what, shapes, f)
    it(what, function()
      local problems = {}
      for _, dtype in ipairs(values.floats) do
        for _, shape in ipairs(shapes) do
          cr.manual_seed(9)
          local x = (cr.randn(shape, { dtype = "float64" }) * 3):to(dtype)
          for dim = 1, 2 do
            both(problems, ("%s %dx%d, dim %d"):format(dtype, shape[1], shape[2], dim),
              function(t) return f(t, dim) end, { x })
          end
        end
      end
      samples.report(problems)
    end)
  end
  local any = { { 2, 2 }, { 7, 3 }, { 40, 70 }, { 3, 2000 }, { 1500, 2 } }

  for _, name in ipairs { "softmax", "log_softmax" } do
    equal(name .. " of two elements side by side", { { 2, 2 }, { 50, 2 } }, function(x) return x[name](x, 2) end)
  end
  equal("the largest elements", any, function(x, d) return x:amax(d) end)
  equal("sorted elements", any, function(x, d) return (x:sort(d)) end)
  equal("medians", any, function(x, d) return (x:median(d)) end)
  equal("running maxima", any, function(x, d) return (x:cummax(d)) end)
  equal("the largest absolute elements", any, function(x, d) return x:norm(math.huge, d) end)
  equal("short running sums", { { 2, 2 }, { 7, 3 }, { 3, 7 } }, function(x, d) return x:cumsum(d) end)
  equal("short running products", { { 2, 2 }, { 7, 3 }, { 3, 7 } }, function(x, d) return x:cumprod(d) end)

  it("sums of what adds up without rounding", function()
    local problems = {}
    for _, dtype in ipairs(values.floats) do
      local x = cr.randint(-8, 9, { 50, 40 }):to(dtype)
      for dim = 1, 2 do
        both(problems, dtype .. " sum", function(t) return t:sum(dim) end, { x })
        both(problems, dtype .. " mean", function(t) return t:mean(dim) end, { x })
        both(problems, dtype .. " norm", function(t) return t:norm(2, dim) end, { x })
      end
    end
    samples.report(problems)
  end)
end)
