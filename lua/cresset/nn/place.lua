-- place.lua: how an error says in which module it happened: "in net.2 (Linear), which is net[3]: linear: ...".
--
-- Holds true: nothing is written down while modules run. The binding, which makes the error, finds the calls that are
-- running by their frames and asks here. `net` stands for the module that the program called; the names after it are
-- those of named_modules, state_dict and tostring, and where one is a number, the way to it in Lua follows.

local cr = require "cresset"
local module = require "cresset.nn.module"
local walk = require "cresset.nn.walk"

local M = {}

-- "2.fc" as Lua has it: "[3].fc".
local function in_lua(path)
  local text = ""
  for name in path:gmatch "[^.]+" do
    if name:find "^%d+$" then text = text .. ("[%d]"):format(name + 1)
    elseif name:find "^[%a_][%w_]*$" then text = text .. "." .. name
    else text = text .. ("[%q]"):format(name) end
  end
  return "net" .. text
end

-- The name of the innermost module below `root`, or nil. Of several places of a shared module, one below the module
-- that called it is the right one.
local function path_of(root, inner, caller)
  local first
  local through
  for _, at in ipairs(walk.modules(root, "", true)) do
    if at[2] == caller then through = at[1] end
    if at[2] == inner then
      first = first or at[1]
      if through and (through == "" or at[1]:sub(1, #through + 1) == through .. ".") then return at[1] end
    end
  end
  return first
end

--- What an error begins with; `running` has the modules from within outwards.
function M.tell(running)
  local inner, root = running[1], running[#running]
  local path = path_of(root, inner, running[2])
  for i = #running - 1, 1, -1 do -- a module in a plain table is nobody's part: the path begins there
    if path then break end
    path = path_of(running[i], inner, running[2])
  end
  if not path or path == "" then return ("in %s: "):format(inner.class_name) end
  local lua = path:find "%f[%w]%d+%f[%W]" and ", which is " .. in_lua(path) or ""
  return ("in net.%s (%s)%s: "):format(path, inner.class_name, lua)
end

getmetatable(cr).set_place(module.call, M.tell)

return M
