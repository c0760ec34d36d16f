-- init.lua: the module `cresset.torch7`: Torch7's names over Cresset, for people who still have such scripts.
--
-- Holds true: what is returned is the table that scripts know as `torch`, with `nn` and `optim` in it, loaded at
-- their first use; methods write in place, defaults and names are Torch7's. Nothing global is set, and Cresset's own
-- tensors stay as they are, unless globals() is called.

local classes = require "cresset.torch7.class"
local T = require "cresset.torch7.tensor"
local storage = require "cresset.torch7.storage"

local torch = classes.package("torch", {})

for _, part in ipairs { "arithmetic", "reductions", "shapes", "random" } do
  for name, f in pairs(require("cresset.torch7." .. part)) do torch[name] = f end
end

torch.class, torch.factory, torch.type, torch.typename = classes.class, classes.factory, classes.type, classes.typename
torch.isTypeOf, torch.getmetatable = classes.isTypeOf, classes.getmetatable
torch.isTensor, torch.isStorage = T.is, storage.is
torch.wrap = T.wrap

-- torch.DoubleTensor(2, 3) and its like, and storages of the same types.
local function constructor(name)
  return setmetatable({ new = function(...) return T.new(name, ...) end }, {
    __call = function(_, ...) return T.new(name, ...) end,
    __index = T.Tensor,
  })
end
for name, dtype in pairs(T.dtypes) do
  torch[name .. "Tensor"] = constructor(name)
  torch[name .. "Storage"] = function(x) return storage.new(name, dtype, x) end
end
torch.Tensor = setmetatable({ new = function(...) return T.new(T.default, ...) end }, {
  __call = function(_, ...) return T.new(T.default, ...) end,
  __index = T.Tensor,
  __newindex = T.Tensor,
})
torch.Storage = function(x) return storage.new(T.default, T.dtypes[T.default], x) end

function torch.setdefaulttensortype(name) T.default = T.kind(name, "torch.setdefaulttensortype") end
function torch.getdefaulttensortype() return "torch." .. T.default .. "Tensor" end

function torch.numel(x) return x:nElement() end
function torch.clone(x) return x:clone() end
function torch.setnumthreads(n) require("cresset").set_num_threads(n) end
function torch.getnumthreads() return require("cresset").get_num_threads() end
function torch.tic() return require("cresset").clock() end
function torch.toc(start) return require("cresset").clock() - start end

-- A stopwatch: time().real is in seconds.
function torch.Timer()
  local clock = require("cresset").clock
  local start, spent, running = clock(), 0, true
  local timer = {}
  function timer.time() return { real = spent + (running and clock() - start or 0), user = os.clock(), sys = 0 } end
  function timer.stop(self)
    if running then spent, running = spent + clock() - start, false end
    return self
  end
  function timer.resume(self)
    if not running then start, running = clock(), true end
    return self
  end
  function timer.reset(self)
    start, spent = clock(), 0
    return self
  end
  return timer
end

-- For scripts that are not to be touched: torch, nn and optim as globals, and `require "torch"` and its like.
function torch.globals()
  classes.globals = true
  for name, value in pairs { torch = torch, nn = torch.nn, optim = torch.optim } do
    _G[name] = value
    package.preload[name] = package.preload[name] or function() return value end
  end
  return torch
end

for _, name in ipairs { "save", "load" } do
  torch[name] = function(...) return require("cresset.torch7.file")[name](...) end
end

return setmetatable(torch, { __index = function(_, name)
  if name == "nn" or name == "optim" then
    local value = require("cresset.torch7." .. name)
    torch[name] = value
    return value
  end
end })
