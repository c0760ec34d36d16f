-- random.lua: random numbers as Torch7 names them, from the generator of the Lua state.
--
-- Holds true: the same seed gives the same numbers; they are Cresset's, not those that Torch7 drew.

local cr = require "cresset"
local T = require "cresset.torch7.tensor"
local Tensor, wrap, is, sizes = T.Tensor, T.wrap, T.is, T.sizes

local M = {}
local seed = 0

function M.manualSeed(n)
  seed = math.tointeger(n) or error("torch.manualSeed: an integer is needed, got " .. tostring(n), 2)
  cr.manual_seed(seed)
end
function M.seed()
  M.manualSeed(os.time())
  return seed
end
function M.initialSeed() return seed end
M.getRNGState, M.setRNGState = cr.get_rng_state, cr.set_rng_state

for name, op in pairs { rand = "rand", randn = "randn" } do
  M[name] = function(first, ...)
    if is(first) then
      local fresh = cr[op](sizes(name, ...), { dtype = first.raw.dtype })
      return T.store(first, fresh)
    end
    return wrap(cr[op](sizes(name, first, ...), T.options(T.default)))
  end
end

function M.randperm(n) return wrap(cr.randperm(n):add_(0):to(T.options(T.default))) end

-- Fills: x:uniform(a, b); torch.uniform(a, b) gives one number.
local fills = {
  uniform = function(raw, a, b) raw:uniform_(a or 0, b or 1) end,
  normal = function(raw, mean, std) raw:normal_(mean or 0, std or 1) end,
  bernoulli = function(raw, p) raw:bernoulli_(is(p) and p.raw or p or 0.5) end,
  exponential = function(raw, lambda) raw:exponential_(lambda or 1) end,
  cauchy = function(raw, median, sigma) raw:cauchy_(median or 0, sigma or 1) end,
  logNormal = function(raw, mean, std) raw:log_normal_(mean or 1, std or 2) end,
  geometric = function(raw, p) raw:geometric_(p) end,
}
for name, fill in pairs(fills) do
  Tensor[name] = function(self, ...)
    fill(self.raw, ...)
    return self
  end
  M[name] = function(...)
    local one = cr.zeros({ 1 }, { dtype = "float64" })
    fill(one, ...)
    return one[1]:item()
  end
end

-- Integers from a to b (from 1 to a), both included.
local function integers(raw, a, b)
  if not a then a, b = 0, 2 ^ 31 - 1 end
  if not b then a, b = 1, a end
  raw:copy_(cr.randint(a, b + 1, raw.shape))
end
function Tensor:random(a, b)
  integers(self.raw, a, b)
  return self
end
function M.random(a, b)
  local one = cr.zeros({ 1 }, { dtype = "int64" })
  integers(one, a, b)
  return one[1]:item()
end

return M
