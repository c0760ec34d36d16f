-- saved.lua: what is saved of an optimizer, and taken over again.
--
-- Holds true: what is packed are plain tables, numbers and the optimizer's own tensors; what is unpacked shares no
-- memory with what it came from, and nothing of the optimizer has changed before all of it has been read.

local cr = require "cresset"
local options = require "cresset.optim.options"

local M = {}

local fail = options.fail

-- A copy of a value: tables with what is in them; tensors themselves, or as `cast` makes them.
local function copy(value, cast)
  if cr.is_tensor(value) then return cast and cast(value) or value end
  if type(value) ~= "table" then return value end
  local made = {}
  for k, v in next, value do made[k] = copy(v, cast) end
  return made
end

local function pack_state(state)
  local made = {}
  for key, value in next, state do
    if value ~= false or key == "step" then made[key] = copy(value) end
  end
  return made
end

--- { state =, param_groups = }: parameters are numbered from 1 through all groups.
function M.pack(opt)
  local number, n, packed, state = {}, 0, {}, {}
  for i, group in ipairs(opt.param_groups) do
    local made, numbers = {}, {}
    for name, value in next, group do
      if name ~= "params" then made[name] = copy(value) end
    end
    for k, p in ipairs(group.params) do
      n = n + 1
      number[p], numbers[k] = n, n
    end
    made.params = numbers
    packed[i] = made
  end
  for p, own in next, opt.state do
    if number[p] then state[number[p]] = pack_state(own) end
  end
  return { state = state, param_groups = packed }
end

-- A tensor of the state in the dtype and on the device of its parameter; the count of steps is a number here.
local function cast_to(p)
  return function(t)
    return t:detach():to { dtype = t:is_floating_point() and p.dtype or t.dtype, device = p.device, copy = true }
  end
end

local function check_shapes(opt, p, number, own)
  for _, name in ipairs(opt.like_parameter or {}) do
    local t = own[name]
    if cr.is_tensor(t) and t.shape ~= p.shape then
      fail(opt.name, "load_state_dict: %s of parameter %d has shape %s, and the parameter %s", name, number,
        tostring(t.shape), tostring(p.shape))
    end
  end
end

local function unpack_state(opt, p, number, own)
  if type(own) ~= "table" then
    fail(opt.name, "load_state_dict: the state of parameter %d must be a table, got %s", number, options.describe(own))
  end
  check_shapes(opt, p, number, own)
  local made = {}
  for key, value in next, own do
    if opt.numbers_of_state[key] and cr.is_tensor(value) then
      local x = value:item()
      made[key] = math.type(x) == "float" and math.tointeger(x) or x
    else
      made[key] = copy(value, cast_to(p))
    end
  end
  return made
end

-- A saved group with the parameters of one that is here.
local function unpack_group(opt, group, from, i)
  if type(from) ~= "table" or type(from.params) ~= "table" then
    fail(opt.name, "load_state_dict: group %d must be a table with params", i)
  end
  if #from.params ~= #group.params then
    fail(opt.name, "load_state_dict: group %d has %d parameters here, and %d in what is loaded", i, #group.params,
      #from.params)
  end
  local made = {}
  for name, value in next, from do
    if name ~= "params" then made[name] = copy(value, function(t) return t:clone() end) end
  end
  for name, value in next, opt.forced or {} do made[name] = value end
  for name, entry in next, opt.options do
    if made[name] ~= nil then options.value(opt.name .. ": load_state_dict", name, made[name], opt.options)
    else made[name] = opt.defaults[name] ~= nil and opt.defaults[name] or entry[1] end
  end
  made.params, made.param_names = group.params, made.param_names or group.param_names
  return made
end

--- The state and the groups that a dict makes of an optimizer's.
function M.unpack(opt, dict)
  if type(dict.param_groups) ~= "table" or type(dict.state) ~= "table" then
    fail(opt.name, "load_state_dict: the dict must have state and param_groups, as state_dict() gives them")
  end
  if #dict.param_groups ~= #opt.param_groups then
    fail(opt.name, "load_state_dict: there are %d groups here, and %d in what is loaded", #opt.param_groups,
      #dict.param_groups)
  end
  local list, parameter, state = {}, {}, {}
  for i, group in ipairs(opt.param_groups) do
    list[i] = unpack_group(opt, group, dict.param_groups[i], i)
    for k, number in ipairs(dict.param_groups[i].params) do parameter[number] = group.params[k] end
  end
  for number, own in next, dict.state do
    local p = parameter[number] or parameter[tonumber(number)]
    if p then state[p] = unpack_state(opt, p, tonumber(number), own) end
  end
  return state, list
end

return M
