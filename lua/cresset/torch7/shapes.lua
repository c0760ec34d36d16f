-- shapes.lua: views of Torch7's tensors, their parts by position, and how they are put together.
--
-- Holds true: select, narrow, sub, transpose, view, expand and their like share memory; index, gather and cat copy.

local cr = require "cresset"
local T = require "cresset.torch7.tensor"
local Tensor, store, wrap, is, sizes = T.Tensor, T.store, T.wrap, T.is, T.sizes

local M = {}

-- torch.f(x, ...) is x:f(...).
local function both(name, method)
  Tensor[name] = method
  M[name] = method
end

both("select", function(self, dim, i) return wrap(self.raw:select(dim, i)) end)
both("narrow", function(self, dim, first, count) return wrap(self.raw:narrow(dim, first, count)) end)

-- Ranges of the first dims: x:sub(from1, to1 [, from2, to2 ...]), ends counted from the back if negative.
both("sub", function(self, ...)
  local ranges, raw = { ... }, self.raw
  for d = 1, #ranges // 2 do
    local n = raw.shape[d]
    local first, last = ranges[2 * d - 1], ranges[2 * d]
    if first < 0 then first = n + first + 1 end
    if last < 0 then last = n + last + 1 end
    raw = raw:narrow(d, first, last - first + 1)
  end
  return wrap(raw)
end)

both("transpose", function(self, a, b) return wrap(self.raw:transpose(a, b)) end)
both("t", function(self) return wrap(self.raw:t()) end)
both("permute", function(self, ...) return wrap(self.raw:permute(sizes("permute", ...))) end)
both("unfold", function(self, dim, size, step) return wrap(self.raw:unfold(dim, size, step)) end)
both("diag", function(self, k) return wrap(cr.diag(self.raw, k or 0)) end)
both("tril", function(self, k) return wrap(cr.tril(self.raw, k or 0)) end)
both("triu", function(self, k) return wrap(cr.triu(self.raw, k or 0)) end)
both("squeeze", function(self, dim)
  local raw = dim and self.raw:squeeze(dim) or self.raw:squeeze()
  if raw:dim() == 0 then return dim and wrap(raw:view { 1 }) or raw:item() end
  return wrap(raw)
end)
both("unsqueeze", function(self, dim) return wrap(self.raw:unsqueeze(dim)) end)

-- x:view(sizes), or result:view(x, sizes).
both("view", function(self, first, ...)
  if is(first) then
    self.raw = first.raw:view(sizes("view", ...))
    return self
  end
  return wrap(self.raw:view(sizes("view", first, ...)))
end)
both("viewAs", function(self, other) return wrap(self.raw:view(other.raw.shape)) end)
both("reshape", function(self, ...)
  local list = sizes("reshape", ...)
  return wrap(self.raw:reshape(list):clone())
end)
both("expand", function(self, ...) return wrap(self.raw:expand(sizes("expand", ...))) end)
both("expandAs", function(self, other) return wrap(self.raw:expand(other.raw.shape)) end)

-- x:repeatTensor(counts), or result:repeatTensor(x, counts).
both("repeatTensor", function(self, first, ...)
  if is(first) then return store(self, cr.tile(first.raw, sizes("repeatTensor", ...))) end
  return wrap(cr.tile(self.raw, sizes("repeatTensor", first, ...)))
end)

local function list_of(...)
  local parts = { ... }
  for i, part in ipairs(parts) do parts[i] = wrap(part) end
  return parts
end

both("split", function(self, size, dim) return list_of(cr.split(self.raw, size, dim or 1)) end)
both("chunk", function(self, n, dim) return list_of(cr.chunk(self.raw, n, dim or 1)) end)

-- torch.cat(a, b [, dim]), torch.cat({a, b, ...} [, dim]), with or without a result before them.
function M.cat(...)
  local args, result = { ... }, nil
  if type(args[2]) == "table" and not is(args[2]) or is(args[3]) then result = table.remove(args, 1) end
  local parts, dim = args[1], args[2]
  if is(parts) then parts, dim = { args[1], args[2] }, args[3] end
  local raws, most = {}, 1
  for _, part in ipairs(parts) do
    if part.raw:numel() > 0 then
      raws[#raws + 1] = part.raw
      most = math.max(most, part.raw:dim())
    end
  end
  if #raws == 0 then return result or T.empty(T.kind_of(parts[1])) end
  local value = cr.cat(raws, dim or most)
  return result and store(result, value) or wrap(value)
end
function Tensor:cat(...) return M.cat(self, ...) end

-- Parts by position -------------------------------------------------------------------------------------------------

local function positions(x, where) return T.raw(x, where):to "int64" end
local function mask_of(x, where) return T.raw(x, where):bool() end

-- x:index(dim, list), or result:index(x, dim, list).
both("index", function(self, a, b, c)
  if is(a) then return store(self, cr.index_select(a.raw, b, positions(c, "index"))) end
  return wrap(cr.index_select(self.raw, a, positions(b, "index")))
end)
both("gather", function(self, a, b, c)
  if is(a) then return store(self, cr.gather(a.raw, b, positions(c, "gather"))) end
  return wrap(cr.gather(self.raw, a, positions(b, "gather")))
end)
both("maskedSelect", function(self, a, b)
  if b then return store(self, cr.masked_select(a.raw, mask_of(b, "maskedSelect"))) end
  return wrap(cr.masked_select(self.raw, mask_of(a, "maskedSelect")))
end)
both("nonzero", function(self) return wrap(cr.nonzero(self.raw)) end)

local function writes(name, f)
  both(name, function(self, ...)
    f(self.raw, ...)
    return self
  end)
end
writes("indexCopy", function(raw, dim, i, from) raw:index_copy_(dim, positions(i, "indexCopy"), T.raw(from)) end)
writes("indexAdd", function(raw, dim, i, from) raw:index_add_(dim, positions(i, "indexAdd"), T.raw(from)) end)
writes("indexFill", function(raw, dim, i, value) raw:index_fill_(dim, positions(i, "indexFill"), value) end)
writes("maskedFill", function(raw, mask, value) raw:masked_fill_(mask_of(mask, "maskedFill"), value) end)
writes("maskedCopy", function(raw, mask, from) raw:masked_scatter_(mask_of(mask, "maskedCopy"), T.raw(from)) end)
writes("scatter", function(raw, dim, i, from)
  raw:scatter_(dim, positions(i, "scatter"), is(from) and from.raw or from)
end)
writes("scatterAdd", function(raw, dim, i, from) raw:scatter_add_(dim, positions(i, "scatterAdd"), T.raw(from)) end)

-- Tensors of numbers ------------------------------------------------------------------------------------------------

local function options(dtype) return T.options(dtype or T.default) end

for _, name in ipairs { "zeros", "ones" } do
  M[name] = function(first, ...)
    if is(first) then return store(first, cr[name](sizes(name, ...), { dtype = first.raw.dtype })) end
    return wrap(cr[name](sizes(name, first, ...), options()))
  end
end
function M.eye(n, m) return wrap(cr.eye(n, m or n, options())) end
function M.linspace(a, b, n) return wrap(cr.linspace(a, b, n or 100, options())) end
function M.logspace(a, b, n) return wrap(cr.logspace(a, b, n or 100, options())) end

-- From a to b, both included where the steps meet b.
function M.range(a, b, step)
  step = step or 1
  local n = math.floor((b - a) / step + 1e-9) + 1
  if n < 1 then error("torch.range: there is no number from " .. a .. " to " .. b .. " by steps of " .. step, 2) end
  return wrap(cr.arange(0, n, options()):mul_(step):add_(a))
end

return M
