-- help.lua: cr.help "name" says what an operation, a method or a function of the module does.
--
-- Holds true: what the catalogue declares is told in its own words, all else in those of entries.lua. A name finds
-- every entry that ends in it; with its owner before it (x:backward, memory.limit), only that owner's.

local cr = require "cresset"

local M = {}

-- Each dtype is a constant of the module: cr.bool == "bool".
local function dtypes()
  local list = {}
  for name, value in next, cr do
    if name == value then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

-- Entries by their last name, in the order of entries.lua; the fields of tensors with what they are.
local by_name = {}
M.fields = {}
for _, section in ipairs(require "cresset.entries"(dtypes())) do
  for i = 2, #section do
    local full, call, doc = table.unpack(section[i])
    local owner, mark, last = full:match "^(.*)([%.:])([%w_]+)$"
    last = last or full
    by_name[last] = by_name[last] or {}
    table.insert(by_name[last], { owner = owner or "", name = last, call = call, doc = doc })
    if owner == "x" and mark == "." then M.fields[last] = doc end
  end
end

local function wrap(text, indent)
  local lines, line = {}, indent
  for word in text:gmatch("%S+") do
    if #line + #word + 1 > 80 and line ~= indent then
      lines[#lines + 1] = line
      line = indent
    end
    line = line == indent and line .. word or line .. " " .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

local function forms(op, name)
  local ways = {}
  if op.method then ways[#ways + 1] = ("x:%s(...)"):format(name) end
  if op.func or op.lua:find(".", 1, true) then ways[#ways + 1] = ("cr.%s(...)"):format(name) end
  local text = "Called as " .. table.concat(ways, " or ") .. "."
  if op.inplace and not op.inplace_only then text = text .. (" In place: x:%s_(...)."):format(name) end
  if op.view then text = text .. " The result shares x's memory." end
  if op.creates then text = text .. " Also takes requires_grad." end
  return text .. (op.differentiable and " Has a derivative." or " Has no derivative.")
end

local function of_operation(op, name)
  local signature = op.lua .. op.signature:match("%(.*$")
  if #op.aliases > 0 then signature = signature .. "\n  Also called " .. table.concat(op.aliases, ", ") .. "." end
  return table.concat({ signature, wrap(op.doc, "  "), wrap(forms(op, name), "  ") }, "\n")
end

--- All names that help knows, as a set; those of tables in the module with the table's name: memory.limit.
function M.names()
  local set = {}
  for _, op in ipairs(cr.operations()) do
    if not op.hidden then
      set[op.lua] = true
      for _, alias in ipairs(op.aliases) do set[alias] = true end
    end
  end
  for name, entries in pairs(by_name) do
    for _, e in ipairs(entries) do
      local path = e.owner:match "^cr%.(.*)$"
      set[path and path .. "." .. name or name] = true
    end
  end
  return set
end

local function overview()
  local names = {}
  for name in pairs(M.names()) do names[#names + 1] = name end
  table.sort(names)
  return 'cr.help "name" tells about one of:\n' .. wrap(table.concat(names, " "), "  ")
end

local function is_called(op, name)
  if op.lua == name then return true end
  for _, alias in ipairs(op.aliases) do
    if alias == name then return true end
  end
  return false
end

--- The aliases of all operations, as a set: of methods, or of functions; in-place twins are among them.
function M.aliases(kind)
  local set = {}
  for _, op in ipairs(cr.operations()) do
    for _, alias in ipairs(op[kind] and op.aliases or {}) do
      set[alias] = true
      if op.inplace then set[alias .. "_"] = true end
    end
  end
  return set
end

-- Whether the owner that a caller has named is that of an entry: all of it, or without `cr.`.
local function owns(asked, owner)
  return asked == owner or "cr." .. asked == owner
end

-- The texts of entries.lua for a name; `asked` is its owner, or nil for any.
local function of_entries(asked, name)
  local texts = {}
  for _, e in ipairs(by_name[name] or {}) do
    if not asked or owns(asked, e.owner) then texts[#texts + 1] = e.call .. "\n" .. wrap(e.doc, "  ") end
  end
  return texts
end

-- The texts of the catalogue's operations of a name in Lua, or of its in-place twin.
local function of_operations(name)
  local texts, twin = {}, name:match "^(.-[^_])_$"
  for _, op in ipairs(cr.operations()) do
    local fits = is_called(op, name) or op.inplace and is_called(op, twin)
    if fits and not op.hidden then texts[#texts + 1] = of_operation(op, op.lua) end
  end
  return texts
end

-- What a name means that begins with foreach: the operation, for each tensor of a list.
local function of_lists(name)
  local texts = of_operations("foreach." .. name)
  local found, operation = pcall(function() return cr.foreach[name] end)
  if texts[1] or not (found and operation) then return texts end
  texts = of_operations(name)
  table.insert(texts, 1, ("cr.foreach.%s(list, ...)\n%s"):format(name,
    wrap("The operation below on each tensor of a list.", "  ")))
  return texts
end

local function find(name)
  local owner, last = name:match "^(.*)[%.:]([%w_]+)$"
  if owner == "cr" and not by_name[last] then owner = nil end
  if owner == "foreach" or owner == "cr.foreach" then return of_lists(last) end
  local texts = of_entries(owner, last or name)
  if not owner or owner == "x" or owner == "cr" then
    table.move(of_operations(last or name), 1, 1000, #texts + 1, texts)
  end
  return texts
end

--- Returns a text about an operation, a method, a field or a function of the module.
function M.help(name)
  if name == nil then return overview() end
  if type(name) ~= "string" then
    cr.raise(('help: the name must be a string, as in cr.help "sum", got a %s'):format(type(name)))
  end
  local texts = find(name)
  if #texts > 0 then return table.concat(texts, "\n\n") end
  local suggest = require "cresset.suggest"
  return ("There is nothing called %s%s; cr.help() lists what there is."):format(suggest.quote(name),
    suggest.advise("anything", name))
end

return M
