-- differences.lua: how the values of a function change when its arguments do.
--
-- Holds true: the function is called with the caller's own tensors, whose elements are moved and put
-- back, also after an error.

local cr = require "cresset"

local M = {}

-- Calls f and returns those of its results that have floating elements.
function M.call(f, inputs)
  local results = table.pack(f(table.unpack(inputs, 1, inputs.n)))
  local outputs = {}
  for i = 1, results.n do
    local y = results[i]
    if cr.is_tensor(y) and y:is_floating_point() then
      outputs[#outputs + 1] = y
    end
  end
  return outputs
end

function M.flat(x)
  return x:detach():reshape(-1):to("float64"):totable()
end

-- Runs body with one element of x moved by step, and puts it back also after an error.
local function with_moved(x, element, step, body)
  local row = x.data
  if row:is_contiguous() then
    row = row:view(-1)
  else
    -- Find the element by its position in each dim.
    local rest = element - 1
    for d = x.ndim, 1, -1 do
      local size = x:size(d)
      row = row:select(d, rest % size + 1)
      rest = rest // size
    end
    row, element = row:unsqueeze(1), 1
  end
  local old = row[element]:clone()
  row[element] = old + step
  local ok, result = pcall(body)
  row[element] = old
  if not ok then error(result, 0) end
  return result
end

local function values(f, inputs)
  return function()
    local all = {}
    for o, y in ipairs(M.call(f, inputs)) do all[o] = M.flat(y) end
    return all
  end
end

-- jacobians[o][column][row] by central differences; a column is an element of the input.
function M.jacobians(f, inputs, place, noutputs, eps)
  local x = inputs[place]
  local jacobians = {}
  for o = 1, noutputs do jacobians[o] = {} end
  for element = 1, x:numel() do
    local below = with_moved(x, element, -eps, values(f, inputs))
    local above = with_moved(x, element, eps, values(f, inputs))
    for o = 1, noutputs do
      local column = {}
      for row = 1, #above[o] do column[row] = (above[o][row] - below[o][row]) / (2 * eps) end
      jacobians[o][element] = column
    end
  end
  return jacobians
end

-- The values of f with x moved along u by step.
function M.values_along(f, inputs, x, u, step)
  local data = x.data
  local old = data:clone()
  data:copy_(old + (u * step):to(x.dtype))
  local ok, result = pcall(M.call, f, inputs)
  data:copy_(old)
  if not ok then error(result, 0) end
  local copies = {}
  for o, y in ipairs(result) do copies[o] = y:detach():clone() end
  return copies
end

return M
