-- namespace.lua: tables of names that are loaded at their first use, and that answer a wrong name with the nearest one.

local cr = require "cresset"

--- namespace("nn.utils", { rnn = { "cresset.nn.utils.rnn" }, f = { file, field } }, t): t (or a new table) with the
-- names of `lazy`: what a file gives, or a field of it. `find(name)`, if given, is asked for them instead.
return function(path, lazy, t, find)
  t = t or {}
  local function load(name)
    local where = lazy[name]
    if not where then return nil end
    if find then return find(name) end
    local value = require(where[1])
    if where[2] then return value[where[2]] end
    return value
  end
  return setmetatable(t, { lazy = lazy, __index = function(_, name)
    local value = load(name)
    if value ~= nil then
      rawset(t, name, value)
      return value
    end
    if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
    local known = {}
    for _, list in ipairs { lazy, t } do
      for key in next, list do known[key] = true end
    end
    local suggest = require "cresset.suggest"
    local near = suggest.nearest(name, known)
    local told = near and ("; did you mean '%s.%s'?"):format(path, near) or ""
    cr.raise(("cresset.%s has no %s%s"):format(path, suggest.quote(name), told))
  end })
end
