-- dtypes.lua: what dtypes hold, what becomes of several together, and shapes that broadcast.
--
-- Holds true: dtypes are their names. Promotion is promote_types of the core; of tensors, 0-dim tensors and numbers the
-- former decide unless one of the latter is of a higher category (bool, integer, float, complex).

local cr = require "cresset"

local M = {}

-- 1 for bool, 2 for integers, 3 for floats, 4 for complex numbers, nil for what names no dtype: the engine says it by
-- what becomes of two dtypes together.
local function category(dtype)
  if type(dtype) ~= "string" or not pcall(cr.promote_types, dtype, dtype) then return nil end
  if dtype == "bool" then return 1 end
  if dtype:find "^complex" then return 4 end
  return dtype:find "^u?int" and 2 or 3
end

local function bits_of(dtype) return 8 * cr.zeros({ 0 }, { dtype = dtype }):element_size() end
local function is_signed(dtype) return not dtype:find "^u" end

-- A message's words for a value.
local function shown(v)
  if type(v) == "string" then return ('the string "%s"'):format(v) end
  return type(v) == "number" and ("the number %s"):format(v) or ("a " .. type(v)):gsub("^a nil", "nil")
end

-- The dtype that an argument names, or that a tensor has.
local function dtype_of(where, name, v)
  if cr.is_tensor(v) then return v.dtype end
  if not category(v) then cr.raise(("%s: %s must be a dtype or a tensor, got %s"):format(where, name, shown(v))) end
  return v
end

--- What a floating dtype holds. Without a dtype: the default one.
function M.finfo(dtype)
  dtype = dtype_of("finfo", "dtype", dtype == nil and cr.get_default_dtype() or dtype)
  if category(dtype) ~= 3 then
    cr.raise(("finfo: %s is not a floating dtype; iinfo tells of integers"):format(dtype))
  end
  local function number(x) return cr.full({}, x, { dtype = dtype }) end
  local function after(x, y) return number(x):nextafter(number(y)):item() end
  local eps, max = after(1.0, 2.0) - 1, after(math.huge, 0.0)
  local tiny = 2 / (max / (2 - eps))
  return { dtype = dtype, bits = bits_of(dtype), eps = eps, max = max, min = -max, tiny = tiny, smallest_normal = tiny,
    resolution = 10.0 ^ -math.floor(-math.log(eps, 10)) }
end

--- What an integer dtype holds.
function M.iinfo(dtype)
  dtype = dtype_of("iinfo", "dtype", dtype)
  if category(dtype) ~= 2 then
    cr.raise(("iinfo: %s is not an integer dtype; finfo tells of floats"):format(dtype))
  end
  local bits, signed = bits_of(dtype), is_signed(dtype)
  local max = signed and math.maxinteger >> (64 - bits) or (1 << bits) - 1
  return { dtype = dtype, bits = bits, max = max, min = signed and -max - 1 or 0 }
end

-- Whether a dtype is of a kind, given its category.
local kinds = {
  bool = function(c) return c == 1 end,
  ["signed integer"] = function(c, dtype) return c == 2 and is_signed(dtype) end,
  ["unsigned integer"] = function(c, dtype) return c == 2 and not is_signed(dtype) end,
  integral = function(c) return c == 2 end,
  ["real floating"] = function(c) return c == 3 end,
  ["complex floating"] = function(c) return c == 4 end,
  numeric = function(c) return c > 1 end,
}

--- Whether a dtype is of a kind, or of one of a list of kinds; a dtype is a kind, too.
function M.isdtype(dtype, kind)
  dtype = dtype_of("isdtype", "dtype", dtype)
  if kind == nil then cr.raise "isdtype: the argument 'kind' is missing" end
  for _, one in ipairs(type(kind) == "table" and kind or { kind }) do
    local is = kinds[one]
    if not is and not category(one) then
      cr.raise(("isdtype: kind must be a dtype, bool, signed integer, unsigned integer, integral, real floating, "
        .. "complex floating or numeric, got %s"):format(shown(one)))
    end
    if one == dtype or is and is(category(dtype), dtype) then return true end
  end
  return false
end

--- Whether elements of one dtype may become those of another without changing their category for a lower one.
function M.can_cast(from, to)
  from, to = dtype_of("can_cast", "from", from), dtype_of("can_cast", "to", to)
  return category(from) <= category(to)
end

-- The pool of an argument and its dtype: 1 tensors and dtypes, 2 0-dim tensors, 3 numbers.
local function pooled(i, v)
  if cr.is_tensor(v) then return v.ndim > 0 and 1 or 2, v.dtype end
  if type(v) == "boolean" then return 3, "bool" end
  if math.type(v) == "integer" then return 3, "int64" end
  if type(v) == "number" then return 3, cr.get_default_dtype() end
  if category(v) then return 1, v end
  cr.raise(("result_type: argument %d must be a tensor, a number or a dtype, got %s"):format(i, shown(v)))
end

--- The dtype of what an operation makes of tensors, numbers and dtypes.
function M.result_type(...)
  local pools, n = {}, select("#", ...)
  if n == 0 then cr.raise "result_type: needs at least one tensor, number or dtype" end
  for i = 1, n do
    local pool, dtype = pooled(i, (select(i, ...)))
    local ok, both = pcall(cr.promote_types, pools[pool] or dtype, dtype)
    if not ok then cr.raise((both:gsub("^.-promote_types", "result_type"))) end
    pools[pool] = both
  end
  local result
  for pool = 3, 1, -1 do
    local dtype = pools[pool]
    if dtype and not (result and category(result) > category(dtype)) then result = dtype end
  end
  return result
end

--- The shape to which shapes, tables of sizes or single sizes, broadcast together.
function M.broadcast_shapes(...)
  local result = {}
  for i = 1, select("#", ...) do
    local shape = select(i, ...)
    if math.type(shape) == "integer" then shape = { shape } end
    if type(shape) ~= "table" then
      cr.raise(("broadcast_shapes: shape %d must be a table of sizes, got %s"):format(i, shown(shape)))
    end
    local wide, n = {}, math.max(#result, #shape)
    for k = 1, n do -- from the right
      local a, b = result[#result - k + 1] or 1, shape[#shape - k + 1] or 1
      if math.type(b) ~= "integer" or b < 0 then
        cr.raise(("broadcast_shapes: shape %d has the size %s"):format(i, tostring(b)))
      end
      if a ~= b and a ~= 1 and b ~= 1 then
        cr.raise(("broadcast_shapes: sizes %d and %d of the %s do not broadcast"):format(a, b,
          k == 1 and "last dims" or ("dims %d from the end"):format(k)))
      end
      wide[n - k + 1] = a == 1 and b or a
    end
    result = wide
  end
  return result
end

return M
