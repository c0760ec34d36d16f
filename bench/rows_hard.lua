-- rows_hard.lua: data that leaves the fast paths, narrow dtypes, truth, and single calls. For rows.lua, which
-- says what a row is.

local list = require "row_list"
local group = list.group

-- ---- Hard data -----------------------------------------------------------------------------------------

group({
  setup = "local x, p, y = cr.randn(1 << 18), cr.rand(1 << 18) + 0.5, cr.randn(1 << 18)",
  peer_setup = "x, p, y = torch.randn(1 << 18), torch.rand(1 << 18) + 0.5, torch.randn(1 << 18)",
}, {
  { "x^4, 256 K", 1.2, "local _ = x ^ 4", "x ** 4" },
  { "x^5, 256 K", 1.2, "local _ = x ^ 5", "x ** 5" },
  { "x^7, 256 K", 1.2, "local _ = x ^ 7", "x ** 7" },
  { "x^2.5, 256 K", 1.2, "local _ = x ^ 2.5", "x ** 2.5" },
  { "x^y, 256 K", 1.2, "local _ = x ^ y", "x ** y" },
  { "x^2.5 of positive x, 256 K", 1.2, "local _ = p ^ 2.5", "p ** 2.5" },
  { "x^y of positive x, 256 K", 1.2, "local _ = p ^ y", "p ** y" },
})

group({
  setup = [[
    local x, large, huge = cr.randn(1 << 18), cr.randn(1 << 18) * 1e4, cr.randn(1 << 18) * 1e9
    local d, far = x:to "float64" * 1e4, x:to "float64" * 1e15]],
  peer_setup = [[
x, large, huge = torch.randn(1 << 18), torch.randn(1 << 18) * 1e4, torch.randn(1 << 18) * 1e9
d, far = x.double() * 1e4, x.double() * 1e15]],
}, {
  { "sin, 256 K", 1, "local _ = x:sin()", "x.sin()" },
  { "sin of large x, 256 K", 1, "local _ = large:sin()", "large.sin()" },
  { "sin of huge x, 256 K", 1, "local _ = huge:sin()", "huge.sin()" },
  { "cos of large x, 256 K", 1, "local _ = large:cos()", "large.cos()" },
  { "tan of large x, 256 K", 1, "local _ = large:tan()", "large.tan()" },
  { "sin of large x, float64, 256 K", 1, "local _ = d:sin()", "d.sin()" },
  { "tan of huge x, float64, 256 K", 1, "local _ = far:tan()", "far.tan()" },
  { "nextafter, 256 K", 1, "local _ = x:nextafter(large)", "x.nextafter(large)" },
})

for _, kind in ipairs { "subnormal", "NaN", "infinite", "mixed" } do
  local make = { subnormal = "1e-40 + 0 * x", NaN = "x * nan", infinite = "x * inf", mixed = "mixed" }
  local lua = make[kind]:gsub("nan", "(0/0)"):gsub("inf", "math.huge")
  local python = make[kind]:gsub("nan", "float('nan')"):gsub("inf", "float('inf')")
  group({
    setup = "local x = cr.randn(1 << 18) local mixed = (x * 60):exp() local h = " .. lua,
    peer_setup = "x = torch.randn(1 << 18); mixed = (x * 60).exp()\nh = " .. python,
  }, {
    { "exp, " .. kind .. " x, 256 K", 1, "local _ = h:exp()", "h.exp()" },
    { "log, " .. kind .. " x, 256 K", 1, "local _ = h:log()", "h.log()" },
    { "tanh, " .. kind .. " x, 256 K", 1, "local _ = h:tanh()", "h.tanh()" },
    { "mul, " .. kind .. " x, 256 K", 1, "local _ = h * x", "h * x" },
    { "sum, " .. kind .. " x, 256 K", 1, "local _ = h:sum()", "h.sum()" },
  })
end

