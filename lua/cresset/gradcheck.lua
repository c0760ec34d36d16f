-- gradcheck.lua: compares the engine's derivatives with differences of function values.
--
-- Holds true: the function is called with the caller's own tensors; the random generator's state is put
-- back. Positions in messages count from 1.

local cr = require "cresset"
local callable = require "cresset.callable"
local differences = require "cresset.differences"
local quote = require("cresset.suggest").quote
local call, flat = differences.call, differences.flat

local M = {}

local Undefined -- a Function whose gradient is none at all, made at first use

local known = {
  eps = 1e-6, atol = 1e-5, rtol = 1e-3, nondet_tol = 0.0, check_undefined_grad = true, raise_exception = true,
  fast_mode = false,
}

local function read_options(name, options)
  local o = {}
  if options ~= nil and type(options) ~= "table" then
    cr.raise(("%s: the options must be a table, got a %s"):format(name, type(options)))
  end
  for key, value in pairs(known) do o[key] = value end
  for key, value in next, options or {} do
    if known[key] == nil then
      cr.raise(("%s: there is no option %s"):format(name, type(key) == "string" and quote(key) or "of a " .. type(key)))
    end
    if type(value) ~= type(known[key]) then
      cr.raise(("%s: %s must be a %s, got a %s"):format(name, key, type(known[key]), type(value)))
    end
    o[key] = value
  end
  return o
end

-- A failed check travels as a table, so that it is told from errors of the function under test.
local Failure = {}
local function fail(message, ...)
  error(setmetatable({ message = message:format(...) }, Failure), 0)
end

