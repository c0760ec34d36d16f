-- reductions.lua: sums, extremes, sorts and tests of Torch7's tensors.
--
-- Holds true: without a dim the answer is a Lua number, with one a tensor that keeps the dim with size 1; positions
-- count from 1 and are of type Long.

local cr = require "cresset"
local T = require "cresset.torch7.tensor"
local Tensor, store, wrap, is = T.Tensor, T.store, T.wrap, T.is

local M = {}

-- torch.f(x, ...) is x:f(...); torch.f(result, x, ...) writes what it gives first into `result`.
local function both(name, method)
  Tensor[name] = method
  M[name] = function(a, b, ...)
    if is(a) and is(b) and name ~= "dist" then
      local value, rest = method(b, ...)
      if is(value) then store(a, value.raw) else store(a, cr.tensor({ value }, { dtype = a.raw.dtype })) end
      return a, rest
    end
    return method(a, b, ...)
  end
end

-- What Torch7 gives for integers, too: a sum of bytes is a number, a mean is one of doubles.
for name, op in pairs { sum = "sum", prod = "prod" } do
  both(name, function(self, dim)
    if dim then return wrap(cr[op](self.raw, dim, true):to(self.raw.dtype)) end
    return cr[op](self.raw):item()
  end)
end

local function floats(raw) return raw.dtype:match "float" and raw or raw:to "float64" end

both("mean", function(self, dim)
  if dim then return wrap(cr.mean(floats(self.raw), dim, true):to(self.raw.dtype)) end
  return cr.mean(floats(self.raw)):item()
end)

-- With `biased` (torch's flag) divided by n, else by n - 1.
for _, name in ipairs { "std", "var" } do
  both(name, function(self, dim, biased)
    local options = { correction = biased and 0 or 1, keepdim = true }
    if dim then
      options.dim = dim
      return wrap(cr[name](floats(self.raw), options))
    end
    return cr[name](floats(self.raw)):item()
  end)
end

both("norm", function(self, p, dim)
  p = p or 2
  if dim then return wrap(cr.norm(floats(self.raw), p, dim, true)) end
  if p == 0 then return self.raw:ne(0):sum():item() end
  return cr.norm(floats(self.raw), p):item()
end)

function Tensor:dist(other, p) return cr.dist(self.raw, T.raw(other, "dist"), p or 2):item() end
M.dist = Tensor.dist

for name, all in pairs { max = "amax", min = "amin" } do
  both(name, function(self, dim)
    if not dim then return cr[all](self.raw):item() end
    local values, positions = cr[name](self.raw, dim, true)
    return wrap(values), wrap(positions)
  end)
end

both("cumsum", function(self, dim) return wrap(cr.cumsum(self.raw, dim or 1):to(self.raw.dtype)) end)
both("cumprod", function(self, dim) return wrap(cr.cumprod(self.raw, dim or 1):to(self.raw.dtype)) end)

both("sort", function(self, dim, descending)
  if type(dim) == "boolean" then dim, descending = nil, dim end
  local values, positions = cr.sort(self.raw, dim or -1, descending or false)
  return wrap(values), wrap(positions)
end)

both("topk", function(self, k, dim, largest, sorted)
  local values, positions = cr.topk(self.raw, k, dim or -1, largest or false, sorted or false)
  return wrap(values), wrap(positions)
end)

both("kthvalue", function(self, k, dim)
  local values, positions = cr.kthvalue(self.raw, k, dim or -1, true)
  return wrap(values), wrap(positions)
end)

for _, name in ipairs { "median", "mode" } do
  both(name, function(self, dim)
    if name == "median" and not dim then return cr.median(self.raw):item() end
    local values, positions = cr[name](self.raw, dim or -1, true)
    return wrap(values), wrap(positions)
  end)
end

both("trace", function(self) return cr.trace(self.raw):item() end)
both("histc", function(self, bins, low, high)
  return wrap(cr.histc(floats(self.raw), bins or 100, low or 0, high or 0))
end)

both("multinomial", function(self, n, replacement) return wrap(cr.multinomial(self.raw, n, replacement or false)) end)

both("renorm", function(self, p, dim, limit) return wrap(cr.renorm(self.raw, p, dim, limit)) end)

function Tensor:all() return cr.all(self.raw):item() end
function Tensor:any() return cr.any(self.raw):item() end
M.all, M.any = Tensor.all, Tensor.any

function Tensor:equal(other)
  return cr.is_same_size(self.raw, other.raw) and cr.equal(self.raw, other.raw:to(self.raw.dtype))
end
M.equal = Tensor.equal

return M
