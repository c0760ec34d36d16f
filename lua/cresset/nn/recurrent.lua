-- recurrent.lua: RNN, LSTM, GRU over sequences, and their cells for one step.
--
-- Holds true: parameters have PyTorch's names (weight_ih_l0, weight_hh_l0_reverse, ...), and are uniform within
-- 1 / sqrt(hidden_size) at first. An LSTM's state is a list { h, c }; other layers' is h.

local cr = require "cresset"
local arguments = require "cresset.nn.arguments"
local initial = require "cresset.nn.initial"
local module = require "cresset.nn.module"
local show = require "cresset.nn.show"

local M = {}

local class, fail = module.class, module.fail

local gates = { RNN = 1, LSTM = 4, GRU = 3 }

local function reset(self)
  local size = self.hidden_size
  initial.uniform(size > 0 and 1 / math.sqrt(size) or 0, table.unpack(self:parameters(false)))
end

-- ---- Layers ----------------------------------------------------------------------------------------------

-- The names of a layer's parameters in one direction, in the order in which the operations want them.
local function names_of(self, layer, reverse)
  local suffix = ("_l%d%s"):format(layer, reverse and "_reverse" or "")
  local list = { "weight_ih" .. suffix, "weight_hh" .. suffix }
  if self.bias then
    list[3], list[4] = "bias_ih" .. suffix, "bias_hh" .. suffix
  end
  if self.proj_size > 0 then list[#list + 1] = "weight_hr" .. suffix end
  return list
end

local function make_parameters(self, a, n)
  local hidden, projected, both = a.hidden_size, self.proj_size, a.bidirectional and 2 or 1
  local out = projected > 0 and projected or hidden
  local flat = {}
  for layer = 0, a.num_layers - 1 do
    local width = layer == 0 and a.input_size or both * out
    for direction = 1, both do
      for _, name in ipairs(names_of(self, layer, direction == 2)) do
        local shape = name:find "^weight_ih" and { n * hidden, width } or name:find "^weight_hh" and { n * hidden, out }
          or name:find "^weight_hr" and { projected, hidden } or { n * hidden }
        self[name] = initial.empty(a, table.unpack(shape))
        flat[#flat + 1] = name
      end
    end
  end
  self.flat_names = flat
end

-- The parameters as the operations want them: read anew, as they may have been replaced.
local function parameters_of(self)
  local list = {}
  for i, name in ipairs(self.flat_names) do list[i] = self[name] end
  return list
end

local function check(self, a)
  if a.dropout > 0 and a.num_layers == 1 then
    cr.warn(("%s: dropout works between layers, and there is one layer only"):format(self.class_name))
  end
  if self.proj_size >= a.hidden_size and self.proj_size > 0 then
    fail(self, "proj_size (%d) must be less than hidden_size (%d)", self.proj_size, a.hidden_size)
  end
end

-- The state with its sequences in another order.
local function ordered(state, positions)
  if not positions or not state then return state end
  if cr.is_tensor(state) then return state:index_select(2, positions) end
  return { state[1]:index_select(2, positions), state[2]:index_select(2, positions) }
end

local function check_state(self, hx)
  if hx == nil then return end
  if self.pair then
    if type(hx) ~= "table" or not cr.is_tensor(hx[1]) or not cr.is_tensor(hx[2]) then
      fail(self, "the state must be a list of two tensors, { h, c }, got %s", arguments.describe(hx))
    end
  elseif not cr.is_tensor(hx) then
    fail(self, "the state must be a tensor, got %s", arguments.describe(hx))
  end
end

-- Output and state of a tensor or a packed sequence.
local function forward(self, input, hx)
  check_state(self, hx)
  local packed = not cr.is_tensor(input) and type(input) == "table" and input.batch_sizes and input
  if packed then
    input, hx = packed.data, ordered(hx, packed.sorted_indices)
  end
  local output, h, c = self.compute(input, hx, parameters_of(self), self.bias, self.num_layers, self.dropout,
    self.training, self.bidirectional, self.batch_first, packed and packed.batch_sizes or nil)
  local state = c and { h, c } or h
  if not packed then return output, state end
  return require("cresset.nn.packed").PackedSequence(output, packed.batch_sizes, packed.sorted_indices,
    packed.unsorted_indices), ordered(state, packed.unsorted_indices)
end

local function describe(self)
  local parts = { self.input_size, self.hidden_size }
  local function add(name, usual)
    if self[name] ~= usual then parts[#parts + 1] = name .. "=" .. show.value(self[name]) end
  end
  add("proj_size", 0)
  add("num_layers", 1)
  add("nonlinearity", self.nonlinearity and "tanh")
  add("bias", true)
  add("batch_first", false)
  add("dropout", 0)
  add("bidirectional", false)
  return table.concat(parts, ", ")
end

local function define(name, extra, last)
  local Layer = class(name)
  local takes = arguments.signature(([[input_size: count, hidden_size: positive, num_layers: positive = 1,%s
    bias: bool = true, batch_first: bool = false, dropout: probability = 0, bidirectional: bool = false%s,
    device: device?, dtype: dtype?]]):format(extra, last))

  function Layer:init(...)
    local a = arguments.read(name, takes, ...)
    for _, field in ipairs { "input_size", "hidden_size", "num_layers", "nonlinearity", "bias", "batch_first",
      "dropout", "bidirectional" } do self[field] = a[field] end
    self.proj_size = a.proj_size or 0
    self.pair = name == "LSTM"
    self.compute = cr[name == "RNN" and "rnn_" .. a.nonlinearity or name:lower()]
    check(self, a)
    make_parameters(self, a, gates[name])
    self:reset_parameters()
  end

  Layer.reset_parameters = reset
  Layer.forward = forward
  Layer.extra_repr = describe
  M[name] = Layer
end

--- RNN(input_size, hidden_size, { num_layers = 1, nonlinearity = "tanh", bias = true, batch_first = false, dropout = 0,
-- bidirectional = false }): m(x, h) gives output, h.
define("RNN", ' nonlinearity: tanh|relu = "tanh",', "")

--- LSTM(input_size, hidden_size, { num_layers =, bias =, batch_first =, dropout =, bidirectional =, proj_size = }):
-- m(x, { h, c }) gives output, { h, c }.
define("LSTM", "", ", proj_size: count = 0")

--- GRU(input_size, hidden_size, { num_layers =, bias =, batch_first =, dropout =, bidirectional = }): m(x, h) gives
-- output, h.
define("GRU", "", "")

-- ---- Cells -----------------------------------------------------------------------------------------------

local function zeros(self, input)
  local shape = input.ndim == 1 and { self.hidden_size } or { input:size(1), self.hidden_size }
  return cr.zeros(shape, { dtype = input.dtype, device = input.device })
end

local function define_cell(name, extra)
  local Cell = class(name .. "Cell")
  local takes = arguments.signature(([[input_size: count, hidden_size: positive, bias: bool = true,%s device: device?,
    dtype: dtype?]]):format(extra))

  function Cell:init(...)
    local a = arguments.read(self.class_name, takes, ...)
    local n = gates[name] * a.hidden_size
    self.input_size, self.hidden_size, self.bias = a.input_size, a.hidden_size, a.bias
    self.nonlinearity = a.nonlinearity
    self.pair = name == "LSTM"
    self.compute = cr[name == "RNN" and "rnn_" .. a.nonlinearity .. "_cell" or name:lower() .. "_cell"]
    self.weight_ih = initial.empty(a, n, a.input_size)
    self.weight_hh = initial.empty(a, n, a.hidden_size)
    self:register_parameter("bias_ih", a.bias and initial.empty(a, n) or nil)
    self:register_parameter("bias_hh", a.bias and initial.empty(a, n) or nil)
    self:reset_parameters()
  end

  Cell.reset_parameters = reset

  function Cell:forward(input, hx)
    if not cr.is_tensor(input) then fail(self, "the input must be a tensor, got %s", arguments.describe(input)) end
    check_state(self, hx)
    if hx == nil then
      hx = zeros(self, input)
      if self.pair then hx = { hx, hx } end
    end
    return self.compute(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
  end

  function Cell:extra_repr()
    local text = ("%d, %d"):format(self.input_size, self.hidden_size)
    if not self.bias then text = text .. ", bias=false" end
    if self.nonlinearity == "relu" then text = text .. ", nonlinearity=relu" end
    return text
  end
  M[name .. "Cell"] = Cell
end

--- RNNCell(input_size, hidden_size, { bias = true, nonlinearity = "tanh" }): m(x, h) gives the next h.
define_cell("RNN", ' nonlinearity: tanh|relu = "tanh",')
--- LSTMCell(input_size, hidden_size, { bias = true }): m(x, { h, c }) gives the next h and c.
define_cell("LSTM", "")
--- GRUCell(input_size, hidden_size, { bias = true }): m(x, h) gives the next h.
define_cell("GRU", "")

return M
