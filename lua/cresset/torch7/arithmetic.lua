-- arithmetic.lua: elementwise operations and products of Torch7's tensors.
--
-- Holds true: a method `x:f(...)` writes x; where its arguments begin with a tensor to compute from, x is only the
-- place of the result. `torch.f(...)` is the same method on a new tensor; `torch.f(result, ...)` writes `result`
-- where the count of arguments tells. Operands of one count of elements go together whatever their shapes, others do
-- not: Torch7 has no broadcasting, but Cresset's is let through.

local cr = require "cresset"
local T = require "cresset.torch7.tensor"
local Tensor, store, wrap, is = T.Tensor, T.store, T.wrap, T.is

local M = {}

-- b as it goes beside a: of a's shape where the count is equal.
local function beside(a, b, where)
  if type(b) == "number" then return b end
  b = T.raw(b, where)
  if b:dim() ~= a:dim() or not cr.is_same_size(a, b) then
    if b:numel() == a:numel() then return b:reshape(a.shape) end
  end
  return b
end

-- f(result?, source, ...) as torch.f: without a result one is made of the source's type.
local function functions(name, method)
  Tensor[name] = method
  M[name] = function(a, ...)
    if not is(a) then error(("torch.%s: a tensor is needed, got a %s"):format(name, type(a)), 2) end
    return method(T.empty(T.kind_of(a)), a, ...)
  end
end

-- One operand: x:exp(), x:exp(y), torch.exp(y), torch.exp(x, y).
local same = [[abs acos asin atan ceil cos cosh exp floor frac log log1p neg round rsqrt sigmoid sign sin sinh sqrt tan
  tanh trunc lgamma digamma erf erfc expm1]]
local unary = { cinv = "reciprocal" }
for name in same:gmatch "%w+" do unary[name] = name end
for name, op in pairs(unary) do
  Tensor[name] = function(self, source) return store(self, cr[op](source and T.raw(source, name) or self.raw)) end
  M[name] = function(a, b) return Tensor[name](b and a or T.empty(T.kind_of(a)), b or a) end
end

-- Two operands: x:cmul(y), x:cmul(a, b); the second may be a number where Torch7 allows one.
local function binary(name, compute)
  Tensor[name] = function(self, a, b)
    if b == nil then a, b = self, a end
    local left = T.raw(a, name)
    return store(self, compute(left, beside(left, b, name)))
  end
  M[name] = function(a, b, c)
    if c ~= nil then return Tensor[name](a, b, c) end
    return Tensor[name](T.empty(T.kind_of(a)), a, b)
  end
end

local function whole(x) return not x.raw.dtype:match "float" end

binary("cmul", cr.mul)
binary("mul", cr.mul)
binary("cpow", cr.pow)
binary("pow", function(a, b) return cr.pow(a, b) end)
binary("atan2", cr.atan2)
binary("fmod", cr.fmod)
binary("cfmod", cr.fmod)
binary("remainder", cr.remainder)
binary("cremainder", cr.remainder)
binary("cmax", cr.maximum)
binary("cmin", cr.minimum)
binary("mod", cr.fmod)
binary("bitand", cr.bitwise_and)
binary("bitor", cr.bitwise_or)
binary("bitxor", cr.bitwise_xor)
binary("lshift", cr.bitwise_left_shift)
binary("rshift", cr.bitwise_right_shift)
binary("cross", function(a, b) return cr.cross(a, b) end)

-- Integers divide as in C.
local function quotient(a, b)
  if whole { raw = a } and (type(b) == "number" or whole { raw = b }) then return cr.div(a, b, "trunc") end
  return cr.div(a, b)
end
binary("div", quotient)
binary("cdiv", quotient)

local function scalar_or_raw(a, b, where) return type(b) == "number" and b or beside(a, b, where) end

-- x:add(v), x:add(y), x:add(v, y), x:add(a, v), x:add(a, y), x:add(a, v, y)
local function sum(name, sign)
  local function method(self, ...)
    local n = select("#", ...)
    local a, v, b = ...
    if n == 1 then
      a, v, b = self, 1, a
    elseif n == 2 and type(a) == "number" then
      a, v, b = self, a, v
    elseif n == 2 then
      a, v, b = a, 1, v
    elseif n ~= 3 then
      error(name .. ": one to three arguments are needed, got " .. n, 2)
    end
    local left = T.raw(a, name)
    local right = scalar_or_raw(left, b, name)
    if type(right) == "number" then return store(self, left + sign * v * right) end
    return store(self, cr.add(left, right, sign * v))
  end
  Tensor[name] = method
  M[name] = function(a, ...)
    local n = select("#", ...)
    if n == 3 or (n == 2 and is((select(1, ...)))) then return method(a, ...) end
    return method(T.empty(T.kind_of(a)), a, ...)
  end
end
sum("add", 1)
sum("csub", -1)
sum("sub_", -1)
Tensor.sub_ = nil

functions("addcmul", function(self, ...)
  local a, v, b, c = ...
  if select("#", ...) == 3 and type(a) == "number" then a, v, b, c = self, a, v, b end
  if select("#", ...) == 3 and type(v) ~= "number" then v, b, c = 1, v, b end
  if select("#", ...) == 2 then a, v, b, c = self, 1, a, v end
  local r = T.raw(a, "addcmul")
  return store(self, cr.addcmul(r, beside(r, b, "addcmul"), beside(r, c, "addcmul"), v))
end)

