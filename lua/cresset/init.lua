-- init.lua: the module `cresset`: the C core, and what is better written in Lua.
--
-- Holds true: this file alone requires the C module. No global is set, nothing is printed, and what is
-- written in Lua is loaded at its first use. A misspelt name is an error, never nil.

local cr = require "cresset.core"

-- Told once: where our own Lua files lie, which errors do not blame, and who knows other names.
if rawget(cr, "lua_half") then
  cr.lua_half(function(...) return require("cresset.suggest").advise(...) end)
  cr.lua_half = nil
end

cr.pi, cr.inf, cr.nan = math.pi, math.huge, -(0 / 0)

-- Functions by the file (and the field there) that defines them.
local lazy = {
  gradcheck = { "cresset.gradcheck", "gradcheck" },
  gradgradcheck = { "cresset.gradcheck", "gradgradcheck" },
  register_multi_grad_hook = { "cresset.multi_hook", "register" },
  einsum = { "cresset.einsum", "einsum" },
  checkpoint = { "cresset.checkpoint", "checkpoint" },
  help = { "cresset.help", "help" },
}

return setmetatable(cr, {
  lazy = lazy, -- for completion
  __index = function(_, name)
    local where = lazy[name]
    if not where then
      -- Programs that look at modules ask for names like _NAME.
      if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
      return require("cresset.suggest").no_function(name)
    end
    local value = require(where[1])[where[2]]
    rawset(cr, name, value)
    return value
  end,
})