local function as_list(inputs)
  if cr.is_tensor(inputs) then return { inputs, n = 1 } end
  local list = { n = math.tointeger(rawget(inputs, "n")) or #inputs }
  for i = 1, list.n do list[i] = inputs[i] end
  return list
end

local function is_differentiable(x)
  return cr.is_tensor(x) and x.requires_grad
end

local function overlaps(x)
  for d = 1, x.ndim do
    if x:size(d) > 1 and x:stride(d) == 0 then return true end
  end
  return false
end

-- The positions among inputs of those that are to be checked.
local function differentiable_inputs(name, inputs)
  local places = {}
  for i = 1, inputs.n do
    local x = inputs[i]
    if is_differentiable(x) then
      if x.dtype ~= "float64" then
        cr.warn(("%s: input %d is %s; only float64 is precise enough for small tolerances")
          :format(name, i, x.dtype))
      end
      if overlaps(x) then
        fail("%s: input %d has elements that share memory (a stride of 0): moving one would move others; "
          .. "use x:contiguous()", name, i)
      end
      places[#places + 1] = i
    end
  end
  if #places == 0 then fail("%s: no input is a tensor that requires grad", name) end
  return places
end

local function check_gradient(name, place, x, g)
  if g.dtype ~= x.dtype then
    fail("%s: the gradient by input %d is %s where the input is %s", name, place, g.dtype, x.dtype)
  end
  if table.concat(g.shape, "x") ~= table.concat(x.shape, "x") then
    fail("%s: the gradient by input %d has shape %s where the input has %s", name, place,
      table.concat(g.shape, "x"), table.concat(x.shape, "x"))
  end
end

-- Gradients of one output by the inputs at places; nil where there is none.
local function vector_jacobian(name, y, inputs, places, v)
  local xs = {}
  for i, place in ipairs(places) do xs[i] = inputs[place] end
  local gs = table.pack(cr.grad({ y }, xs, { grad_outputs = { v }, retain_graph = true, allow_unused = true }))
  for i, place in ipairs(places) do
    if gs[i] then check_gradient(name, place, inputs[place], gs[i]) end
  end
  return gs
end

-- analytical[i][row]: a row is an element of the output, a list of numbers over the input's elements.
local function analytical_jacobians(name, y, inputs, places)
  local jacobians = {}
  for i = 1, #places do jacobians[i] = {} end
  for row = 1, y:numel() do
    local v = cr.zeros(y:numel(), { dtype = y.dtype, device = y.device })
    v[row] = 1
    local gs = vector_jacobian(name, y, inputs, places, v:view(y.shape))
    for i, place in ipairs(places) do
      local g = gs[i] or inputs[place]:detach():zeros_like()
      jacobians[i][row] = flat(g)
    end
  end
  return jacobians
end

local function check_deterministic(name, first, second, o, places, tolerance)
  for i, place in ipairs(places) do
    for row = 1, #first[i] do
      for column = 1, #first[i][row] do
        local a, b = first[i][row][column], second[i][row][column]
        local same = math.abs(a - b) <= tolerance or (a ~= a and b ~= b)
        if not same then
          fail("%s: backward is not repeatable: output %d with respect to input %d gave %g, then %g", name, o,
            place, a, b)
        end
      end
    end
  end
end

local function close(a, n, o)
  return a == n or math.abs(a - n) <= o.atol + o.rtol * math.abs(n)
end

local function compare(name, analytical, numerical, output, place, o)
  local worst, at_row, at_column = -1, nil, nil
  for column = 1, #numerical do
    for row = 1, #numerical[column] do
      local a, n = analytical[row][column], numerical[column][row]
      local off = math.abs(a - n)
      if off ~= off then off = math.huge end
      if not close(a, n, o) and off > worst then worst, at_row, at_column = off, row, column end
    end
  end
  if at_row then
    fail("%s: Jacobian mismatch for output %d with respect to input %d: the largest one is at output element %d "
      .. "and input element %d: numerical %.8g, analytical %.8g", name, output, place, at_row, at_column,
      numerical[at_column][at_row], analytical[at_row][at_column])
  end
end

local function slow_check(name, f, inputs, outputs, places, o)
  local numerical = {}
  for i, place in ipairs(places) do
    numerical[i] = differences.jacobians(f, inputs, place, #outputs, o.eps)
  end
  for k, y in ipairs(outputs) do
    if y.requires_grad then
      local first = analytical_jacobians(name, y, inputs, places)
      local second = analytical_jacobians(name, y, inputs, places)
      check_deterministic(name, first, second, k, places, o.nondet_tol)
      for i, place in ipairs(places) do compare(name, first[i], numerical[i][k], k, place, o) end
    else
      local zeros = {}
      for row = 1, y:numel() do
        zeros[row] = setmetatable({}, { __index = function() return 0.0 end })
      end
      for i, place in ipairs(places) do compare(name, zeros, numerical[i][k], k, place, o) end
    end
  end
end

-- ---- Fast mode: one random direction per input and output -----------------------------------------

local function direction(x)
  local u = cr.rand(x.shape, { dtype = "float64", device = x.device })
  local norm = u:reshape(-1):pow(2):sum():sqrt():item()
  return norm > 0 and u / norm or u
end

local function dot(a, b)
  return (a:detach():to("float64") * b):sum():item()
end

local function fast_check(name, f, inputs, outputs, places, o)
  local vs = {}
  for k, y in ipairs(outputs) do vs[k] = direction(y) end
  for _, place in ipairs(places) do
    local x = inputs[place]
    local u = direction(x)
    local below = differences.values_along(f, inputs, x, u, -o.eps)
    local above = differences.values_along(f, inputs, x, u, o.eps)
    for k, y in ipairs(outputs) do
      local numerical = (dot(above[k], vs[k]) - dot(below[k], vs[k])) / (2 * o.eps)
      local analytical = 0.0
      if y.requires_grad then
        local g = vector_jacobian(name, y, inputs, { place }, vs[k]:to(y.dtype))[1]
        local again = vector_jacobian(name, y, inputs, { place }, vs[k]:to(y.dtype))[1]
        analytical = g and dot(g, u) or 0.0
        if g and math.abs(dot(again, u) - analytical) > o.nondet_tol then
          fail("%s: backward is not repeatable: output %d with respect to input %d", name, k, place)
        end
      end
      -- The two directions mix all elements: as many tolerances may add up.
      local scale = u:sum():item() * vs[k]:sum():item()
      if not close(analytical, numerical, { atol = o.atol * math.max(scale, 1), rtol = o.rtol }) then
        fail("%s: Jacobian mismatch for output %d with respect to input %d: along a random direction numerical "
          .. "%.8g, analytical %.8g (without fast_mode the element is named)", name, k, place, numerical, analytical)
      end
    end
  end
end

-- ---- Undefined gradients ----------------------------------------------------------------------------

local function undefined(y)
  Undefined = Undefined or cr.Function {
    name = "Undefined",
    forward = function(ctx, x)
      ctx:set_materialize_grads(false)
      return x:clone()
    end,
    backward = function() return nil end,
  }
  return Undefined(y)
end

-- With no gradient for some outputs, backward must run; with none at all, it must give none, or zeros.
local function check_undefined(name, f, inputs, places)
  local xs = {}
  for i, place in ipairs(places) do xs[i] = inputs[place] end
  local function run(only)
    local ys, gs = {}, {}
    for k, y in ipairs(call(f, inputs)) do
      if y.requires_grad then
        ys[#ys + 1] = (only == nil or only == k) and undefined(y) or y
        gs[#gs + 1] = ys[#ys]:detach():ones_like()
      end
    end
    if #ys == 0 then return 0 end
    local grads = table.pack(cr.grad(ys, xs, { grad_outputs = gs, allow_unused = true }))
    for i, place in ipairs(places) do
      local g = grads[i]
      if only == nil and g and g:ne(0):any():item() then
        fail("%s: without any gradient for the outputs, backward gives input %d one that is not zero", name, place)
      end
    end
    return #ys
  end
  local n = run(nil)
  for k = 1, n > 1 and n or 0 do run(k) end
end

-- ---- The two functions ------------------------------------------------------------------------------

local function check(name, f, inputs, o)
  local places = differentiable_inputs(name, inputs)
  local outputs = call(f, inputs)
  if o.fast_mode then
    fast_check(name, f, inputs, outputs, places, o)
  else
    slow_check(name, f, inputs, outputs, places, o)
  end
  if o.check_undefined_grad then check_undefined(name, f, inputs, places) end
end

local function guarded(name, f, inputs, o)
  local _ <close> = cr.enable_grad()
  local rng = cr.get_rng_state()
  local function seeded(...)
    cr.set_rng_state(rng)
    return f(...)
  end
  local ok, problem = pcall(check, name, seeded, inputs, o)
  cr.set_rng_state(rng)
  if ok then return true end
  if getmetatable(problem) ~= Failure then error(problem, 0) end
  if o.raise_exception then cr.raise(problem.message) end
  return false, problem.message
end

local function check_arguments(name, f, inputs)
  if not callable(f) then cr.raise(("%s: the first argument must be a function, got a %s"):format(name, type(f))) end
  if type(inputs) ~= "table" and not cr.is_tensor(inputs) then
    cr.raise(("%s: the inputs must be a tensor or a table, got a %s"):format(name, type(inputs)))
  end
end

--- Checks the first derivatives of f at inputs (a tensor or a list of arguments).
-- Returns true, or raises what is wrong (with raise_exception = false: returns false and a sentence).
function M.gradcheck(f, inputs, options)
  check_arguments("gradcheck", f, inputs)
  return guarded("gradcheck", f, as_list(inputs), read_options("gradcheck", options))
end

--- Checks the derivatives of f's derivatives; grad_outputs (one per output) are random if not given.
function M.gradgradcheck(f, inputs, grad_outputs, options)
  check_arguments("gradgradcheck", f, inputs)
  if grad_outputs ~= nil and not cr.is_tensor(grad_outputs) and type(grad_outputs) ~= "table" then
    cr.raise(("gradgradcheck: the grad_outputs must be a tensor or a table, got a %s"):format(type(grad_outputs)))
  end
  if grad_outputs ~= nil and not cr.is_tensor(grad_outputs) and options == nil and grad_outputs[1] == nil then
    grad_outputs, options = nil, grad_outputs
  end
  local o = read_options("gradgradcheck", options)
  inputs = as_list(inputs)
  local n = inputs.n
  local all = { table.unpack(inputs, 1, n) }
  if grad_outputs then
    for i, g in ipairs(as_list(grad_outputs)) do all[n + i] = g end
  else
    for _, y in ipairs(call(f, inputs)) do
      if y.requires_grad then all[#all + 1] = cr.randn_like(y:detach()):requires_grad_() end
    end
  end
  all.n = n + #all - n
  local function derivative(...)
    local args = table.pack(...)
    local xs, ys, gs = {}, {}, { table.unpack(args, n + 1, args.n) }
    for i = 1, n do
      if is_differentiable(args[i]) then xs[#xs + 1] = args[i] end
    end
    for _, y in ipairs(call(f, { n = n, table.unpack(args, 1, n) })) do
      if y.requires_grad then ys[#ys + 1] = y end
    end
    local results = {}
    local grads = table.pack(cr.grad(ys, xs, { grad_outputs = gs, create_graph = true, allow_unused = true }))
    for i = 1, #xs do results[#results + 1] = grads[i] end
    return table.unpack(results)
  end
  return guarded("gradgradcheck", derivative, all, o)
end

return M
