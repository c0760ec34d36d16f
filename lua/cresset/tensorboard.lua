-- tensorboard.lua: cr.tensorboard.Writer, which writes what TensorBoard shows.
--
-- Holds true: a file is a row of records of TFRecord: length, masked CRC-32C of it, an Event of protobuf, masked
-- CRC-32C of that. Each record is written with one call, so that a program that is ended leaves whole records but for,
-- at most, the last. Numbers of fields: TensorFlow's event.proto and summary.proto, TensorBoard's api.proto of hparams.

local cr = require "cresset"

local check = require "cresset.data.check"

local M = {}

local fail, describe = check.fail, check.describe

-- ---- Protobuf ------------------------------------------------------------------------------------------------------

local function varint(n)
  local bytes = {}
  repeat
    local low = n & 127
    n = n >> 7
    bytes[#bytes + 1] = string.char(n ~= 0 and low | 128 or low)
  until n == 0
  return table.concat(bytes)
end

local function tag(field, kind) return varint(field << 3 | kind) end
local function integer(field, n) return tag(field, 0) .. varint(n) end
local function double(field, v) return tag(field, 1) .. ("<d"):pack(v) end
local function float(field, v) return tag(field, 5) .. ("<f"):pack(v) end
local function bytes(field, text) return tag(field, 2) .. varint(#text) .. text end
local function doubles(field, list)
  local parts = {}
  for i, v in ipairs(list) do parts[i] = ("<d"):pack(v) end
  return bytes(field, table.concat(parts))
end

-- ---- Records -------------------------------------------------------------------------------------------------------

local crc_table = {}
for i = 0, 255 do
  local c = i
  for _ = 1, 8 do c = c & 1 == 1 and c >> 1 ~ 0x82F63B78 or c >> 1 end
  crc_table[i] = c
end

local function masked_crc(text)
  local c = 0xFFFFFFFF
  for first = 1, #text, 4096 do
    for _, b in ipairs { text:byte(first, math.min(first + 4095, #text)) } do
      c = crc_table[(c ~ b) & 255] ~ c >> 8
    end
  end
  c = c ~ 0xFFFFFFFF
  return ((c >> 15 | c << 17) + 0xA282EAD8) & 0xFFFFFFFF
end

local function record(text)
  local length = ("<I8"):pack(#text)
  return length .. ("<I4"):pack(masked_crc(length)) .. text .. ("<I4"):pack(masked_crc(text))
end

-- ---- The writer ---------------------------------------------------------------------------------------------------

local Writer = {}
Writer.__index = Writer

local count = 0 -- of the writers of this state: their files have different names

local function put(self, op, text)
  if not self.file then fail("%s: the writer has been closed", op) end
  local good, problem = self.file:write(record(text))
  if not good then fail("%s: cannot write %s: %s", op, self.path, problem) end
end

-- An Event: 1 wall_time, 2 step, 3 file_version, 5 summary.
local start = os.time() - cr.clock()
local function event(step, more)
  return double(1, start + cr.clock()) .. (step and integer(2, step) or "") .. more
end

-- A Summary with one Value: 1 tag, 2 simple_value, 4 image, 5 histo, 8 tensor, 9 metadata.
local function add(self, op, name, step, value)
  check.string(op, "tag", name)
  put(self, op, event(check.integer(op, "step", step, 0, self.steps[name] or 0), bytes(5, bytes(1, bytes(1, name)
    .. value))))
  self.steps[name] = (step and math.tointeger(step) or self.steps[name] or 0) + 1
end

--- Writer(folder): a new file in the folder, which is made if it is missing.
function M.Writer(folder)
  check.string("Writer", "folder", folder)
  if not cr._data.list_folder(folder) then
    os.execute(("mkdir -p -- '%s' 2>/dev/null"):format(folder:gsub("'", "'\\''")))
  end
  count = count + 1
  local path = ("%s/events.out.tfevents.%d.cresset.%d.%d"):format(folder, os.time(),
    math.floor(cr.clock() * 1e6) & 0xFFFFFFFF, count)
  local file, problem = io.open(path, "wb")
  if not file then fail("Writer: %s", problem) end
  local self = setmetatable({ file = file, path = path, steps = {} }, Writer)
  put(self, "Writer", event(nil, bytes(3, "brain.Event:2")))
  file:flush()
  return self
end

local function number_arg(op, value)
  if cr.is_tensor(value) and value:numel() == 1 then value = value:item() end
  if type(value) == "boolean" then value = value and 1 or 0 end
  if type(value) ~= "number" then fail("%s: value must be a number, got %s", op, describe(value)) end
  return value
end

--- w:scalar(tag, value, step): a point of a curve. step: that of the last call of this tag and one more, if left out.
function Writer:scalar(name, value, step)
  add(self, "scalar", name, step, float(2, number_arg("scalar", value)))
end

--- w:scalars(tag, { name = value }, step): several curves, tag/name.
function Writer:scalars(name, values, step)
  if type(values) ~= "table" then fail("scalars: values must be a table, got %s", describe(values)) end
  local names = {}
  for key in pairs(values) do names[#names + 1] = tostring(key) end
  table.sort(names)
  for _, key in ipairs(names) do self:scalar(name .. "/" .. key, values[key], step) end
end

--- w:histogram(tag, x, step, { bins = 30 }): how the elements of a tensor lie; those that are not finite are left out.
function Writer:histogram(name, x, step, options)
  local o = check.options("histogram", options, { "bins" })
  if type(x) == "table" then x = cr.tensor(x) end
  if not cr.is_tensor(x) then fail("histogram: x must be a tensor, got %s", describe(x)) end
  x = x:detach():cpu():to("float64"):flatten()
  x = x:masked_select(x:isfinite())
  local bins = check.integer("histogram", "bins", o.bins, 1, 30)
  if #x == 0 then x = cr.zeros({ 1 }, { dtype = "float64" }) end
  local low, high = x:amin():item(), x:amax():item()
  local width = high > low and (high - low) / bins or 1.0
  local at = ((x - low) / width):floor():clamp(0, bins - 1):to "int64" + 1
  local counts = at:bincount({ minlength = bins }):narrow(1, 1, bins):totable()
  local edges = {}
  for i = 1, bins do edges[i], counts[i] = i == bins and high or low + i * width, counts[i] + 0.0 end
  -- HistogramProto: 1 min, 2 max, 3 num, 4 sum, 5 sum_squares, 6 bucket_limit, 7 bucket
  add(self, "histogram", name, step, bytes(5, double(1, low) .. double(2, high) .. double(3, #x + 0.0)
    .. double(4, x:sum():item()) .. double(5, (x * x):sum():item()) .. doubles(6, edges) .. doubles(7, counts)))
end

--- w:image(tag, x, step): channels x height x width or height x width, floats from 0 to 1 or integers to 255. Needs
-- libpng.
function Writer:image(name, x, step)
  local image = require "cresset.data.image"
  local png = image.png("image", x)
  local pixels = image.pixels("image", x)
  -- Image: 1 height, 2 width, 3 colorspace, 4 the PNG
  add(self, "image", name, step, bytes(4, integer(1, pixels:size(1)) .. integer(2, pixels:size(2))
    .. integer(3, pixels:size(3)) .. bytes(4, png)))
end

-- A plugin's name: SummaryMetadata 1 plugin_data { 1 plugin_name, 2 content }.
local function metadata(plugin, content)
  return bytes(9, bytes(1, bytes(1, plugin) .. (content and bytes(2, content) or "")))
end

--- w:text(tag, text, step): a text of Markdown.
function Writer:text(name, text, step)
  check.string("text", "text", text)
  -- TensorProto: 1 dtype (7: strings), 2 shape { 2 dim { 1 size } }, 8 string_val
  add(self, "text", name, step, metadata "text"
    .. bytes(8, integer(1, 7) .. bytes(2, bytes(2, integer(1, 1))) .. bytes(8, text)))
end

-- A value of google.protobuf.Value: 2 number, 3 string, 4 bool.
local function value_of(op, key, v)
  if cr.is_tensor(v) and v:numel() == 1 then v = v:item() end
  if type(v) == "number" then return double(2, v) end
  if type(v) == "string" then return bytes(3, v) end
  if type(v) == "boolean" then return integer(4, v and 1 or 0) end
  fail("%s: %s must be a number, a string or a boolean, got %s", op, describe(key), describe(v))
end

local function sorted(op, t)
  if type(t) ~= "table" then fail("%s: expected a table of values by name, got %s", op, describe(t)) end
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  for _, key in ipairs(keys) do check.string(op, "the name of a value", key) end
  table.sort(keys)
  return keys
end

--- w:hparams({ lr = 0.1, kind = "mlp" }, { accuracy = 0.9 }): the settings of this run, and what came of them.
function Writer:hparams(settings, metrics)
  local infos, names, values = {}, {}, {}
  for i, key in ipairs(sorted("hparams", settings)) do
    local v = settings[key]
    local kind = type(v) == "boolean" and 2 or type(v) == "string" and 1 or 3
    infos[i] = bytes(4, bytes(1, key) .. integer(4, kind)) -- Experiment 4; HParamInfo: 1 name, 4 type
    values[i] = bytes(1, bytes(1, key) .. bytes(2, value_of("hparams", key, v)))
  end
  metrics = metrics or {}
  for i, key in ipairs(sorted("hparams", metrics)) do
    names[i] = bytes(5, bytes(1, bytes(2, key))) -- Experiment 5; MetricInfo: 1 name { 2 tag }
  end
  -- HParamsPluginData: 2 experiment, 3 session_start_info, 4 session_end_info, each in a summary of its own
  local function plugin(name, content)
    put(self, "hparams", event(0, bytes(5, bytes(1, bytes(1, name) .. metadata("hparams", content)))))
  end
  plugin("_hparams_/experiment", bytes(2, table.concat(infos) .. table.concat(names)))
  plugin("_hparams_/session_start_info", bytes(3, table.concat(values)))
  plugin("_hparams_/session_end_info", bytes(4, integer(1, 1)))
  for _, key in ipairs(sorted("hparams", metrics)) do self:scalar(key, metrics[key], 0) end
end

--- Sees to it that what was written is in the file.
function Writer:flush()
  if self.file then self.file:flush() end
end

--- Ends the file.
function Writer:close()
  local file = self.file
  self.file = nil
  if not file then return end
  local good, problem = file:close()
  if not good then fail("close: cannot write %s: %s", self.path, problem) end
end
Writer.__close = Writer.close
Writer.__gc = function(self)
  if self.file then self.file:close() end
end

return setmetatable(M, { __index = function(_, name)
  if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
  require("cresset.suggest").no_member("tensorboard", name)
end })
