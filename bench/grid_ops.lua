-- grid_ops.lua: the operations of the grid, from the catalogue: what each call is in Lua and in Python.
--
-- Holds true: a public operation of one tensor, of two operands, or of a tensor and a dim is in the grid without a
-- line here, in each form that it has, if PyTorch has a function of its name; `calls` spells those of other
-- arguments, and `twins` other names. Left out are those that draw random numbers, change their arguments, or compute
-- nothing (views, and new tensors of one number).
--
-- An operation: name; ours, theirs: the calls, of matrices x, y (and of c, r: rows and columns, i: positions, m: a
-- mask, v: a row of x's dtype); second: it has a y; fold: it adds up elements; limit: of elements; positions: it
-- gives positions, which PyTorch counts from 0; finite: what it makes of NaN and infinities is anyone's; fits: of
-- numbers too large for an integer, too.

local cr = require "cresset"

local M = {}

local K, MB = 1 << 10, 1 << 20

local function set(text)
  local t = {}
  for word in text:gmatch "%S+" do t[word] = true end
  return t
end

local left_out = set [[alias detach view view_as reshape reshape_as ravel flatten unflatten permute transpose t movedim
  squeeze unsqueeze expand expand_as broadcast_to select slice narrow diagonal split chunk unbind as_strided swapaxes
  swapdims adjoint moveaxis mT clone_ positive contiguous to copy_ fill_ zero_ zeros_like ones_like empty_like new_zeros
  rand_like randn_like bernoulli dropout dropout_mask item matrix_trace diag one_hot nonzero argwhere unique_consecutive
  argsort multinomial where_positions broadcast_tensors meshgrid norm_named allclose equal is_complex
  is_floating_point numel dim requires_grad double float half bfloat16 int long short bool char byte cpu cuda
  vdot cross nll_loss dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout rrelu cauchy geometric
  log_normal]]

local twins = {
  matrix_power = "torch.linalg.matrix_power", vecdot = "torch.linalg.vecdot", concat = "torch.cat",
  normalize = "F.normalize", pairwise_distance = "F.pairwise_distance",
}

local folds = set [[sum nansum mean nanmean prod cumsum cumprod var std norm logsumexp dot mm matmul linear addmm bmm
  logcumsumexp outer inner vdot vecdot layer_norm rms_norm dist softmax log_softmax softmin normalize cosine_similarity
  pairwise_distance diff var_mean std_mean scatter_add index_add embedding l1_loss mse_loss smooth_l1_loss huber_loss
  binary_cross_entropy_with_logits binary_cross_entropy kl_div cross_entropy tensordot count_nonzero]]

-- Of a line with an infinity PyTorch's is NaN: a mean beside a variance, or what the ends are taken from.
local of_finite = set "var_mean std_mean trapezoid trapz"

local limits = {}
for name in pairs(set "sort argsort msort median nanmedian kthvalue topk unique cummax cummin logcumsumexp") do
  limits[name] = MB
end
for name in pairs(set "mm bmm matmul linear addmm inner tensordot") do limits[name] = 256 * K end
for name in pairs(set "lgamma digamma erfinv logcumsumexp") do limits[name] = 4 * MB end

-- name, ours, theirs, and what else holds.
local calls = {
  { "clamp", "x:clamp(-0.5, 0.5)", "x.clamp(-0.5, 0.5)" },
  { "where", "cr.where(m, x, y)", "torch.where(m, x, y)", second = true },
  { "masked_fill", "x:masked_fill(m, 2)", "x.masked_fill(m, 2)" },
  { "masked_select", "x:masked_select(m)", "x.masked_select(m)" },
  { "lerp", "x:lerp(y, 0.25)", "x.lerp(y, 0.25)", second = true },
  { "addcmul", "x:addcmul(y, y)", "x.addcmul(y, y)", second = true },
  { "addcdiv", "x:addcdiv(y, x)", "x.addcdiv(y, x)", second = true },
  { "add a number", "x + 3", "x + 3" },
  { "mul by a number", "x * 3", "x * 3" },
  { "pow by 2", "x:pow(2)", "x.pow(2)" },
  { "pow by 3", "x:pow(3)", "x.pow(3)" },
  { "add a row", "x + v", "x + v" },
  { "mul by a row", "x * v", "x * v" },
  { "gather 1", "x:gather(1, i)", "x.gather(0, i)" },
  { "gather 2", "x:gather(2, i)", "x.gather(1, i)" },
  { "index_select 1", "x:index_select(1, i:select(1, 1))", "x.index_select(0, i[0])" },
  { "index_select 2", "x:index_select(2, i:select(1, 1))", "x.index_select(1, i[0])" },
  { "scatter_add 1", "x:scatter_add(1, i, x)", "x.scatter_add(0, i, x)" },
  { "cat 1", "cr.cat({ x, y }, 1)", "torch.cat([x, y], 0)", second = true },
  { "cat 2", "cr.cat({ x, y }, 2)", "torch.cat([x, y], 1)", second = true },
  { "stack", "cr.stack({ x, y }, 1)", "torch.stack([x, y], 0)", second = true },
  { "flip 1", "x:flip(1)", "x.flip(0)" },
  { "flip 2", "x:flip(2)", "x.flip(1)" },
  { "roll", "x:roll(3, 2)", "x.roll(3, 1)" },
  { "contiguous of the transposed", "x:t():contiguous()", "x.t().contiguous()" },
  { "to float64", "x:to('float64')", "x.to(torch.float64)" },
  { "to int32", "x:to('int32')", "x.to(torch.int32)", finite = true, fits = true },
  { "to bfloat16", "x:to('bfloat16')", "x.to(torch.bfloat16)" },
  { "topk", "(x:topk(1))", "x.topk(1)[0]" },
  { "sort 2", "(x:sort(2))", "x.sort(1)[0]" },
  { "max along", "(x:max(2))", "x.max(1)[0]" },
  { "linear", "cr.linear(x, y, v)", "F.linear(x, y, v)", second = true },
  { "addmm", "x:addmm(x, y)", "x.addmm(x, y)", second = true },
  { "norm", "x:norm()", "torch.norm(x)" },
  { "norm 1", "x:norm(2, 1)", "torch.norm(x, 2, 0)" },
  { "norm 2", "x:norm(2, 2)", "torch.norm(x, 2, 1)" },
  { "logsumexp 1", "x:logsumexp(1)", "x.logsumexp(0)" },
  { "logsumexp 2", "x:logsumexp(2)", "x.logsumexp(1)" },
  { "dot", "x:reshape(-1):dot(y:reshape(-1))", "x.reshape(-1).dot(y.reshape(-1))", second = true },
  { "outer", "v:outer(v)", "v.outer(v)" },
  { "bmm", "x:unsqueeze(1):bmm(y:unsqueeze(1))", "x.unsqueeze(0).bmm(y.unsqueeze(0))", second = true },
  { "mv", "x:mv(v)", "x.mv(v)" },
  { "layer_norm", "cr.layer_norm(x, { c })", "F.layer_norm(x, (c,))" },
  { "x * y + x", "x * y + x", "x * y + x", second = true },
  { "aminmax", "x:aminmax()", "torch.aminmax(x)" },
  { "aminmax 1", "x:aminmax(1)", "torch.aminmax(x, dim=0)" },
  { "aminmax 2", "x:aminmax(2)", "torch.aminmax(x, dim=1)" },
  { "argmax 1", "x:argmax(1)", "x.argmax(0)", positions = true },
  { "argmax 2", "x:argmax(2)", "x.argmax(1)", positions = true },
  { "argmin 2", "x:argmin(2)", "x.argmin(1)", positions = true },
  { "nonzero", "x:nonzero()", "x.nonzero()", positions = true },
  { "clamp_min", "x:clamp_min(0.5)", "x.clamp_min(0.5)" },
  { "take", "x:take(i)", "x.take(i)" },
  { "embedding", "cr.embedding(x, i:select(1, 1))", "F.embedding(i[0], x)" },
  { "index", "x[i:select(1, 1)]", "x[i[0]]" },
  { "index_add 1", "x:index_add(1, i:select(1, 1), x)", "x.index_add(0, i[0], x)" },
  { "index_fill 2", "x:index_fill(2, i:select(1, 1), 3)", "x.index_fill(1, i[0], 3)" },
  { "tile", "x:tile({ 1, 2 })", "x.tile((1, 2))" },
  { "repeat_interleave", "x:repeat_interleave(2, 2)", "x.repeat_interleave(2, 1)" },
  { "bucketize", "x:bucketize((v:sort()))", "torch.bucketize(x, v.sort()[0])", positions = true },
  { "rms_norm", "cr.rms_norm(x, { c })", "F.rms_norm(x, (c,))" },
  { "cosine_similarity", "x:cosine_similarity(y, 2)", "F.cosine_similarity(x, y, 1)", second = true },
  { "cross_entropy", "cr.cross_entropy(x, i:select(1, 1))", "F.cross_entropy(x, i[0])" },
  { "addmv", "v:addmv(x, v)", "v.addmv(x, v)" },
  { "prelu", "x:prelu(v:slice(1, 1, 1))", "F.prelu(x, v[:1])" },
  { "pad", "cr.pad(x, { 1, 1 })", "F.pad(x, (1, 1))" },
  { "tril", "x:tril()", "x.tril()" },
  { "triu", "x:triu()", "x.triu()" },
}

-- The parameters that have no default, and "dim" or "dims" where the second one is.
local function shape_of(signature)
  local required, dim, place = {}, nil, 0
  for name, kind, rest in signature:gmatch "([%w_]+): ([%a\"]+)([^,)]*)" do
    if not rest:find "[?=]" then required[#required + 1] = { name = name, kind = kind } end
    place = place + 1
    if place == 2 and (kind == "dims" or kind == "dim") then dim = kind end
  end
  return required, dim
end

local numeric = set "tensor operand"
local second_names = set "other exponent end vec2 target mat"

-- The forms of an operation: { suffix, arguments in Lua, arguments in Python, second = }.
local function forms(op)
  local required, dim = shape_of(op.signature)
  local kinds = #required
  local first = required[1]
  if not first or not numeric[first.kind] then return {} end
  if kinds == 1 then
    if dim ~= "dims" then return { { "", "", "" } } end
    return { { "", "", "" }, { " 1", "1", "0" }, { " 2", "2", "1" } }
  elseif kinds == 2 and required[2].kind == "dim" then
    return { { " 1", "1", "0" }, { " 2", "2", "1" } }
  elseif kinds == 2 and numeric[required[2].kind] and second_names[required[2].name] then
    return { { "", "y", "y", second = true } }
  end
  return {}
end

local function new(name, base, ours, theirs, second)
  return { name = name, ours = ours, theirs = theirs, second = second, fold = folds[base], limit = limits[base],
    finite = of_finite[base] }
end

-- The Python name of a function, or nil: torch's, else torch.nn.functional's.
local function twin_of(name, peer)
  local known = twins[name]
  if known then return known end
  -- Losses of the first module have numbers for names of reductions, and no default.
  local modules = (name:find "loss" or name:find "entropy" or name == "kl_div") and { "F" } or { "torch", "F" }
  for _, module in ipairs(modules) do
    if peer:ask("value", ("hasattr(%s, %q)"):format(module, name)) == "True" then return module .. "." .. name end
  end
end

-- All operations of the grid, by name, and the names of those of the catalogue that are not in it.
function M.list(peer)
  peer:ask "setup"
  local list, seen, absent = {}, {}, {}
  for _, c in ipairs(calls) do
    list[#list + 1] = new(c[1], c[1]:match "^%S+", c[2], c[3], c.second)
    list[#list].positions, list[#list].finite = c.positions, c.finite or list[#list].finite
    list[#list].fits = c.fits
    seen[c[1]:match "^%S+"] = true
  end
  for _, op in ipairs(cr.operations()) do
    local name = op.lua
    if not op.hidden and not seen[name] and not op.inplace_only then
      local twin = not left_out[name] and #forms(op) > 0 and twin_of(name, peer)
      if twin then
        seen[name] = true
        for _, f in ipairs(forms(op)) do
          local arguments = f[2] ~= "" and ", " .. f[2] or ""
          local call = op.method and ("x:%s(%s)"):format(name, f[2]) or ("cr.%s(x%s)"):format(name, arguments)
          list[#list + 1] = new(name .. f[1], name, call, ("%s(x%s)"):format(twin, f[3] ~= "" and ", " .. f[3] or ""),
            f.second)
        end
      else
        absent[#absent + 1] = name
      end
    end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list, absent
end

return M
