-- tables.lua: modules whose input or output is a table.
--
-- Holds true: gradients have the structure of the inputs.

local cr = require "cresset"
local T = require "cresset.torch7.tensor"
local classes = require "cresset.torch7.class"
local base = require "cresset.torch7.nn.module"
local Native = base.Native

local function class(name, compute)
  local C = classes.class("nn." .. name, "nn.Native")
  C.compute = compute
  return C
end

local function fold(f)
  return function(_, x)
    local y = x[1]
    for i = 2, #x do y = f(y, x[i]) end
    return #x == 1 and y * 1 or y
  end
end
class("CAddTable", fold(cr.add))
class("CSubTable", function(_, x) return x[1] - x[2] end)
class("CMulTable", fold(cr.mul))
class("CDivTable", function(_, x) return x[1] / x[2] end)
class("CMaxTable", fold(cr.maximum))
class("CMinTable", fold(cr.minimum))

-- The dim is that of one sample where nInputDims is given.
local function dim_of(self, x)
  local dim = self.dimension
  if dim < 0 then return x:dim() + dim + 1 end
  if self.nInputDims and self.nInputDims > 0 and x:dim() == self.nInputDims + 1 then dim = dim + 1 end
  return dim
end

local Join = class("JoinTable", function(self, x) return cr.cat(x, dim_of(self, x[1])) end)
function Join:__init(dimension, nInputDims)
  Native.__init(self)
  self.dimension, self.nInputDims = dimension, nInputDims
end

local Split = class "SplitTable"
function Split:__init(dimension, nInputDims)
  Native.__init(self)
  self.dimension, self.nInputDims = dimension, nInputDims
end
function Split:compute(x)
  local parts = table.pack(cr.unbind(x, dim_of(self, x)))
  parts.n = nil
  return parts
end

-- Parts of a table: what is left out gets zeros.
local function zeros(x) return base.map(x, function(t) return t:clone():zero() end) end

local Select = classes.class("nn.SelectTable", "nn.Module")
function Select:__init(index)
  base.Module.__init(self)
  self.index = index
end
local function selected(self, input)
  if type(self.index) == "number" and self.index < 0 then return #input + self.index + 1 end
  return self.index
end
function Select:updateOutput(input)
  self.output = input[selected(self, input)]
  if self.output == nil then error("nn.SelectTable: the table has no element " .. tostring(self.index), 2) end
  return self.output
end
function Select:updateGradInput(input, gradOutput)
  self.gradInput = zeros(input)
  self.gradInput[selected(self, input)] = gradOutput
  return self.gradInput
end

local Narrow = classes.class("nn.NarrowTable", "nn.Module")
function Narrow:__init(offset, length)
  base.Module.__init(self)
  self.offset, self.length = offset, length or 1
end
function Narrow:updateOutput(input)
  self.output = table.move(input, self.offset, self.offset + self.length - 1, 1, {})
  return self.output
end
function Narrow:updateGradInput(input, gradOutput)
  self.gradInput = zeros(input)
  table.move(gradOutput, 1, self.length, self.offset, self.gradInput)
  return self.gradInput
end

local Flatten = classes.class("nn.FlattenTable", "nn.Module")
function Flatten:updateOutput(input)
  self.output = {}
  local function walk(x)
    for _, value in ipairs(x) do
      if T.is(value) then self.output[#self.output + 1] = value else walk(value) end
    end
  end
  walk(input)
  return self.output
end
function Flatten:updateGradInput(input, gradOutput)
  local i = 0
  local function walk(x)
    local list = {}
    for k, value in ipairs(x) do
      if T.is(value) then
        i = i + 1
        list[k] = gradOutput[i]
      else
        list[k] = walk(value)
      end
    end
    return list
  end
  self.gradInput = walk(input)
  return self.gradInput
end

-- Products and distances of pairs -----------------------------------------------------------------------------------

local function transposed(x, yes) return yes and x:transpose(-1, -2) or x end
local MM = class("MM", function(self, x)
  return cr.matmul(transposed(x[1], self.transA), transposed(x[2], self.transB))
end)
function MM:__init(transA, transB)
  Native.__init(self)
  self.transA, self.transB = transA or false, transB or false
end
local MV = class("MV", function(self, x)
  return cr.matmul(transposed(x[1], self.trans), x[2]:unsqueeze(-1)):squeeze(-1)
end)
function MV:__init(trans)
  Native.__init(self)
  self.trans = trans or false
end

local function row(y) return y:dim() == 0 and y:view { 1 } or y end
class("DotProduct", function(_, x) return row((x[1] * x[2]):sum(-1)) end)
class("CosineDistance", function(_, x) return row(cr.cosine_similarity(x[1], x[2], -1, 1e-12)) end)
local Pairwise = class("PairwiseDistance", function(self, x) return row(cr.norm(x[1] - x[2], self.norm, -1)) end)
function Pairwise:__init(p)
  Native.__init(self)
  self.norm = p or 2
end

-- Experts' answers weighed by a gate: { weights, table of answers }.
class("MixtureTable", function(_, x)
  local gate, experts = x[1], x[2]
  local y
  for i, expert in ipairs(experts) do
    local w = gate:select(-1, i)
    while w:dim() < expert:dim() do w = w:unsqueeze(-1) end
    local part = w * expert
    y = y and y + part or part
  end
  return y
end)