group({
  setup = "local e, x = cr.ones(1 << 20), cr.randn(1 << 20)",
  peer_setup = "e, x = torch.ones(1 << 20), torch.randn(1 << 20)",
}, {
  { "sort of equal values, 1 M", 1, "local _ = e:sort()", "e.sort()" },
  { "sort, 1 M", 1, "local _ = x:sort()", "x.sort()" },
  { "median of equal values, 1 M", 1, "local _ = e:median()", "e.median()" },
  { "median, 1 M", 1, "local _ = x:median()", "x.median()" },
  { "unique of equal values, 1 M", 1, "local _ = e:unique()", "e.unique()" },
  { "unique, 1 M", 1, "local _ = x:unique()", "x.unique()" },
})

-- ---- Narrow dtypes --------------------------------------------------------------------------------------

group({
  setup = [[
    local u, v = cr.randint(0, 256, { 1 << 20 }):to "uint8", cr.randint(0, 256, { 1 << 20 }):to "uint8"
    local i, j = u:to "int8", v:to "int8"
    local b, c = u:gt(100), v:gt(100)
    local f = cr.randn(1 << 20)]],
  peer_setup = [[
u, v = torch.randint(0, 256, (1 << 20,)).to(torch.uint8), torch.randint(0, 256, (1 << 20,)).to(torch.uint8)
i, j = u.to(torch.int8), v.to(torch.int8)
b, c = u.gt(100), v.gt(100)
f = torch.randn(1 << 20)]],
}, {
  { "uint8 logical_not, 1 M", 1, "local _ = u:logical_not()", "u.logical_not()" },
  { "bool logical_not, 1 M", 1, "local _ = b:logical_not()", "b.logical_not()" },
  { "bool logical_and, 1 M", 1, "local _ = b:logical_and(c)", "b.logical_and(c)" },
  { "bool logical_or, 1 M", 1, "local _ = b:logical_or(c)", "b.logical_or(c)" },
  { "bool logical_xor, 1 M", 1, "local _ = b:logical_xor(c)", "b.logical_xor(c)" },
  { "bool and, 1 M", 1, "local _ = b & c", "b & c" },
  { "uint8 lt, 1 M", 1, "local _ = u:lt(v)", "u < v" },
  { "uint8 lt number, 1 M", 1, "local _ = u:lt(7)", "u < 7" },
  { "bool eq, 1 M", 1, "local _ = b:eq(c)", "b == c" },
  { "int8 eq, 1 M", 1, "local _ = i:eq(j)", "i == j" },
  { "uint8 add, 1 M", 1, "local _ = u + v", "u + v" },
  { "uint8 mul, 1 M", 1, "local _ = u * v", "u * v" },
  { "uint8 max, 1 M", 1, "local _ = u:maximum(v)", "torch.maximum(u, v)" },
  { "uint8 bit and, 1 M", 1, "local _ = u & v", "u & v" },
  { "uint8 to float32, 1 M", 1, "local _ = u:to 'float32'", "u.to(torch.float32)" },
  { "float32 to uint8, 1 M", 1, "local _ = f:to 'uint8'", "f.to(torch.uint8)" },
  { "uint8 to bool, 1 M", 1, "local _ = u:to 'bool'", "u.to(torch.bool)" },
  { "bool to float32, 1 M", 1, "local _ = b:to 'float32'", "b.to(torch.float32)" },
  { "float32 to bool, 1 M", 1, "local _ = f:to 'bool'", "f.to(torch.bool)" },
  { "uint8 to int64, 1 M", 1, "local _ = u:to 'int64'", "u.to(torch.int64)" },
  { "float32 gt number, 1 M", 1, "local _ = f:gt(0)", "f > 0" },
})

