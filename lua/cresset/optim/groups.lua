-- groups.lua: the groups of parameters of an optimizer: read from what the caller gives, and checked.
--
-- Holds true: an optimizer has a group whole or not at all. A group is a plain table { params = list, lr = ... }, the
-- optimizer's own; a parameter is in one place only, and is a leaf.

local cr = require "cresset"
local options = require "cresset.optim.options"

local M = {}

local fail, describe = options.fail, options.describe

-- The tensors of what stands for parameters, and their names if it gives pairs: a list of tensors, of { name, tensor }
-- pairs, a tensor, or an iterator of either, as net:named_parameters() is.
local function gather(owner, params)
  if cr.is_tensor(params) then return { params } end
  local list = {}
  if type(params) == "function" then
    for a, b in params do list[#list + 1] = b ~= nil and { a, b } or a end
  elseif type(params) == "table" then
    list = table.move(params, 1, #params, 1, list)
  else
    fail(owner, "params must be a list of tensors, got %s", describe(params))
  end
  local names = {}
  for i, entry in ipairs(list) do
    if type(entry) == "table" and type(entry[1]) == "string" then names[i], list[i] = entry[1], entry[2] end
  end
  if next(names) == nil then return list end
  if #names ~= #list then fail(owner, "parameters must be given all with names, or all without") end
  return list, names
end

local function check_parameter(owner, p, i)
  if not cr.is_tensor(p) then fail(owner, "parameter %d must be a tensor, got %s", i, describe(p)) end
  if not p:is_floating_point() then
    fail(owner, "parameter %d is %s; only floating tensors can be optimized", i, p.dtype)
  end
  if not (p.is_leaf or p.retains_grad) then
    fail(owner, "parameter %d is no leaf: it was computed from other tensors, which are what can be optimized", i)
  end
end

-- Where a tensor's elements lie: two handles of one memory are one parameter.
local function place_of(p)
  if p:numel() == 0 then return p end
  return ("%d:%d:%s"):format(p:storage_id(), p:storage_offset(), tostring(p.shape))
end

-- That no parameter is twice among those of the groups and of the new list.
local function check_apart(owner, groups, list)
  local seen = {}
  for k, group in ipairs(groups) do
    for _, p in ipairs(group.params) do
      seen[place_of(p)] = ("is in group %d, too"):format(k)
    end
  end
  for i, p in ipairs(list) do
    local place = place_of(p)
    if seen[place] then fail(owner, "parameter %d %s", i, seen[place]) end
    seen[place] = ("is the same tensor as parameter %d"):format(i)
  end
end

--- The group that is meant by `given`, checked against those that there are; `defaults` fill what it lacks.
function M.read(owner, given, groups, defaults, known)
  if type(given) ~= "table" or getmetatable(given) then
    fail(owner, "a group must be a table { params = list, ... }, got %s", describe(given))
  end
  if given.params == nil then fail(owner, "the group has no params") end
  local list, names = gather(owner, given.params)
  if #list == 0 then fail(owner, "params is empty; there is nothing to optimize") end
  for i, p in ipairs(list) do check_parameter(owner, p, i) end
  check_apart(owner, groups, list)
  if groups[1] and (groups[1].param_names ~= nil) ~= (names ~= nil) then
    fail(owner, "parameters must be given all with names, or all without")
  end
  local group = { params = list, param_names = names }
  for name, value in next, given do
    if known[name] then group[name] = options.copy(options.value(owner, name, value, known))
    elseif name ~= "params" then
      local near = type(name) == "string" and require("cresset.suggest").nearest(name, known)
      if near then options.unknown(owner, name, known) end -- others are the caller's own
      group[name] = value
    end
  end
  for name, value in next, defaults do
    if group[name] == nil then group[name] = options.copy(value) end
  end
  return group
end

--- The groups that an optimizer is made with: a list of tables with params, or one of what `gather` reads.
function M.split(owner, params)
  if type(params) == "table" and getmetatable(params) and type(params.parameters) == "function" then
    fail(owner, "params must be a list of tensors, such as net:parameters(), got a module")
  end
  if cr.is_tensor(params) then
    fail(owner, "params must be a list of tensors, got a tensor; { x } is a list of one")
  end
  if params == nil then fail(owner, "params must be a list of tensors, got nil") end
  local first = type(params) == "table" and params[1]
  if type(params) == "table" and params.params ~= nil then
    fail(owner, "params must be a list of tensors or of groups, got one group; { group } is a list of one")
  end
  if type(first) == "table" and type(first[1]) ~= "string" then return params end
  return { { params = params } }
end

return M