functions("addcdiv", function(self, ...)
  local a, v, b, c = ...
  if select("#", ...) == 3 and type(a) == "number" then a, v, b, c = self, a, v, b end
  if select("#", ...) == 3 and type(v) ~= "number" then v, b, c = 1, v, b end
  if select("#", ...) == 2 then a, v, b, c = self, 1, a, v end
  local r = T.raw(a, "addcdiv")
  return store(self, cr.addcdiv(r, beside(r, b, "addcdiv"), beside(r, c, "addcdiv"), v))
end)

functions("clamp", function(self, a, low, high)
  if type(a) == "number" then a, low, high = self, a, low end
  return store(self, cr.clamp(T.raw(a, "clamp"), low, high))
end)

functions("lerp", function(self, a, b, weight)
  if weight == nil then a, b, weight = self, a, b end
  return store(self, cr.lerp(T.raw(a, "lerp"), T.raw(b, "lerp"), weight))
end)

-- Comparisons give bytes.
for _, name in ipairs { "lt", "le", "gt", "ge", "eq", "ne" } do
  Tensor[name] = function(self, a, b)
    if b ~= nil then return store(self, cr[name](T.raw(a, name), beside(a.raw, b, name)):to(self.raw.dtype)) end
    return wrap(cr[name](self.raw, beside(self.raw, a, name)))
  end
  M[name] = function(a, b, c) return Tensor[name](a, b, c) end
end

-- Products ----------------------------------------------------------------------------------------------------------

local function product(name, f)
  Tensor[name] = function(self, a, b) return store(self, f(T.raw(a, name), T.raw(b, name))) end
  M[name] = function(a, b, c)
    if c ~= nil then return Tensor[name](a, b, c) end
    return Tensor[name](T.empty(T.kind_of(a)), a, b)
  end
end
product("mm", cr.mm)
product("mv", cr.mv)
product("bmm", cr.bmm)
product("ger", cr.outer)

function Tensor:dot(other) return cr.dot(self.raw:reshape { -1 }, T.raw(other, "dot"):reshape { -1 }):item() end
function M.dot(a, b) return a:dot(b) end

-- x:addmm([v1,] [M,] [v2,] a, b): v1 M + v2 f(a, b), where M is x itself if left out.
local function added(name, f)
  local function method(self, ...)
    local args = { ... }
    local b = table.remove(args)
    local a = table.remove(args)
    local beta, m, alpha = 1, self, 1
    local numbers = {}
    for _, arg in ipairs(args) do
      if is(arg) then m = arg else numbers[#numbers + 1] = arg end
    end
    if #numbers == 2 then
      beta, alpha = numbers[1], numbers[2]
    elseif #numbers == 1 then
      -- one number after the matrix, or without one, is the product's
      if is(args[1]) or m == self then alpha = numbers[1] else beta = numbers[1] end
    end
    local r = f(T.raw(a, name), T.raw(b, name))
    local base = T.raw(m, name)
    return store(self, beta == 0 and r * alpha or cr.add(base * beta, r, alpha))
  end
  functions(name, method)
end
added("addmm", cr.mm)
added("addmv", cr.mv)
added("addr", cr.outer)
added("baddbmm", cr.bmm)
added("addbmm", function(a, b) return cr.bmm(a, b):sum(1) end)

-- Operators ---------------------------------------------------------------------------------------------------------

local function of(x, y) return is(x) and x or y end

function Tensor.__add(a, b)
  if type(a) == "number" then a, b = b, a end
  return M.add(a, b)
end
function Tensor.__sub(a, b)
  if type(a) == "number" then return M.add(M.neg(b), a) end
  if type(b) == "number" then return M.add(a, -b) end
  return M.csub(a, b)
end
function Tensor.__unm(a) return M.neg(a) end
function Tensor.__div(a, b)
  if type(a) == "number" then return M.mul(M.cinv(b), a) end
  return M.div(a, b)
end
-- Between tensors `*` is the product of vectors and matrices.
function Tensor.__mul(a, b)
  if type(a) == "number" or type(b) == "number" then
    return M.mul(of(a, b), type(a) == "number" and a or b)
  end
  local m, n = a:dim(), b:dim()
  if m == 1 and n == 1 then return a:dot(b) end
  if m == 2 and n == 1 then return M.mv(a, b) end
  if m == 2 and n == 2 then return M.mm(a, b) end
  error(("*: tensors of %d and %d dims have no product"):format(m, n), 2)
end

-- Calls for each element --------------------------------------------------------------------------------------------

-- f gives the new element, or nil to keep the old one.
local function each(self, others, f)
  local flat = self.raw:reshape { -1 }:totable()
  local lists = {}
  for i, other in ipairs(others) do lists[i] = T.raw(other, "apply"):reshape { -1 }:totable() end
  for i = 1, #flat do
    local value
    if #lists == 0 then
      value = f(flat[i])
    elseif #lists == 1 then
      value = f(flat[i], lists[1][i])
    else
      value = f(flat[i], lists[1][i], lists[2][i])
    end
    if value ~= nil then flat[i] = value end
  end
  if #flat > 0 then self.raw:copy_(cr.tensor(flat, { dtype = self.raw.dtype }):view(self.raw.shape)) end
  return self
end
function Tensor:apply(f) return each(self, {}, f) end
function Tensor:map(other, f) return each(self, { other }, f) end
function Tensor:map2(a, b, f) return each(self, { a, b }, f) end

return M
