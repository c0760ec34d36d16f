-- summary.lua: nn.summary, a table of a model's layers: what they give, what they hold, what they take.
--
-- Holds true: the model is run once on zeros, in eval mode and without recording; its modes, its hooks and the random
-- generator are afterwards as they were, also where the run fails.

local cr = require "cresset"
local module = require "cresset.nn.module"
local show = require "cresset.nn.show"
local walk = require "cresset.nn.walk"

local M = {}

local function fail(message, ...) cr.raise("summary: " .. message:format(...)) end

-- ---- Inputs ---------------------------------------------------------------------------------------------------

local function is_shape(t)
  if type(t) ~= "table" then return false end
  for _, n in ipairs(t) do
    if math.type(n) ~= "integer" then return false end
  end
  return true
end

-- Tensors from a tensor, a shape, or a list of both.
local function inputs_of(given, o)
  local list = (cr.is_tensor(given) or is_shape(given)) and { given } or given
  if type(list) ~= "table" or #list == 0 then
    fail("expected the shape of an input, a tensor, or a list of them, got a %s", type(given))
  end
  local inputs = {}
  for i, item in ipairs(list) do
    if cr.is_tensor(item) then
      inputs[i] = item
    elseif is_shape(item) then
      local dtype = type(o.dtype) == "table" and o.dtype[i] or type(o.dtype) == "string" and o.dtype or nil
      -- Class numbers and positions count from 1.
      local whole = dtype and cr.isdtype(dtype, "integral")
      inputs[i] = whole and cr.ones(item, { dtype = dtype, device = o.device })
        or cr.zeros(item, { dtype = dtype, device = o.device })
    else
      fail("input %d must be a shape or a tensor, got a %s", i, type(item))
    end
  end
  return inputs
end

-- ---- What a layer gives ------------------------------------------------------------------------------------------

local function shapes_of(value, depth)
  if cr.is_tensor(value) then return tostring(value.shape), value:numel() * value:element_size() end
  if type(value) ~= "table" or depth > 3 or module.is_module(value) then return nil, 0 end
  local parts, bytes = {}, 0
  for _, item in ipairs(value) do
    local text, size = shapes_of(item, depth + 1)
    if text then parts[#parts + 1] = text end
    bytes = bytes + size
  end
  return #parts > 0 and table.concat(parts, ", ") or nil, bytes
end

local function bytes_of(m, recurse)
  local n = 0
  for _, kind in ipairs { "parameter", "buffer" } do
    for _, at in ipairs(walk.tensors(m, kind, "", recurse)) do n = n + at[2]:numel() * at[2]:element_size() end
  end
  return n
end

-- Runs the model with hooks on all its modules; gives the outputs by module: { shapes, bytes, calls }.
local function run(net, places, inputs)
  local outputs, handles, modes = {}, {}, {}
  local state = cr.get_rng_state()
  local _ <close> = setmetatable({}, { __close = function()
    for _, handle in ipairs(handles) do handle:remove() end
    for m, training in pairs(modes) do m.training = training end
    cr.set_rng_state(state)
  end })
  for _, at in ipairs(places) do
    local m = at[2]
    modes[m] = m.training
    m.training = false
    handles[#handles + 1] = m:register_forward_hook(function(_, _, ...)
      local text, bytes = shapes_of({ ... }, 1)
      local seen = outputs[m]
      outputs[m] = { shapes = text or "-", bytes = bytes, calls = (seen and seen.calls or 0) + 1 }
    end)
  end
  cr.no_grad(function() net(table.unpack(inputs)) end)
  return outputs
end

-- ---- The table ----------------------------------------------------------------------------------------------------

local function size_text(bytes)
  for _, unit in ipairs { { 1 << 30, "GiB" }, { 1 << 20, "MiB" }, { 1 << 10, "KiB" } } do
    if bytes >= unit[1] then return ("%.1f %s"):format(bytes / unit[1], unit[2]) end
  end
  return ("%d B"):format(bytes)
end

local Summary = {}
Summary.__index = Summary

local function row_text(row, widths)
  local parts = {}
  for i, text in ipairs(row) do
    local room = (" "):rep(widths[i] - (utf8.len(text) or #text))
    parts[i] = i <= 2 and text .. room or room .. text
  end
  return (table.concat(parts, "  "):gsub("%s+$", ""))
end

function Summary:__tostring()
  local rows = { { "layer", "output", "parameters", "output memory" } }
  for _, layer in ipairs(self.layers) do
    rows[#rows + 1] = { ("  "):rep(layer.depth) .. layer.label, layer.output,
      layer.parameters > 0 and show.grouped(layer.parameters) or "-",
      layer.bytes > 0 and size_text(layer.bytes) or "-" }
  end
  local widths = { 0, 0, 0, 0 }
  for _, row in ipairs(rows) do
    for i, text in ipairs(row) do widths[i] = math.max(widths[i], utf8.len(text) or #text) end
  end
  local lines, line = {}, ("─"):rep(widths[1] + widths[2] + widths[3] + widths[4] + 6)
  for i, row in ipairs(rows) do
    lines[#lines + 1] = row_text(row, widths)
    if i == 1 then lines[#lines + 1] = line end
  end
  lines[#lines + 1] = line
  lines[#lines + 1] = ("%s parameters, %s of them trainable; they and buffers take %s, inputs %s, outputs %s"):format(
    show.grouped(self.parameters), show.grouped(self.trainable), size_text(self.state_bytes),
    size_text(self.input_bytes), size_text(self.output_bytes))
  return table.concat(lines, "\n")
end

--- summary(net, { 64, 1, 28, 28 }): the layers of a model with the shapes of what they give for an input of that
-- shape (the batch included), a tensor, or a list of both; their numbers of parameters and the memory of their
-- outputs. Options: dtype (also a list), device. print() shows the table; its fields are layers, parameters, trainable,
-- state_bytes, input_bytes, output_bytes.
function M.summary(net, given, options)
  if not module.is_module(net) then fail("expected a module, got a %s", type(net)) end
  local o = options or {}
  if type(o) ~= "table" then fail("the options must be a table, got a %s", type(o)) end
  for key in pairs(o) do
    if key ~= "dtype" and key ~= "device" then
      fail("there is no option '%s'; there are: dtype, device", tostring(key))
    end
  end
  local inputs, places = inputs_of(given, o), walk.modules(net, "")
  local outputs = run(net, places, inputs)
  local self = { layers = {}, input_bytes = 0, output_bytes = 0, state_bytes = bytes_of(net, true) }
  local total, frozen = show.count(net)
  self.parameters, self.trainable = total, total - frozen
  for _, x in ipairs(inputs) do self.input_bytes = self.input_bytes + x:numel() * x:element_size() end
  for _, at in ipairs(places) do
    local name, m = at[1], at[2]
    local seen, own = outputs[m], 0
    for _, t in ipairs(walk.tensors(m, "parameter", "", false)) do own = own + t[2]:numel() end
    local is_leaf = #m:children() == 0
    local last = name:match "[^.]*$"
    self.layers[#self.layers + 1] = { name = name, class = m.class_name, depth = name == "" and 0
      or select(2, name:gsub("%.", "")) + 1, label = (last ~= "" and last .. ": " or "") .. m.class_name
      .. (seen and seen.calls > 1 and (" x%d"):format(seen.calls) or ""), output = seen and seen.shapes or "-",
      parameters = own, bytes = is_leaf and seen and seen.bytes or 0 }
    if is_leaf and seen then self.output_bytes = self.output_bytes + seen.bytes * seen.calls end
  end
  return setmetatable(self, Summary)
end

return M
