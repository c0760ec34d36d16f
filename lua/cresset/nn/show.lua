-- show.lua: a module as text: PyTorch's layout, with shapes and counts of parameters in brackets.

local module = require "cresset.nn.module"
local walk = require "cresset.nn.walk"

local M = {}

local Module, record = module.Module, module.record

local function grouped(n)
  local text = ("%d"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (text:gsub("^,", ""))
end
M.grouped = grouped

--- The number of elements of a module's parameters, shared ones counted once, and how many of them are frozen.
function M.count(m)
  local n, frozen = 0, 0
  for _, at in ipairs(walk.tensors(m, "parameter")) do
    n = n + at[2]:numel()
    if not at[2].requires_grad then frozen = frozen + at[2]:numel() end
  end
  return n, frozen
end

-- "  [320 parameters: weight 32x1x3x3, bias 32]", or "".
local function tail(m)
  local n, frozen = M.count(m)
  if n == 0 then return "" end
  local shapes = {}
  for _, at in ipairs(walk.tensors(m, "parameter", "", false)) do
    shapes[#shapes + 1] = at[1] .. " " .. tostring(at[2].shape)
  end
  local own = #shapes > 0 and (#m:children() > 0 and ", own: " or ": ") .. table.concat(shapes, ", ") or ""
  return ("  [%s parameter%s%s%s]"):format(grouped(n), n == 1 and "" or "s",
    frozen == 0 and "" or frozen == n and ", frozen" or (", %s frozen"):format(grouped(frozen)), own)
end

local function indent(text) return (text:gsub("\n", "\n  ")) end

--- What stands between the parentheses of a module's text; classes have their own.
function Module.extra_repr() return "" end

--- The text of tostring(module).
function Module:describe()
  local r, lines = record(self), {}
  local extra = self:extra_repr()
  for _, name in ipairs(r.order) do
    local child = r.kinds[name] == "module" and r.slots[name]
    if child then lines[#lines + 1] = ("\n  (%s): %s"):format(name, indent(tostring(child))) end
  end
  if #lines == 0 then return ("%s(%s)%s"):format(self.class_name, extra, tail(self)) end
  local first = extra ~= "" and "\n  " .. indent(extra) or ""
  return ("%s(%s%s\n)%s"):format(self.class_name, first, table.concat(lines), tail(self))
end

--- A value of a field as it stands in extra_repr: {3, 3} as (3, 3), a number shortly.
function M.value(v)
  if type(v) == "table" then
    local parts = {}
    for i, x in ipairs(v) do parts[i] = M.value(x) end
    return "(" .. table.concat(parts, ", ") .. (#parts == 1 and "," or "") .. ")"
  end
  if math.type(v) == "float" then
    return v == math.floor(v) and math.abs(v) < 1e15 and ("%.1f"):format(v) or (("%.12g"):format(v))
  end
  return tostring(v)
end

--- extra_repr of fields: list(self, "eps momentum") gives "eps=1e-05, momentum=0.1".
function M.fields(self, names)
  local parts = {}
  for name in names:gmatch "%S+" do parts[#parts + 1] = name .. "=" .. M.value(self[name]) end
  return table.concat(parts, ", ")
end

return M
