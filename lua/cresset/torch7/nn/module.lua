-- module.lua: what every module and criterion of Torch7's nn has, and those whose arithmetic is Cresset's.
--
-- Holds true: forward keeps `output`, backward `gradInput`, and adds to the gradients of parameters until
-- zeroGradParameters. A native module computes with Cresset's operations on copies that record; the graph of its
-- last forward call is kept for backward, and goes with clearState.

local cr = require "cresset"
local T = require "cresset.torch7.tensor"
local classes = require "cresset.torch7.class"
require "cresset.torch7.nn" -- the package that the classes are put into

local M = {}

-- f over a tensor or over tables of them, in the same structure.
local function map(x, f)
  if T.is(x) then return f(x) end
  local list = {}
  for key, value in pairs(x) do list[key] = map(value, f) end
  return list
end
M.map = map

local Module = classes.class "nn.Module"
M.Module = Module

function Module:__init()
  self.gradInput = T.empty(T.default)
  self.output = T.empty(T.default)
  self._type = "torch." .. T.default .. "Tensor"
  self.train = true
end

function Module:updateOutput() return self.output end
function Module:forward(input) return self:updateOutput(input) end
function Module:updateGradInput() return self.gradInput end
function Module.accGradParameters() end

function Module:backward(input, gradOutput, scale)
  self:updateGradInput(input, gradOutput)
  self:accGradParameters(input, gradOutput, scale or 1)
  return self.gradInput
end

function Module:backwardUpdate(input, gradOutput, rate)
  self:zeroGradParameters()
  self:backward(input, gradOutput, 1)
  self:updateParameters(rate)
  return self.gradInput
end

-- The parameters of this module alone; containers collect them. Two lists, or nothing.
function Module:parameters()
  if self.weight and self.bias then return { self.weight, self.bias }, { self.gradWeight, self.gradBias } end
  if self.weight then return { self.weight }, { self.gradWeight } end
  if self.bias then return { self.bias }, { self.gradBias } end
end

function Module:zeroGradParameters()
  local _, grads = self:parameters()
  for _, g in ipairs(grads or {}) do g:zero() end
end

function Module:updateParameters(rate)
  local params, grads = self:parameters()
  for i, p in ipairs(params or {}) do p:add(-rate, grads[i]) end
end

