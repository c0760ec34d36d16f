-- family_errors_spec.lua: bad arguments of pieces, statistics, histograms and their kin, and what each is told.

local cr = require "cresset"

local cases = {
  { "x:tensor_split(0)", "tensor_split: sections must be at least 1, got 0" },
  { "x:tensor_split(2000)", "tensor_split: a call returns at most 1024 pieces, not 2000" },
  { "x:tensor_split({ 0 })", "tensor_split: position 0 is none: positions count from 1 (or from -1, the last)" },
  { "x:tensor_split(2, 3)", "tensor_split: dim 3 is out of range for a tensor of 2 dims" },
  { "cr.tensor(1.0):tensor_split(2)", "tensor_split: needs at least 1 dim, got a tensor of shape 0-dim" },
  { "x:hsplit(2)", "hsplit: dim 2 of size 3 does not fall into 2 equal pieces" },
  { "v:vsplit(1)", "vsplit: needs at least 2 dims, got a tensor of shape 3" },
  { "x:dsplit({ 2 })", "dsplit: needs at least 3 dims, got a tensor of shape 2x3" },
  { "cr.atleast_2d { x, 5 }", "atleast_2d: tensors[2] must be a tensor, got the number 5" },
  { "cr.dstack {}", "dstack: needs at least one tensor" },
  { "cr.column_stack { v, x, v }",
    "column_stack: shapes 3x1 and 2x3 (tensor 2) differ in more than dim 2, along which they are joined" },
  { "cr.block_diag { x, cr.zeros(1, 1, 1) }", "block_diag: a block has at most 2 dims, got shape 1x1x1 (tensor 2)" },
  { "cr.block_diag {}", "block_diag: needs at least one tensor" },
  { "cr.cartesian_prod { v, x }", "cartesian_prod: takes vectors, got shape 2x3 (tensor 2)" },
  { "x:combinations()", "combinations: takes a vector, got shape 2x3" },
  { "v:combinations(-1)", "combinations: r must not be negative, got -1" },
  { "cr.tensor(1.0):diag_embed()", "diag_embed: a 0-dim tensor has no last dim" },
  { "x:diag_embed(0, 1, -3)", "diag_embed: needs two different dims, got dim 1 twice" },
  { "x:diag_embed(0, 1, 4)", "diag_embed: dim2 4 is out of range for a tensor of 3 dims" },
  { "x:select_scatter(v, 1, 3)",
    "select_scatter: position 3 is out of range for dim 1 of size 2 (positions count from 1; negative ones from "
      .. "the end)" },
  { "x:select_scatter(v, 2, 1)", "select_scatter: src must have the shape 2 of the part, got 3" },
  { "x:slice_scatter(x, 1, 1, 1)", "slice_scatter: src must have the shape 1x3 of the part, got 2x3" },
  { "x:diagonal_scatter(v)", "diagonal_scatter: src must have the shape 2 of the part, got 3" },
  { "v:as_strided_scatter(v, { 3 }, { 0 })",
    "as_strided_scatter: elements of what as_strided shows share memory with one another" },
  { "v:as_strided_scatter(v, { 4 }, { 1 })",
    "as_strided_scatter: shape 4 with these strides needs elements up to offset 3 (from 0), but the memory has 3" },
  { "cr.tril_indices(-1, 2)", "tril_indices: a matrix has no negative sizes, got -1 rows and 2 columns" },
  { "v:fliplr()", "fliplr: needs at least 2 dims, got shape 3" },
  { "v:rot90()", "rot90: needs at least 2 dims, got shape 3" },
  { "x:rot90(1, { 1 })", "rot90: a plane has 2 dims, got 1" },
  { "x:rot90(1, { 1, -2 })", "rot90: dim 1 is named twice" },
  { "x:unfold(2, 4, 1)", "unfold: dim 2 of size 3 has no ranges of 4 positions" },
  { "x:unfold(2, 2, 0)", "unfold: step must be at least 1, got 0" },
  { "x:gcd(x)", "gcd: cannot compute in float32; it takes integers" },
  { "i:frexp()", "frexp: cannot compute in int64; it takes floats" },
  { "x:quantile(1.5)", "quantile: q must lie from 0 to 1, got 1.5" },
  { "x:quantile(-0.5)", "quantile: q must lie from 0 to 1, got -0.5" },
  { "i:quantile(0.5)", "quantile: takes floats, got int64" },
  { "x:quantile(cr.tensor({ 0.5 }, { dtype = 'float64' }))",
    "quantile: q must have the dtype float32 of self, got float64" },
  { "x:quantile(x)", "quantile: q must be a number or a vector, got shape 2x3" },
  { "cr.zeros(0):quantile(0.5)", "quantile: a tensor of shape 0 has no quantiles" },
  { "x:nanquantile(0.5, 3)", "nanquantile: dim 3 is out of range for a tensor of 2 dims" },
  { "x:quantile(0.5, 1, false, 'near')",
    'quantile: interpolation must be "linear", "lower", "higher", "midpoint" or "nearest", got "near"' },
  { "cr.zeros(2, 0):mode()", "mode: there is no element to choose along dim 2 of shape 2x0" },
  { "cr.zeros(0):nanmedian()", "nanmedian: there is no element to choose in a tensor of shape 0" },
  { "cr.cov(cr.zeros(1, 1, 1))", "cov: takes a vector or a matrix, got shape 1x1x1" },
  { "cr.cov(x, 1, v)", "cov: fweights must be integers, got float32" },
  { "cr.cov(x, 1, nil, i)", "cov: aweights must be floats, got int64" },
  { "cr.cov(x, 1, cr.tensor { 1, 2 })", "cov: fweights must have one number for each of 3 observations, got shape 2" },
  { "cr.cov(x, 1, cr.tensor { 1, -2, 3 })", "cov: fweights must not be negative, got -2" },
  { "cr.cov(x, 1, cr.tensor { 0, 0, 0 })", "cov: the weights add up to 0" },
  { "cr.corrcoef(cr.tensor { true })", "corrcoef: takes numbers, got bool" },
  { "x:trapezoid(cr.zeros(2))",
    "trapezoid: x of shape 2 does not have a point for each value along dim 2 of y, of shape 2x3" },
  { "cr.trapezoid(cr.tensor { true })", "trapezoid: y must be numbers, got bool" },
  { "x:cumulative_trapezoid { dim = 3 }", "cumulative_trapezoid: dim 3 is out of range for a tensor of 2 dims" },
  { "x:gradient(1, 2, 3)", "gradient: edge_order is 1 or 2, got 3" },
  { "x:gradient(1, 1, 2)", "gradient: needs at least 3 points along dim 1, got shape 2x3" },
  { "x:gradient({ v, v })",
    "gradient: spacing must have a place for each of 2 points, or one distance, got shape 3" },
  { "x:gradient({ v })", "gradient: got 1 tensors of spacing for 2 dims" },
  { "x:gradient(1, { 1, 1 })", "gradient: dim 1 is named twice" },
  { "cr.cdist(x, v)", "cdist: takes matrices with as many columns in both, got shapes 2x3 and 3" },
  { "cr.cdist(x, x, -1)", "cdist: p must not be negative, got -1" },
  { "cr.cdist(x, x:double())", "cdist: both must have one dtype, got float32 and float64" },
  { "cr.cdist(i, i)", "cdist: expected a float dtype, got int64; convert both" },
  { "v:pdist()", "pdist: takes a matrix, got shape 3" },
  { "x:renorm(0, 1, 1)", "renorm: p must be positive, got 0" },
  { "x:renorm(2, 1, -1)", "renorm: maxnorm must not be negative, got -1" },
  { "v:renorm(2, 1, 1)", "renorm: needs at least 2 dims, got 1" },
  { "x:bincount()", "bincount: takes a vector, got shape 2x3" },
  { "v:bincount()", "bincount: takes integers, got float32" },
  { "cr.tensor { 1, 0 }:bincount()", "bincount: the numbers that are counted are at least 1, got 0" },
  { "i:bincount(v, -1)", "bincount: minlength must not be negative, got -1" },
  { "i:bincount(x)", "bincount: weights must have a number for each of 3 elements, got shape 2x3" },
  { "i:histc()", "histc: takes floats, got int64" },
  { "x:histc(0)", "histc: there must be at least 1 bin, got 0" },
  { "x:histc(2, 3, 1)", "histc: needs finite ends with min <= max, got 3 and 1" },
  { "x:histogram(2, 0.0)", "histogram: min and max are given together, or not at all" },
  { "x:histogram(2, 0.0, 1.0, v)",
    "histogram: weight must have a number for each of 6 elements or points, got shape 3" },
  { "x:histogram(x)", "histogram: edges are vectors of at least 2 numbers, got shape 2x3" },
  { "i:histogram(3)", "histogram: takes floats, got int64" },
  { "x:histogram(v:double())", "histogram: the edges must have the dtype float32 of self, got float64" },
  { "v:histogramdd { 2 }",
    "histogramdd: needs at least 2 dims, the last one with the 1 to 16 numbers of a point, got shape 3" },
  { "x:histogramdd { 2, 3 }", "histogramdd: got bins for 2 dims, but points of 3 numbers" },
  { "x:histogramdd({ 2 }, v)", "histogramdd: range must have shape 3x2, two ends for each dim, got shape 3" },
  { "x:scatter_reduce(1, i, v, 'most')",
    'scatter_reduce: reduce must be "sum", "prod", "mean", "amax" or "amin", got "most"' },
  { "v:scatter_reduce(1, i, i, 'sum')", "scatter_reduce: src is int64 and self is float32; convert one of them" },
  { "v:scatter_reduce(1, i, cr.zeros(2), 'sum')",
    "scatter_reduce: src (shape 2) must have the dims of index (shape 3) and be no smaller" },
  { "v:scatter_reduce(1, i + 3, v, 'amax')",
    "scatter_reduce: position 4 is out of range for dim 1 of size 3 (positions count from 1; negative ones from "
      .. "the end)" },
  { "v:index_reduce(1, i, cr.zeros(2), 'prod')",
    "index_reduce: source (shape 2) must have the shape 3 of self, but for 3 positions along dim 1" },
  { "x:index_reduce(1, x:long(), x, 'prod')", "index_reduce: index must have 0 dims or 1, got shape 2x3" },
  { "v:put(i, cr.zeros(2))", "put: source (shape 2) must have as many elements as index (shape 3)" },
  { "v:put(i, i)", "put: source is int64 and self is float32; convert one of them" },
  { "cr.unravel_index(v, { 3 })", "unravel_index: indices must be integers, got float32" },
  { "cr.unravel_index(i, { 2 })", "unravel_index: position 3 is none of the 2 in shape 2 (they count from 1)" },
  { "cr.unravel_index(i - 1, { 3 })", "unravel_index: position 0 is none of the 3 in shape 3 (they count from 1)" },
  { "x:nonzero_static(-1)", "nonzero_static: size must not be negative, got -1" },
  { "x:sum_to_size(2)", "sum_to_size: shape 2 does not broadcast to shape 2x3 of self" },
  { "cr.empty_strided({ 2, 3 }, { 1 })", "empty_strided: got 2 sizes, but 1 strides" },
  { "cr.empty_strided({ 2 }, { -1 })", "empty_strided: stride -1 of dim 1 is negative" },
  { "cr.empty_permuted({ 2, 3 }, { 1 })", "empty_permuted: got 1 dims for a tensor of 2; each is to be named once" },
  { "cr.empty_permuted({ 2, 3 }, { 1, 1 })", "empty_permuted: dim 1 is named twice" },
  { "v:cauchy_(0.0, 0.0)", "cauchy_: sigma must be positive, got 0" },
  { "i:cauchy_()", "cauchy_: int64 cannot hold its fractions; use a floating dtype" },
  { "v:geometric_(1.0)", "geometric_: p must lie between 0 and 1, got 1" },
  { "cr.tensor { true }:geometric_(0.5)", "geometric_: bool cannot hold its numbers" },
  { "v:log_normal_(0.0, -1.0)", "log_normal_: std must be positive, got -1" },
}

local function live()
  collectgarbage()
  collectgarbage()
  return cr.memory.stats().objects
end

local function message_of(code)
  local world = setmetatable({ cr = cr, x = cr.tensor { { 1.0, 2, 3 }, { 4, 5, 6 } }, v = cr.tensor { 1.0, 2, 3 },
    i = cr.tensor { 1, 2, 3 } }, { __index = _G })
  local ok, message = pcall(assert(load("return " .. code, "=code", "t", world)))
  assert(not ok, code .. " raises no error")
  return (message:gsub("^code:1: ", ""):gsub("; usage: .*$", ""))
end

describe("bad arguments give one sentence, and leave nothing behind:", function()
  for _, case in ipairs(cases) do
    local code, wanted = table.unpack(case)
    it(code, function()
      local before = live()
      assert.equal(wanted, message_of(code))
      assert.equal(before, live())
    end)
  end
end)
