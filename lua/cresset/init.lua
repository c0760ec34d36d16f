-- init.lua: the module `cresset`: the C core, and what is better written in Lua.
--
-- Holds true: this file alone requires the C module. No global is set, nothing is printed, and what is
-- written in Lua is loaded at its first use. A misspelt name is an error, never nil.

local cr = require "cresset.core"

cr.pi, cr.inf, cr.nan = math.pi, math.huge, -(0 / 0)

-- What is defined in Lua, by its file, and the field there; without a field it is all that the file gives.
local lazy = {
  nn = { "cresset.nn" },
  optim = { "cresset.optim" },
  gradcheck = { "cresset.gradcheck", "gradcheck" },
  gradgradcheck = { "cresset.gradcheck", "gradgradcheck" },
  register_multi_grad_hook = { "cresset.multi_hook", "register" },
  checkpoint = { "cresset.checkpoint", "checkpoint" },
  triplet_margin_with_distance_loss = { "cresset.triplet", "loss" },
  GradScaler = { "cresset.grad_scaler" },
  custom_fwd = { "cresset.custom_cast", "custom_fwd" },
  custom_bwd = { "cresset.custom_cast", "custom_bwd" },
  multi_head_attention_forward = { "cresset.multi_head", "forward" },
  help = { "cresset.help", "help" },
  metrics = { "cresset.metrics" },
  plot = { "cresset.plot" },
  profiler = { "cresset.profiler" },
  progress = { "cresset.progress", "progress" },
  tensorboard = { "cresset.tensorboard" },
  data = { "cresset.data" },
}
for _, name in ipairs { "finfo", "iinfo", "isdtype", "can_cast", "result_type", "broadcast_shapes" } do
  lazy[name] = { "cresset.dtypes", name }
end
for _, name in ipairs { "save", "load", "frombuffer" } do lazy[name] = { "cresset.io", name } end

local find_alias

local function index(_, name)
  local where = lazy[name]
  local value
  if where then
    value = require(where[1])
    if where[2] then value = value[where[2]] end
  elseif type(name) == "string" and name:sub(1, 1) ~= "_" then -- who looks at modules asks for _NAME
    value = find_alias(name) or require("cresset.suggest").no_function(name)
  else
    return nil
  end
  rawset(cr, name, value)
  return value
end

-- A name that a table of the module lacks is an error, too; foreach has operations by its own __index.
local function strict(path)
  setmetatable(cr[path], { __index = function(_, name)
    if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
    require("cresset.suggest").no_member(path, name)
  end })
end

-- Told once: where our own Lua files lie, which errors do not blame, and who knows other names.
if rawget(cr, "lua_half") then
  local quote, set_place
  find_alias, quote, set_place = cr.lua_half(function(...) return require("cresset.suggest").advise(...) end)
  cr.lua_half = nil
  local io_half = cr.io_half -- what the files under io build on
  package.preload["cresset.io.core"] = function() return io_half end
  cr.io_half = nil
  setmetatable(cr, { lazy = lazy, quote = quote, set_place = set_place, __index = index }) -- lazy: for completion
  for _, path in ipairs { "memory", "cuda", "debug" } do strict(path) end
end

return cr