-- All parameters as one line, and their gradients as another; the modules' own become views of them.
function Module:getParameters()
  local params, grads = self:parameters()
  if not params or #params == 0 then error("getParameters: the module has no parameters", 2) end
  local function flatten(list)
    local seen, unique, n = {}, {}, 0
    for _, t in ipairs(list) do
      if not seen[t] then
        seen[t], unique[#unique + 1] = true, t
        n = n + t.raw:numel()
      end
    end
    local first = list[1].raw
    local flat = cr.zeros({ n }, { dtype = first.dtype, device = first.device })
    local at = 1
    for _, t in ipairs(unique) do
      local part = flat:narrow(1, at, t.raw:numel()):view(t.raw.shape)
      part:copy_(t.raw)
      t.raw, at = part, at + t.raw:numel()
    end
    return T.wrap(flat)
  end
  return flatten(params), flatten(grads)
end

function Module:training() self.train = true end
function Module:evaluate() self.train = false end
function Module.reset() end

function Module:apply(f)
  f(self)
  for _, m in ipairs(rawget(self, "modules") or {}) do m:apply(f) end
  return self
end

function Module:listModules()
  local list = {}
  self:apply(function(m) list[#list + 1] = m end)
  return list
end

function Module:findModules(name)
  local list = {}
  self:apply(function(m)
    if classes.typename(m) == name then list[#list + 1] = m end
  end)
  return list
end

function Module:replace(f)
  for i, m in ipairs(rawget(self, "modules") or {}) do self.modules[i] = m:replace(f) end
  return f(self)
end

-- All tensors in the fields are converted, each object once, so that what is shared stays shared.
function Module:type(name)
  if not name then return self._type end
  local seen = {}
  local function convert(x)
    if type(x) ~= "table" or seen[x] then return end
    seen[x] = true
    if T.is(x) then
      if x.raw.dtype:match "float" then x.raw = x.raw:to(T.options(T.kind(name, "type"))) end
      return
    end
    if getmetatable(x) and not classes.typename(x) then return end
    for _, value in pairs(x) do convert(value) end
    if classes.isTypeOf(x, Module) then
      x._type = name
      x._graph = nil
    end
  end
  convert(self)
  return self
end
function Module:float() return self:type "torch.FloatTensor" end
function Module:double() return self:type "torch.DoubleTensor" end
function Module:cuda() return self:type "torch.CudaTensor" end

-- A copy with memory of its own, but for the names that are to be shared (clone('weight', 'bias')).
function Module:clone(...)
  local seen = {}
  local function copy(x)
    if type(x) ~= "table" then return x end
    if seen[x] then return seen[x] end
    if T.is(x) then
      seen[x] = x:clone()
      return seen[x]
    end
    local fresh = setmetatable({}, getmetatable(x))
    seen[x] = fresh
    for key, value in pairs(x) do
      if key ~= "_graph" then rawset(fresh, key, copy(value)) end
    end
    return fresh
  end
  local twin = copy(self)
  if select("#", ...) > 0 then twin:share(self, ...) end
  return twin
end

function Module:share(other, ...)
  for _, name in ipairs { ... } do
    if self[name] then self[name]:set(other[name]) end
  end
  for i, m in ipairs(rawget(self, "modules") or {}) do m:share(other.modules[i], ...) end
  return self
end

function Module:clearState()
  self._graph = nil
  self.output = T.empty(T.default)
  self.gradInput = T.empty(T.default)
  for _, m in ipairs(rawget(self, "modules") or {}) do m:clearState() end
  return self
end

function Module:__call(...) return self:forward(...) end
function Module:__tostring() return classes.typename(self) end

-- Modules of Cresset's operations -----------------------------------------------------------------------------------

-- A native class has compute(self, x): from raw tensors to raw tensors, with self:param(name) for its parameters.
local Native = classes.class("nn.Native", "nn.Module")
M.Native = Native

-- A parameter that records, sharing the memory of the field.
function Native:param(name)
  local field = self[name]
  if not field then return nil end
  local leaf = field.raw:detach()
  if self._recording then
    leaf:requires_grad_()
    self._recording.params[name] = leaf
  end
  return leaf
end

-- Inputs that may have a gradient record; integers do not.
local function leaves_of(input)
  local list = {}
  local x = map(input, function(t)
    local leaf = t.raw:detach()
    if leaf.dtype:match "float" then
      leaf:requires_grad_()
      list[#list + 1] = leaf
    end
    return leaf
  end)
  return x, list
end

function Native:updateOutput(input)
  local x, leaves = leaves_of(input)
  local graph = { input = input, x = x, leaves = leaves, params = {} }
  self._recording = graph
  local ok, y = pcall(cr.enable_grad, function() return self:compute(x) end)
  self._recording = nil
  if not ok then error((classes.typename(self) .. ": " .. tostring(y):gsub("^[^\n]-:%d+: ", "")), 0) end
  graph.y = y
  self._graph = graph
  self.output = map(cr.is_tensor(y) and T.wrap(y) or M.wrapped(y), function(t) return T.wrap(t.raw:detach()) end)
  return self.output
end

function M.wrapped(y)
  if cr.is_tensor(y) then return T.wrap(y) end
  local list = {}
  for key, value in pairs(y) do list[key] = M.wrapped(value) end
  return list
end

-- The gradients by inputs and parameters of one gradOutput; those of the last call are kept for accGradParameters.
local function gradients(self, input, gradOutput)
  local graph = self._graph
  if not graph or graph.input ~= input then
    self:updateOutput(input)
    graph = self._graph
  end
  local ys, gs, wanted, names = {}, {}, {}, {}
  local function pair(y, g)
    if cr.is_tensor(y) then
      if y.requires_grad then
        ys[#ys + 1] = y
        gs[#gs + 1] = g.raw:numel() == y:numel() and g.raw:reshape(y.shape):to(y.dtype) or g.raw
      end
      return
    end
    for key, value in pairs(y) do
      if g[key] then pair(value, g[key]) end
    end
  end
  pair(graph.y, gradOutput)
  for _, leaf in ipairs(graph.leaves) do wanted[#wanted + 1] = leaf end
  for name, leaf in pairs(graph.params) do
    wanted[#wanted + 1] = leaf
    names[#wanted] = name
  end
  local found = { n = 0 }
  if #ys > 0 and #wanted > 0 then
    found = table.pack(cr.grad(ys, wanted, { grad_outputs = gs, retain_graph = true, allow_unused = true }))
  end
  local by_leaf, params = {}, {}
  for i, leaf in ipairs(wanted) do
    if names[i] then params[names[i]] = found[i] else by_leaf[leaf] = found[i] end
  end
  self._last = { gradOutput = gradOutput, params = params }
  return map(M.wrapped(graph.x), function(t)
    local g = by_leaf[t.raw]
    return T.wrap(g or cr.zeros_like(t.raw))
  end)
end

function Native:updateGradInput(input, gradOutput)
  self.gradInput = gradients(self, input, gradOutput)
  return self.gradInput
end

local grad_names = { weight = "gradWeight", bias = "gradBias" }

function Native:accGradParameters(input, gradOutput, scale)
  local last = self._last
  self._last = nil
  if not last or last.gradOutput ~= gradOutput then
    gradients(self, input, gradOutput)
    last, self._last = self._last, nil
  end
  for name, g in pairs(last.params) do
    local into = self[grad_names[name]]
    if into and g then into.raw:add_(g:reshape(into.raw.shape), scale or 1) end
  end
end

-- Parameters with numbers from -bound to bound, and zero gradients beside them.
function M.parameter(self, name, size, bound)
  local kind = T.kind(self._type, "reset")
  self[name] = T.new(kind, table.unpack(size))
  self[grad_names[name]] = T.new(kind, table.unpack(size))
  if bound then self[name]:uniform(-bound, bound) end
end

-- Criterions --------------------------------------------------------------------------------------------------------

local Criterion = classes.class "nn.Criterion"
M.Criterion = Criterion

function Criterion:__init()
  self.gradInput = T.empty(T.default)
  self.output = 0
  self._type = "torch." .. T.default .. "Tensor"
end
function Criterion:forward(input, target) return self:updateOutput(input, target) end
function Criterion:backward(input, target) return self:updateGradInput(input, target) end
function Criterion:updateOutput() return self.output end
function Criterion:updateGradInput() return self.gradInput end
for _, name in ipairs { "type", "float", "double", "cuda", "clone", "share" } do Criterion[name] = Module[name] end
function Criterion:__call(input, target)
  self.output = self:forward(input, target)
  self.gradInput = self:backward(input, target)
  return self.output, self.gradInput
end
function Criterion:__tostring() return classes.typename(self) end

-- A native one has compute(self, x, target): a 0-dim loss of raw tensors.
local NativeCriterion = classes.class("nn.NativeCriterion", "nn.Criterion")
M.NativeCriterion = NativeCriterion

local function loss_of(self, input, target)
  local x, leaves = leaves_of(input)
  local ok, loss = pcall(cr.enable_grad, function() return self:compute(x, target) end)
  if not ok then error((classes.typename(self) .. ": " .. tostring(loss):gsub("^[^\n]-:%d+: ", "")), 0) end
  return loss, x, leaves
end

function NativeCriterion:updateOutput(input, target)
  self.output = loss_of(self, input, target):item()
  return self.output
end

function NativeCriterion:updateGradInput(input, target)
  local loss, x, leaves = loss_of(self, input, target)
  local found = table.pack(cr.grad(loss, leaves, { allow_unused = true }))
  local by_leaf = {}
  for i, leaf in ipairs(leaves) do by_leaf[leaf] = found[i] end
  self.gradInput = map(M.wrapped(x), function(t) return T.wrap(by_leaf[t.raw] or cr.zeros_like(t.raw)) end)
  return self.gradInput
end

return M
