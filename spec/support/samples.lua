-- samples.lua: the catalogue as the specs see it, and the arguments that its entries give as samples.
--
-- Holds true: a sample is a packed list of arguments in the order of the signature, made anew on every
-- call, so that a spec may write to its tensors.

package.path = package.path .. ";./src/catalogue/?.lua"
local catalogue = require "catalogue"
local cr = require "cresset"
local values = require "spec.support.values"

local M = {}

local loaded
-- The catalogue; it is read with names only, since formulas run in the generator, not here.
function M.catalogue()
  loaded = loaded or catalogue.load("src/ops")
  return loaded
end

-- The entries that a script can call.
function M.public()
  local list = {}
  for _, e in ipairs(M.catalogue().entries) do
    if not e.hidden and (e.method ~= false or e.func ~= false) then list[#list + 1] = e end
  end
  return list
end

-- What a sample function gets: t, i, b make tensors, each call other numbers.
local function maker(seed)
  local s = { none = {} }
  local function next_seed()
    seed = seed + 1
    return seed
  end
  function s.t(shape, lo, hi, dtype)
    dtype, lo, hi = dtype or "float64", lo or -2, hi or 2
    local make = values.is_float[dtype] and values.scatter or values.generate
    return make(shape, lo, hi, dtype, next_seed())
  end
  function s.i(shape, lo, hi) return values.generate(shape, lo, hi, "int64", next_seed()) end
  function s.b(shape) return values.generate(shape, 0, 1, "bool", next_seed()) end
  return s
end

local shapes_of_operands = {
  { { 2, 3 }, { 3 }, { 2, 1 }, { 1 } }, { {}, { 2 }, {}, {} }, { { 0, 2 }, { 2 }, { 1 }, {} },
}

-- The samples of an elementwise entry that gives a domain, or nothing.
local function by_domain(e, s)
  local domain = e.samples and e.samples.domain or { -2, 2 }
  local list = {}
  for _, shapes in ipairs(shapes_of_operands) do
    local args, k = {}, 0
    for i, p in ipairs(e.params) do
      if p.type == "tensor" or p.type == "operand" then
        k = k + 1
        args[i] = p.name == e.mask and s.b(shapes[k]) or s.t(shapes[k], domain[1], domain[2])
      elseif not p.optional then
        error(("%s: the parameter %s has no default, so its samples must be a function"):format(e.name, p.name), 0)
      end
    end
    args.n = #e.params
    list[#list + 1] = args
  end
  return list
end

-- Pairs of tensors in a range, and what a pair may be besides.
local pairs_within = {}
function pairs_within.tensors(s, lo, hi)
  return {
    { s.t({ 2, 3 }, lo, hi), s.t({ 2, 3 }, lo, hi) }, { s.t({ 2, 1 }, lo, hi), s.t({ 3 }, lo, hi) },
    { s.t({ 0, 2 }, lo, hi), s.t({ 2 }, lo, hi) },
  }
end
function pairs_within.pairs(s, lo, hi)
  local list = pairs_within.tensors(s, lo, hi)
  list[#list + 1] = { s.t({ 3 }, lo, hi), 2.5 }
  list[#list + 1] = { s.t({}, lo, hi), s.t({ 2 }, lo, hi) }
  return list
end
-- Never equal, and their quotient is never whole: away from every kink.
function pairs_within.uneven(s, lo, hi)
  return {
    { s.t({ 2, 3 }, lo, hi), s.t({ 2, 3 }, lo + 0.017, hi - 0.029) },
    { s.t({ 2, 1 }, lo, hi), s.t({ 3 }, lo + 0.013, hi - 0.023) },
    { s.t({ 3 }, lo, hi), 1.0041 }, { s.t({ 0, 2 }, lo, hi), s.t({ 2 }, lo, hi) },
  }
end

local function samples_of(e, s)
  if type(e.samples) == "function" then return e.samples(s) end
  if not e.pointwise then error(e.name .. ": has no samples", 0) end
  local kind, range = next(e.samples or {})
  if pairs_within[kind] then return pairs_within[kind](s, range[1], range[2]) end
  return by_domain(e, s)
end

-- The samples of an entry: a list of packed arguments.
function M.of(e)
  local s = maker(#e.name * 7 + e.name:byte(1))
  local list = samples_of(e, s)
  for _, args in ipairs(list) do
    args.n = args.n or 0
    for i = 1, #e.params do
      if args[i] ~= nil then args.n = i end
      if args[i] == s.none then args[i] = nil end
    end
  end
  if #list == 0 then error(e.name .. ": has no samples", 0) end
  return list
end

-- Whether Lua's overloads would take these arguments for this entry: used to tell overloads apart.
local function fits(e, args)
  local extra = e.variadic and 0 or args.n - #e.params
  if extra > 1 or (extra == 1 and type(args[args.n]) ~= "table") then return false end
  for i, p in ipairs(e.params) do
    local v = args[i]
    local kind = type(v)
    local ok = v == nil and p.optional
    if p.type == "tensor" then ok = ok or kind == "userdata"
    elseif p.type == "operand" then ok = ok or kind == "userdata" or kind == "number" or kind == "boolean"
    elseif p.type == "tensors" or p.type == "shape" then ok = ok or kind == "table" or e.variadic
    elseif p.type == "ints" or p.type == "dims" or p.type == "floats" then
      ok = ok or kind == "number" or kind == "table" and (v[1] == nil or type(v[1]) == "number")
        or p.choices ~= nil and kind == "string"
    elseif p.type == "string" or p.type == "dtype" or p.type == "device" then ok = ok or kind == "string"
    elseif p.type == "bool" then ok = ok or kind == "boolean"
    elseif p.type == "int" or p.type == "dim" then ok = ok or math.type(v) == "integer"
    else ok = ok or kind == "number" or kind == "boolean"
    end
    if not ok and not (kind == "table" and i == args.n and p.optional) then return false end
  end
  return true
end

-- The entry that a call by Lua name reaches.
function M.entry_for(name, args)
  local method = name:match "^:(.+)" -- the method, where a function of that name is another operation
  for _, e in ipairs(M.public()) do
    local called = e.inplace_only and e.lua:gsub("_?$", "_") or e.lua
    local reached = not method or e.method ~= false
    if called == (method or name) and reached and fits(e, args) then return e end
  end
end

-- Calls the entry as a script would; returns the list of results.
function M.call(e, args)
  local results
  if e.inplace_only then
    local self = args[1]:clone()
    local name = e.lua:sub(-1) == "_" and e.lua or e.lua .. "_"
    results = table.pack(self[name](self, table.unpack(args, 2, args.n)))
  elseif e.func ~= false then
    results = table.pack(cr[e.lua](table.unpack(args, 1, args.n)))
  else
    results = table.pack(args[1][e.lua](args[1], table.unpack(args, 2, args.n)))
  end
  if e.truth then
    assert(results.n == 1 and type(results[1]) == "boolean", e.name .. " gives no Lua boolean")
    results[1] = cr.tensor(results[1], { device = values.device })
  end
  return results
end

-- The same from one seed, so that a random operation draws the same numbers each time.
function M.repeatable(e, args)
  if M.is_random(e) then cr.manual_seed(7) end
  return M.call(e, args)
end

-- A copy of the arguments with every tensor mapped by f (also those in lists).
function M.map(args, f)
  local copy = { n = args.n }
  for i = 1, args.n do
    local v = args[i]
    if type(v) == "userdata" then
      copy[i] = f(v)
    elseif type(v) == "table" and type(v[1]) == "userdata" then
      copy[i] = {}
      for k, t in ipairs(v) do copy[i][k] = f(t) end
    else
      copy[i] = v
    end
  end
  return copy
end

-- A copy of the arguments with every tensor mapped that derivatives are taken by: the floating ones but
-- the weights of classes in a loss, which are constants.
function M.map_inputs(e, args, f)
  local weighs = e.name:find "_loss$" and e.by_name.weight or e.name:find "cross_entropy" and e.by_name.weight
  local constant = weighs and args[weighs.index + 1]
  return M.map(args, function(t)
    if not t:is_floating_point() or rawequal(t, constant) then return t end
    return f(t)
  end)
end

-- For map: a floating tensor in another float dtype, any other as it is.
function M.in_dtype(dtype)
  return function(t) return t:is_floating_point() and t:to(dtype) or t end
end

-- True if the entry draws random numbers: such a call is repeated from one seed.
function M.is_random(e) return e.family == "random" or e.family == "sample" or e.family == "noise" end

-- Operations whose gradient has no derivative, as they say themselves, and why.
M.once = { ctc_loss = "as in PyTorch, the gradient of alignments cannot be differentiated" }
function M.is_once(e) return M.once[e.name] ~= nil end

-- True if results are undefined memory, which cannot be compared.
function M.is_undefined(e) return e.name:find("empty", 1, true) ~= nil end

-- What these give depends on the memory by definition; view_spec has them.
M.by_memory = { view = true, view_as = true, as_strided = true, as_strided_scatter = true }

-- Notes in problems where two lists of results differ.
function M.compare(problems, what, got, want, rtol, atol)
  if #got ~= #want then
    problems[#problems + 1] = ("%s: %d results, not %d"):format(what, #got, #want)
    return
  end
  for i = 1, #want do
    local problem = values.tensors_differ(got[i], want[i], rtol, atol)
    if problem then problems[#problems + 1] = ("%s: result %d: %s"):format(what, i, problem) end
  end
end

-- Fails with all problems of an entry at once.
function M.report(problems)
  if #problems > 0 then error(("%d differ:\n%s"):format(#problems, table.concat(problems, "\n")), 0) end
end

-- One `it` for every public entry that is wanted: check(problems, e, k, args) for each of its samples.
-- busted gives `it` to spec files only, so it comes from there.
function M.specify(it, wanted, check)
  for _, e in ipairs(M.public()) do
    if wanted(e) then
      it(e.name, function()
        local problems = {}
        for k, args in ipairs(M.of(e)) do check(problems, e, k, args) end
        M.report(problems)
      end)
    end
  end
end

return M
