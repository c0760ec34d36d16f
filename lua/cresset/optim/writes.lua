-- writes.lua: what a step of several operations wants to write, until all of it has been computed.
--
-- Holds true: `run` copies everything in one call that takes no memory, and then cannot fail, so that a step that runs
-- out of memory has changed nothing.

local cr = require "cresset"

local M = {}
M.__index = M

function M.new() return setmetatable({ targets = {}, values = {}, kept = {} }, M) end

--- The tensor is to hold what `value`, of its shape, holds; gives the value.
function M:set(tensor, value)
  local n = #self.targets + 1
  self.targets[n] = tensor
  self.values[n] = value.dtype == tensor.dtype and value or value:to(tensor.dtype)
  return value
end

--- state[key], which is there, is to become value.
function M:keep(state, key, value)
  local kept = self.kept
  local n = #kept
  kept[n + 1], kept[n + 2], kept[n + 3] = state, key, value
end

function M:run()
  if self.targets[1] then cr.foreach.copy_(self.targets, self.values) end
  local kept = self.kept
  for k = 1, #kept, 3 do kept[k][kept[k + 1]] = kept[k + 2] end
end

--- A step of an optimizer that computes with operations: step_parameter(self, todo, group, p, grad) says what each
-- parameter with a gradient wants to write. Gives the closure's loss.
function M.step(self, closure, step_parameter)
  local loss
  if closure then loss = cr.enable_grad(closure) end
  local todo = M.new()
  for _, group in ipairs(self.param_groups) do
    for _, p in ipairs(group.params) do
      local grad = p.grad
      if grad and p:numel() > 0 then step_parameter(self, todo, group, p, grad) end
    end
  end
  todo:run()
  return loss
end

return M
