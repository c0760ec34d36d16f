-- init.lua: the module `cresset`: the C core, and what is better written in Lua.
--
-- Holds true: this file alone requires the C module. No global is set, nothing is printed, and what is
-- written in Lua is loaded at its first use.

local cr = require "cresset.core"

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
    if not where then return nil end
    local value = require(where[1])[where[2]]
    rawset(cr, name, value)
    return value
  end,
})
