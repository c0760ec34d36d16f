-- products.lua: products of matrices on a CUDA device that are not what the CPU's are in float64.

local cr = require "cresset"
local values = require "spec.support.values"

local M = {}

local function random(shape, dtype) return cr.randint(-8, 9, shape):to(dtype) / 8 end

-- How a matrix may lie: each gives one of r rows and c columns; z: how many of them, or nil for one.
local function shape_of(z, r, c) return z and { z, r, c } or { r, c } end
M.layouts = {
  plain = function(z, r, c, dtype) return random(shape_of(z, r, c), dtype):cuda() end,
  transposed = function(z, r, c, dtype) return random(shape_of(z, c, r), dtype):cuda():transpose(-1, -2) end,
  -- Every row starts at an odd place, and the rows lie apart.
  odd = function(z, r, c, dtype) return random(shape_of(z, r, c + 2), dtype):cuda():narrow(-1, 2, c) end,
  odd_transposed = function(z, r, c, dtype)
    return random(shape_of(z, c, r + 2), dtype):cuda():narrow(-1, 2, r):transpose(-1, -2)
  end,
  -- Neither rows nor columns lie one by one.
  scattered = function(z, r, c, dtype)
    return random(z and { z, r, c, 2 } or { r, c, 2 }, dtype):cuda():select(-1, 2)
  end,
  -- Every row is the same one; every column is.
  rows_alike = function(z, r, c, dtype)
    local x = random({ 1, c }, dtype):cuda():expand(r, c)
    return z and x:expand(z, r, c) or x
  end,
  columns_alike = function(z, r, c, dtype)
    local x = random({ r, 1 }, dtype):cuda():expand(r, c)
    return z and x:expand(z, r, c) or x
  end,
  -- One matrix many times.
  repeated = function(z, r, c, dtype)
    local x = random({ r, c }, dtype):cuda()
    return z and x:expand(z, r, c) or x
  end,
}

local function names(t)
  local list = {}
  for name in pairs(t) do list[#list + 1] = name end
  table.sort(list)
  return list
end

local function wide(x) return x:cpu():to "float64" end

local function check(problems, what, got, want, dtype)
  local bound = { float64 = 1e-12, float32 = 1e-5, float16 = 2e-3, bfloat16 = 1.6e-2 }
  local off = (wide(got) - want):abs():max():item() / math.max(1, want:abs():max():item())
  local close = off <= bound[dtype]
  if not close then problems[#problems + 1] = ("%s %s: off by %g"):format(dtype, what, off) end
end

-- A sum of products, with what is added in each of the ways that an operation adds it.
local function check_all(problems, what, a, b, dtype)
  local want = wide(a):matmul(wide(b))
  local z = a:dim() == 3 and a:size(1) or nil
  local m, n = a:size(-2), b:size(-1)
  check(problems, what, a:matmul(b), want, dtype)
  local c = M.layouts.odd(z, m, n, dtype)
  local add = z and "baddbmm" or "addmm"
  check(problems, what .. " and a matrix", c[add](c, a, b), want + wide(c), dtype)
  check(problems, what .. " and a scaled matrix", c[add](c, a, b, { beta = 0.5, alpha = 2 }),
    2 * want + 0.5 * wide(c), dtype)
  c = M.layouts.transposed(z, m, n, dtype)
  check(problems, what .. " and a transposed matrix", c[add](c, a, b), want + wide(c), dtype)
  local row = random({ n }, dtype):cuda()
  check(problems, what .. " and a row", row[add](row, a, b), want + wide(row), dtype)
  row = random({ n + 1 }, dtype):cuda():narrow(1, 2, n)
  check(problems, what .. " and a row at an odd place", row[add](row, a, b), want + wide(row), dtype)
  local column = random({ m, 1 }, dtype):cuda()
  check(problems, what .. " and a column", column[add](column, a, b), want + wide(column), dtype)
  if not z then
    check(problems, what .. " as a layer", cr.linear(a, b:t(), row), want + wide(row), dtype)
  end
end

-- Sizes by a name: small ones, and one for which copying a scattered factor pays.
local function all_layouts(problems, dtype, z, m, n, k)
  for _, first in ipairs(names(M.layouts)) do
    for _, second in ipairs(names(M.layouts)) do
      local what = ("%s x %s, %s of %dx%dx%d"):format(first, second, z or "one", m, n, k)
      check_all(problems, what, M.layouts[first](z, m, k, dtype), M.layouts[second](z, k, n, dtype), dtype)
    end
  end
end

local function large(problems, dtype)
  for _, pair in ipairs { { "scattered", "plain" }, { "transposed", "scattered" } } do
    local a, b = M.layouts[pair[1]](nil, 128, 130, dtype), M.layouts[pair[2]](nil, 130, 128, dtype)
    check(problems, ("large %s x %s"):format(pair[1], pair[2]), a:matmul(b), wide(a):matmul(wide(b)), dtype)
  end
end

-- Every dtype, layout, batch and addition: a line for each product that is wrong.
function M.failures()
  local problems = {}
  cr.manual_seed(3)
  for _, dtype in ipairs(values.floats) do
    all_layouts(problems, dtype, nil, 5, 7, 6)
    all_layouts(problems, dtype, 3, 4, 3, 5)
    check_all(problems, "a row of a matrix", M.layouts.plain(nil, 1, 5, dtype), M.layouts.plain(nil, 5, 4, dtype),
      dtype)
    check_all(problems, "factors of one column and row", M.layouts.plain(nil, 5, 1, dtype),
      M.layouts.plain(nil, 1, 4, dtype), dtype)
    large(problems, dtype)
  end
  return problems
end

return M
