-- hooks.lua: functions that run before and after a module's forward, and when its gradients come.
--
-- Holds true: only a module with hooks pays for them: its record gets another __call. Arguments come in a list with n,
-- as table.pack makes it. A list of hooks is read as it was when the call began. In backward, a hook gets two such
-- lists: the gradients by the inputs and by the outputs, with nil for what has none.

local cr = require "cresset"
local callable = require "cresset.callable"
local module = require "cresset.nn.module"

local M = {}

local Module, fail, record = module.Module, module.fail, module.record

-- ---- Handles ---------------------------------------------------------------------------------------------

local Handle = {}
Handle.__index = Handle

--- Takes the hook away.
function Handle:remove()
  local list = self.list
  self.list = nil
  for i, entry in ipairs(list or {}) do
    if entry == self.entry then
      table.remove(list, i)
      return
    end
  end
end
Handle.__close = Handle.remove

-- ---- Backward --------------------------------------------------------------------------------------------

-- A node of the graph of our own, at which hooks can wait.
local Stand = cr.Function {
  name = "BackwardHook",
  forward = function(_, ...) return ... end,
  backward = function(_, ...) return ... end,
}

-- Sends the tensors of a list through a node; gives the list, the node (nil where no gradient comes) and positions.
local function stand(list)
  local positions, tensors, needed = {}, {}, false
  for i = 1, list.n do
    if cr.is_tensor(list[i]) then
      positions[#positions + 1] = i
      tensors[#tensors + 1] = list[i]
      needed = needed or list[i].requires_grad
    end
  end
  if not needed or not cr.is_grad_enabled() then return list end
  local through = table.pack(Stand(table.unpack(tensors)))
  local result, node = table.move(list, 1, list.n, 1, { n = list.n }), nil
  for k, i in ipairs(positions) do
    result[i] = through[k]
    node = node or through[k].grad_fn
  end
  return result, node, positions
end

local function spread(grads, positions, n)
  local list = { n = n }
  for k, i in ipairs(positions) do list[i] = grads[k] end
  return list
end

local function gathered(list, positions)
  local grads = {}
  for k, i in ipairs(positions) do grads[k] = list[i] end
  return grads
end

-- What a backward hook gave, as a list with n; an error unless there is one for each.
local function checked(self, what, list, n)
  if cr.is_tensor(list) then list = { list } end
  if type(list) ~= "table" then
    fail(self, "a %s hook must give nothing or a list of %d gradients, not a %s", what, n, type(list))
  end
  for key in next, list do
    if math.type(key) == "integer" and (key < 1 or key > n) then
      fail(self, "a %s hook gave a gradient %d, but there are %d", what, key, n)
    end
  end
  return table.move(list, 1, n, 1, { n = n })
end

-- Makes the inputs and, later, the outputs of one call pass nodes where the hooks wait. Gives the inputs, and a
-- function of the outputs. `come` holds the gradients by the outputs until those by the inputs are there.
local function watch_backward(self, hooks, inputs)
  local pre = table.move(hooks.backward_pre, 1, #hooks.backward_pre, 1, {})
  local post = table.move(hooks.backward, 1, #hooks.backward, 1, {})
  local come
  local watched, node, places = stand(inputs)
  local function tell(grad_inputs)
    local grads, changed = grad_inputs, false
    for _, f in ipairs(post) do
      local given = f.call(self, grads, come)
      if given ~= nil then grads, changed = checked(self, "full backward", given, grads.n), true end
    end
    come = nil
    return grads, changed
  end
  if node and #post > 0 then
    node:register_hook(function(grad_inputs)
      if not come then return end -- the outputs got no gradient through here
      local grads, changed = tell(spread(grad_inputs, places, inputs.n))
      if changed then return gathered(grads, places) end
    end)
  end
  return watched, function(outputs)
    local result, out, positions = stand(outputs)
    if not out then return outputs end
    out:register_hook(function(_, grad_outputs)
      come = spread(grad_outputs, positions, outputs.n)
      local changed = false
      for _, f in ipairs(pre) do
        local given = f.call(self, come)
        if given ~= nil then come, changed = checked(self, "full backward pre", given, outputs.n), true end
      end
      local grads = come
      if not node and #post > 0 then
        local _, replaced = tell { n = inputs.n }
        if replaced then fail(self, "no input requires a gradient, so a full backward hook can replace none") end
      elseif not node or #post == 0 then
        come = nil
      end
      if changed then return gathered(grads, positions) end
    end)
    return result
  end
end

-- ---- Calls -----------------------------------------------------------------------------------------------

local function hooked(self, ...)
  local hooks, args = record(self).hooks, table.pack(...)
  for _, f in ipairs(table.move(hooks.forward_pre, 1, #hooks.forward_pre, 1, {})) do
    local given = f.call(self, args)
    if type(given) == "table" and not record(given) then
      args = table.move(given, 1, given.n or #given, 1, { n = given.n or #given })
    elseif given ~= nil then
      args = { given, n = 1 }
    end
  end
  local finish
  if #hooks.backward_pre + #hooks.backward > 0 then args, finish = watch_backward(self, hooks, args) end
  local outputs = table.pack(module.call(self, table.unpack(args, 1, args.n)))
  for _, f in ipairs(table.move(hooks.forward, 1, #hooks.forward, 1, {})) do
    local given = table.pack(f.call(self, args, table.unpack(outputs, 1, outputs.n)))
    if given[1] ~= nil then outputs = given end
  end
  if finish then outputs = finish(outputs) end
  return table.unpack(outputs, 1, outputs.n)
end

--- Takes the hook away that calls f.
function M.remove(m, kind, f)
  local list = record(m).hooks[kind]
  for i = #list, 1, -1 do
    if list[i].call == f then table.remove(list, i) end
  end
end

local kinds = { "forward_pre", "forward", "backward_pre", "backward", "state_dict", "load_pre", "load_post" }

local function register(self, method, kind, f, options)
  if not callable(f) then fail(self, "%s takes a function, not a %s", method, type(f)) end
  local r = record(self)
  if not r.hooks then
    r.hooks = {}
    for _, name in ipairs(kinds) do r.hooks[name] = {} end
  end
  local list, entry = r.hooks[kind], { call = f }
  table.insert(list, options and options.prepend and 1 or #list + 1, entry)
  if not kind:find "state" and not kind:find "load" then r.__call = hooked end
  return setmetatable({ list = list, entry = entry }, Handle)
end

--- f(module, inputs) before forward; what it gives, unless nil, replaces the inputs: a list, or the only one.
-- All of these give a handle with :remove(); { prepend = true } puts the hook before the others.
function Module:register_forward_pre_hook(f, options)
  return register(self, "register_forward_pre_hook", "forward_pre", f, options)
end

--- f(module, inputs, outputs...) after forward; what it gives, unless nil, replaces the outputs.
function Module:register_forward_hook(f, options)
  return register(self, "register_forward_hook", "forward", f, options)
end

--- f(module, grad_outputs) before the module's backward; a list that it gives replaces the gradients.
function Module:register_full_backward_pre_hook(f, options)
  return register(self, "register_full_backward_pre_hook", "backward_pre", f, options)
end

--- f(module, grad_inputs, grad_outputs) when the gradients by the module's inputs are there; a list that it gives
-- replaces them.
function Module:register_full_backward_hook(f, options)
  return register(self, "register_full_backward_hook", "backward", f, options)
end

--- f(module, prefix, dict) after state_dict has filled its table, to which the hook may write.
function Module:register_state_dict_post_hook(f)
  return register(self, "register_state_dict_post_hook", "state_dict", f)
end

--- f(module, prefix, dict) before load_state_dict compares: dict is a copy to which the hook may write.
function Module:register_load_state_dict_pre_hook(f)
  return register(self, "register_load_state_dict_pre_hook", "load_pre", f)
end

--- f(module, prefix, { missing_keys =, unexpected_keys = }) after load_state_dict.
function Module:register_load_state_dict_post_hook(f)
  return register(self, "register_load_state_dict_post_hook", "load_post", f)
end

return M
