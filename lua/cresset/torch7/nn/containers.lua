-- containers.lua: modules made of modules: one after the other, side by side, on tables.
--
-- Holds true: a container calls its modules' own methods only, so that modules written by users take part as any
-- other.

local T = require "cresset.torch7.tensor"
local classes = require "cresset.torch7.class"
require "cresset.torch7.nn.module"

local Container, Module = classes.class("nn.Container", "nn.Module")

function Container:__init()
  Module.__init(self)
  self.modules = {}
end

function Container:add(module)
  self.modules[#self.modules + 1] = module
  return self
end
function Container:get(i) return self.modules[i] end
function Container:size() return #self.modules end
function Container:__len() return #self.modules end

local function each(name)
  Container[name] = function(self, ...)
    for _, m in ipairs(self.modules) do m[name](m, ...) end
  end
end
each "zeroGradParameters"
each "updateParameters"
each "reset"

function Container:training()
  self.train = true
  for _, m in ipairs(self.modules) do m:training() end
end
function Container:evaluate()
  self.train = false
  for _, m in ipairs(self.modules) do m:evaluate() end
end

function Container:parameters()
  local params, grads = {}, {}
  for _, m in ipairs(self.modules) do
    local p, g = m:parameters()
    for i, t in ipairs(p or {}) do
      params[#params + 1], grads[#grads + 1] = t, g[i]
    end
  end
  return params, grads
end

local function indented(self, label)
  local lines = { classes.typename(self) .. " {" }
  for i, m in ipairs(self.modules) do
    lines[#lines + 1] = ("  (%s%d): %s"):format(label or "", i, (tostring(m):gsub("\n", "\n  ")))
  end
  lines[#lines + 1] = "}"
  return table.concat(lines, "\n")
end
function Container:__tostring() return indented(self) end

-- One after the other -----------------------------------------------------------------------------------------------

local Sequential = classes.class("nn.Sequential", "nn.Container")

function Sequential:insert(module, i)
  table.insert(self.modules, i or #self.modules + 1, module)
  return self
end
function Sequential:remove(i) return table.remove(self.modules, i or #self.modules) end

function Sequential:updateOutput(input)
  for _, m in ipairs(self.modules) do input = m:updateOutput(input) end
  self.output = input
  return input
end

-- Calls f(module, its input, gradient of its output), last module first; f gives the gradient of its input.
local function backwards(self, input, g, f)
  for i = #self.modules, 1, -1 do
    local m = self.modules[i]
    g = f(m, i > 1 and self.modules[i - 1].output or input, g)
  end
  return g
end
function Sequential:updateGradInput(input, gradOutput)
  self.gradInput = backwards(self, input, gradOutput, function(m, x, g) return m:updateGradInput(x, g) end)
  return self.gradInput
end
function Sequential:accGradParameters(input, gradOutput, scale)
  backwards(self, input, gradOutput, function(m, x, g)
    m:accGradParameters(x, g, scale)
    return m.gradInput
  end)
end
function Sequential:backward(input, gradOutput, scale)
  self.gradInput = backwards(self, input, gradOutput, function(m, x, g) return m:backward(x, g, scale) end)
  return self.gradInput
end
function Sequential:__tostring()
  local steps = {}
  for i = 1, #self.modules do steps[i] = ("(%d)"):format(i) end
  steps[#steps + 1] = "output"
  local lines = { "nn.Sequential {", "  [input -> " .. table.concat(steps, " -> ") .. "]" }
  for i, m in ipairs(self.modules) do
    lines[#lines + 1] = ("  (%d): %s"):format(i, (tostring(m):gsub("\n", "\n  ")))
  end
  lines[#lines + 1] = "}"
  return table.concat(lines, "\n")
end

-- All on one input, or each on its own ------------------------------------------------------------------------------

local function add_to(sum, g)
  if not sum then return T.is(g) and g:clone() or g end
  if T.is(g) then return sum:add(g) end
  local list = {}
  for key, value in pairs(g) do list[key] = add_to(sum[key], value) end
  return list
end

local ConcatTable = classes.class("nn.ConcatTable", "nn.Container")
function ConcatTable:updateOutput(input)
  self.output = {}
  for i, m in ipairs(self.modules) do self.output[i] = m:updateOutput(input) end
  return self.output
end
function ConcatTable:updateGradInput(input, gradOutput)
  local sum
  for i, m in ipairs(self.modules) do sum = add_to(sum, m:updateGradInput(input, gradOutput[i])) end
  self.gradInput = sum
  return sum
end
function ConcatTable:accGradParameters(input, gradOutput, scale)
  for i, m in ipairs(self.modules) do m:accGradParameters(input, gradOutput[i], scale) end
end
function ConcatTable:backward(input, gradOutput, scale)
  local sum
  for i, m in ipairs(self.modules) do sum = add_to(sum, m:backward(input, gradOutput[i], scale)) end
  self.gradInput = sum
  return sum
end

local ParallelTable = classes.class("nn.ParallelTable", "nn.Container")
function ParallelTable:updateOutput(input)
  self.output = {}
  for i, m in ipairs(self.modules) do self.output[i] = m:updateOutput(input[i]) end
  return self.output
end
function ParallelTable:updateGradInput(input, gradOutput)
  self.gradInput = {}
  for i, m in ipairs(self.modules) do self.gradInput[i] = m:updateGradInput(input[i], gradOutput[i]) end
  return self.gradInput
end
function ParallelTable:accGradParameters(input, gradOutput, scale)
  for i, m in ipairs(self.modules) do m:accGradParameters(input[i], gradOutput[i], scale) end
end
function ParallelTable:backward(input, gradOutput, scale)
  self.gradInput = {}
  for i, m in ipairs(self.modules) do self.gradInput[i] = m:backward(input[i], gradOutput[i], scale) end
  return self.gradInput
end

-- One module with its parameters, on each element of a table: its copies share parameters and gradients.
local MapTable = classes.class("nn.MapTable", "nn.Container")
function MapTable:__init(module)
  Container.__init(self)
  if module then self.modules[1] = module end
  self._copies = {}
end
local function copies(self, n)
  for i = #self._copies + 1, n do
    self._copies[i] = i == 1 and self.modules[1] or self.modules[1]:clone("weight", "bias", "gradWeight", "gradBias")
  end
  return self._copies
end
function MapTable:updateOutput(input)
  self.output = {}
  for i, m in ipairs(copies(self, #input)) do
    if input[i] then self.output[i] = m:updateOutput(input[i]) end
  end
  return self.output
end
function MapTable:updateGradInput(input, gradOutput)
  self.gradInput = {}
  for i, x in ipairs(input) do self.gradInput[i] = self._copies[i]:updateGradInput(x, gradOutput[i]) end
  return self.gradInput
end
function MapTable:accGradParameters(input, gradOutput, scale)
  for i, x in ipairs(input) do self._copies[i]:accGradParameters(x, gradOutput[i], scale) end
end

-- Results joined along a dim ----------------------------------------------------------------------------------------

local torch_cat = require("cresset.torch7.shapes").cat

local Concat = classes.class("nn.Concat", "nn.Container")
function Concat:__init(dimension)
  Container.__init(self)
  self.dimension = dimension
end
function Concat:updateOutput(input)
  local parts = {}
  for i, m in ipairs(self.modules) do parts[i] = m:updateOutput(input) end
  self.output = torch_cat(parts, self.dimension)
  return self.output
end
local function slices(self, gradOutput)
  local parts, at = {}, 1
  for i, m in ipairs(self.modules) do
    local n = m.output:size(self.dimension)
    parts[i], at = gradOutput:narrow(self.dimension, at, n), at + n
  end
  return parts
end
function Concat:updateGradInput(input, gradOutput)
  return ConcatTable.updateGradInput(self, input, slices(self, gradOutput))
end
function Concat:accGradParameters(input, gradOutput, scale)
  ConcatTable.accGradParameters(self, input, slices(self, gradOutput), scale)
end
function Concat:backward(input, gradOutput, scale)
  return ConcatTable.backward(self, input, slices(self, gradOutput), scale)
end

-- Each module on one slice of the input along a dim, results joined along another.
local Parallel = classes.class("nn.Parallel", "nn.Container")
function Parallel:__init(inputDimension, outputDimension)
  Container.__init(self)
  self.inputDimension, self.outputDimension = inputDimension, outputDimension
end
local function inputs(self, input)
  local parts = {}
  for i = 1, #self.modules do parts[i] = input:select(self.inputDimension, i) end
  return parts
end
function Parallel:updateOutput(input)
  self._inputs = inputs(self, input)
  local parts = {}
  for i, m in ipairs(self.modules) do parts[i] = m:updateOutput(self._inputs[i]) end
  self.output = torch_cat(parts, self.outputDimension)
  return self.output
end
local function output_slices(self, gradOutput)
  local parts, at = {}, 1
  for i, m in ipairs(self.modules) do
    local n = m.output:size(self.outputDimension)
    parts[i], at = gradOutput:narrow(self.outputDimension, at, n), at + n
  end
  return parts
end
function Parallel:updateGradInput(input, gradOutput)
  self.gradInput = input:clone():zero()
  local parts = output_slices(self, gradOutput)
  for i, m in ipairs(self.modules) do
    self.gradInput:select(self.inputDimension, i):copy(m:updateGradInput(self._inputs[i], parts[i]))
  end
  return self.gradInput
end
function Parallel:accGradParameters(_, gradOutput, scale)
  local parts = output_slices(self, gradOutput)
  for i, m in ipairs(self.modules) do m:accGradParameters(self._inputs[i], parts[i], scale) end
end