for _, dtype in ipairs { "float16", "bfloat16" } do
  group({
    setup = ("local x, y = cr.randn(1 << 20):to '%s', cr.rand(1 << 20):to '%s' + 1"):format(dtype, dtype),
    peer_setup = ("x, y = torch.randn(1 << 20).to(torch.%s), torch.rand(1 << 20).to(torch.%s) + 1")
      :format(dtype, dtype),
  }, {
    { dtype .. " add, 1 M", 1, "local _ = x + y", "x + y" },
    { dtype .. " mul, 1 M", 1, "local _ = x * y", "x * y" },
    { dtype .. " div, 1 M", 1, "local _ = x / y", "x / y" },
    { dtype .. " div by a number, 1 M", 1, "local _ = x / 3", "x / 3" },
    { dtype .. " lt, 1 M", 1, "local _ = x:lt(y)", "x < y" },
    { dtype .. " exp, 1 M", 1, "local _ = x:exp()", "x.exp()" },
    { dtype .. " to float32, 1 M", 1, "local _ = x:to 'float32'", "x.to(torch.float32)" },
    { "float32 to " .. dtype .. ", 1 M", 1, "local _ = f:to '" .. dtype .. "'", "f.to(torch." .. dtype .. ")",
      setup = "local f = cr.randn(1 << 20)", peer_setup = "f = torch.randn(1 << 20)" },
  })
end

-- ---- Truth ------------------------------------------------------------------------------------------------

for _, dtype in ipairs { "uint8", "bool" } do
  group({
    setup = ("local t, f = cr.ones({ 2048, 2048 }, { dtype = '%s' }), cr.zeros({ 2048, 2048 }, { dtype = '%s' })")
      :format(dtype, dtype),
    peer_setup = ("t, f = torch.ones(2048, 2048, dtype=torch.%s), torch.zeros(2048, 2048, dtype=torch.%s)")
      :format(dtype, dtype),
  }, {
    { "any, " .. dtype .. ", 4 M", 1, "local _ = f:any()", "f.any()" },
    { "all, " .. dtype .. ", 4 M", 1, "local _ = t:all()", "t.all()" },
    { "any over the first dim, " .. dtype .. ", 4 M", 1, "local _ = f:any(1)", "f.any(0)" },
    { "any over the last dim, " .. dtype .. ", 4 M", 1, "local _ = f:any(2)", "f.any(1)" },
    { "all over the first dim, " .. dtype .. ", 4 M", 1, "local _ = t:all(1)", "t.all(0)" },
    { "all over the last dim, " .. dtype .. ", 4 M", 1, "local _ = t:all(2)", "t.all(1)" },
    { "any at once, " .. dtype .. ", 4 M", 1, "local _ = t:any()", "t.any()" },
  })
end

-- ---- Single calls -----------------------------------------------------------------------------------------

group({
  setup = [[
    local x, rows = cr.randn(1 << 22), cr.randn(40, 100000)
    local c, r = cr.rand(2000, 1) + 0.5, cr.rand(1, 2000)
    local p, q = cr.randn(2000), cr.randn(2000)
    local s = cr.randn(1009, 1013)]],
  peer_setup = [[
x, rows = torch.randn(1 << 22), torch.randn(40, 100000)
c, r = torch.rand(2000, 1) + 0.5, torch.rand(1, 2000)
p, q = torch.randn(2000), torch.randn(2000)
s = torch.randn(1009, 1013)]],
}, {
  { "linspace, 1 M", 1, "local _ = cr.linspace(0, 1, 1000000)", "torch.linspace(0, 1, 1000000)" },
  { "arange, 1 M", 1, "local _ = cr.arange(0, 1000000)", "torch.arange(0, 1000000)" },
  { "argmax of rows of 100 K", 1, "local _ = rows:argmax(2)", "rows.argmax(1)" },
  { "argmax of all, 4 M", 1, "local _ = x:argmax()", "x.argmax()" },
  { "argmin of all, 4 M", 1, "local _ = x:argmin()", "x.argmin()" },
  { "sort, 4 M", 1, "local _ = x:sort()", "x.sort()" },
  { "randperm 100", 1, "local _ = cr.randperm(100)", "torch.randperm(100)" },
  { "eye 1000", 1, "local _ = cr.eye(1000)", "torch.eye(1000)" },
  { "(2000,1) ^ (1,2000)", 1, "local _ = c ^ r", "c ** r" },
  { "outer, 2000 x 2000", 1, "local _ = p:outer(q)", "torch.outer(p, q)" },
  { "(2000,1) * (1,2000)", 1, "local _ = c * r", "c * r" },
  { "add of (1009, 1013)", 1, "local _ = s + s", "s + s" },
})
