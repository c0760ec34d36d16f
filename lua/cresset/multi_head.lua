-- multi_head.lua: attention of several heads, with the projections before and after it.
--
-- Holds true: sizes and masks are PyTorch's: sequence x batch x width, and true in a bool mask hides. Where weights are
-- asked for, all scores are kept; else those of a tile.

local cr = require "cresset"

local M = {}

local NAME = "multi_head_attention_forward"
local TENSOR, FLAG, NUMBER = "tensor", "boolean", "number"

-- The arguments in PyTorch's order: { name, what it is, whether it may be left out, what it is then }.
local positional = {
  { "query", TENSOR }, { "key", TENSOR }, { "value", TENSOR }, { "embed_dim_to_check", NUMBER },
  { "num_heads", NUMBER }, { "in_proj_weight", TENSOR, true }, { "in_proj_bias", TENSOR, true },
  { "bias_k", TENSOR, true }, { "bias_v", TENSOR, true }, { "add_zero_attn", FLAG, true, false },
  { "dropout_p", NUMBER, true, 0.0 }, { "out_proj_weight", TENSOR }, { "out_proj_bias", TENSOR, true },
  { "training", FLAG, true, true }, { "key_padding_mask", TENSOR, true }, { "need_weights", FLAG, true, true },
  { "attn_mask", TENSOR, true }, { "use_separate_proj_weight", FLAG, true, false },
  { "q_proj_weight", TENSOR, true }, { "k_proj_weight", TENSOR, true }, { "v_proj_weight", TENSOR, true },
  { "static_k", TENSOR, true }, { "static_v", TENSOR, true }, { "average_attn_weights", FLAG, true, true },
  { "is_causal", FLAG, true, false },
}
local known = {}
for _, p in ipairs(positional) do known[p[1]] = p end

local function fail(message, ...) cr.raise(NAME .. ": " .. message:format(...)) end

-- ---- Arguments ----

local function shape_text(x) return "{" .. table.concat(x.shape, ", ") .. "}" end

local function check(p, value)
  local name, kind = p[1], p[2]
  if value == nil then
    if not p[3] then fail("%s is missing; it must be a %s", name, kind) end
    return p[4]
  elseif kind == TENSOR then
    if not cr.is_tensor(value) then fail("%s must be a tensor, got a %s", name, type(value)) end
  elseif type(value) ~= kind then
    fail("%s must be a %s, got a %s", name, kind, type(value))
  end
  return value
end

-- The arguments by name: by position, and in a table of options at the end.
local function read(...)
  local given, a = table.pack(...), {}
  local last = given[given.n]
  if type(last) == "table" and not cr.is_tensor(last) then
    for name, value in next, last do
      if not known[name] then
        local quote = require("cresset.suggest").quote
        fail("there is no argument %s", type(name) == "string" and quote(name) or tostring(name))
      end
      a[name] = value
    end
    given[given.n] = nil
    given.n = given.n - 1
  end
  if given.n > #positional then fail("takes %d arguments at most, got %d", #positional, given.n) end
  for i = 1, given.n do
    local name = positional[i][1]
    if given[i] ~= nil and a[name] ~= nil then fail("%s is given twice", name) end
    if given[i] ~= nil then a[name] = given[i] end
  end
  for _, p in ipairs(positional) do a[p[1]] = check(p, a[p[1]]) end
  return a
end

local function need_shape(name, x, ...)
  local want, same = { ... }, x.ndim == select("#", ...)
  for d = 1, same and #want or 0 do same = same and x.shape[d] == want[d] end
  if not same then fail("%s must have shape {%s}, got %s", name, table.concat(want, ", "), shape_text(x)) end
end

local function need_mask(name, mask, like)
  if mask.dtype ~= "bool" and mask.dtype:sub(1, 5) ~= "float" and mask.dtype ~= "bfloat16" then
    fail("%s must be bool or floating, got %s", name, mask.dtype)
  end
  return mask.dtype == "bool" and cr.zeros_like(mask, { dtype = like.dtype }):masked_fill(mask, -math.huge) or mask
end

local function check_heads(a)
  local heads, width = a.num_heads, a.query.shape[a.query.ndim]
  if math.type(heads) ~= "integer" or heads < 1 then
    fail("num_heads must be an integer of 1 or more, got %s", tostring(heads))
  end
  if a.embed_dim_to_check ~= width then
    fail("query must have the last size that embed_dim_to_check says, %s, got %d", tostring(a.embed_dim_to_check),
      width)
  end
  if width % heads ~= 0 then fail("num_heads = %d does not divide the last size of query, %d", heads, width) end
  if not (a.dropout_p >= 0 and a.dropout_p <= 1) then
    fail("dropout_p is a probability, from 0 to 1; got %s", tostring(a.dropout_p))
  end
end

-- Whether there is a dim of batches; without one it is added to all that lack it.
local function batch(a)
  local q = a.query
  if q.ndim ~= 2 and q.ndim ~= 3 then
    fail("query must have 3 dims (sequence x batch x width), or 2 without a batch, got %s", shape_text(q))
  end
  for _, name in ipairs { "key", "value" } do
    if a[name].ndim ~= q.ndim then
      fail("%s must have %d dims like query, got %s", name, q.ndim, shape_text(a[name]))
    end
  end
  local mask, batched = a.key_padding_mask, q.ndim == 3
  if mask and mask.ndim ~= q.ndim - 1 then
    fail("key_padding_mask must have %d dims beside a query of %d, got %s", q.ndim - 1, q.ndim, shape_text(mask))
  end
  if not batched then
    for _, name in ipairs { "query", "key", "value" } do a[name] = a[name]:unsqueeze(2) end
    a.key_padding_mask = mask and mask:unsqueeze(1)
  end
  return batched
end

local function check_sources(a)
  local q, k, v = a.query.shape, a.key.shape, a.value.shape
  if k[1] ~= v[1] or k[2] ~= v[2] or (not a.use_separate_proj_weight and k[3] ~= v[3]) then
    fail("key and value must have as many elements and batches, got %s and %s", shape_text(a.key), shape_text(a.value))
  end
  if k[2] ~= q[2] then fail("key must have a batch of %d like query, got %d", q[2], k[2]) end
end

-- ---- Projections ----

local function bias_parts(a, width)
  local bias = a.in_proj_bias
  if not bias then return end
  need_shape("in_proj_bias", bias, 3 * width)
  return bias:chunk(3, 1)
end

local function project(a, width)
  local bq, bk, bv = bias_parts(a, width)
  local q, k, v = a.query, a.key, a.value
  if a.use_separate_proj_weight then
    for _, name in ipairs { "q_proj_weight", "k_proj_weight", "v_proj_weight" } do
      if not a[name] then fail("use_separate_proj_weight needs %s", name) end
    end
    need_shape("q_proj_weight", a.q_proj_weight, width, width)
    need_shape("k_proj_weight", a.k_proj_weight, width, k.shape[3])
    need_shape("v_proj_weight", a.v_proj_weight, width, v.shape[3])
    return cr.linear(q, a.q_proj_weight, bq), cr.linear(k, a.k_proj_weight, bk), cr.linear(v, a.v_proj_weight, bv)
  end
  local w = a.in_proj_weight
  if not w then fail("in_proj_weight is missing; without use_separate_proj_weight it is needed") end
  need_shape("in_proj_weight", w, 3 * width, width)
  if k.shape[3] ~= width then fail("key must have the last size of query, %d, got %d", width, k.shape[3]) end
  if rawequal(q, k) and rawequal(k, v) then -- one product for all three
    return cr.linear(q, w, a.in_proj_bias):chunk(3, -1)
  end
  local wq, wk, wv = w:chunk(3, 1)
  return cr.linear(q, wq, bq), cr.linear(k, wk, bk), cr.linear(v, wv, bv)
end

-- ---- Masks ----

-- Adds a column that all see to both masks.
local function widen(masks)
  for _, name in ipairs { "attention", "padding" } do
    if masks[name] then masks[name] = masks[name]:pad { 0, 1 } end
  end
end

-- The masks as what is added to scores, and whether the order of time alone hides.
local function read_masks(a, batches, rows, keys)
  local masks = { padding = a.key_padding_mask, causal = a.is_causal }
  if masks.padding then
    need_shape("key_padding_mask", masks.padding, batches, keys)
    masks.padding = need_mask("key_padding_mask", masks.padding, a.query)
  end
  if a.is_causal and not a.attn_mask then fail("is_causal is a hint about attn_mask, which is missing") end
  local mask = a.attn_mask
  if not mask then return masks end
  if mask.ndim == 2 then need_shape("attn_mask", mask, rows, keys)
  elseif mask.ndim == 3 then need_shape("attn_mask", mask, batches * a.num_heads, rows, keys)
  else fail("attn_mask must have 2 or 3 dims, got %s", shape_text(mask)) end
  if a.is_causal and not masks.padding and not a.need_weights then return masks end
  masks.causal = false
  mask = need_mask("attn_mask", mask, a.query)
  masks.attention = mask.ndim == 2 and mask:unsqueeze(1) or mask
  return masks
end

-- batch x heads x rows x keys, or something that broadcasts to it; nil: all is seen.
local function joined(masks, batches, heads)
  local padding, mask = masks.padding, masks.attention
  if mask and mask.shape[1] ~= 1 then mask = mask:reshape(batches, heads, mask.shape[2], mask.shape[3])
  elseif mask then mask = mask:unsqueeze(1) end
  if not padding then return mask end
  padding = padding:reshape(batches, 1, 1, padding.shape[2])
  return mask and mask + padding or padding
end

-- ---- Heads ----

-- sequence x batch x width as batch x heads x sequence x width of a head.
local function split(x, heads)
  local n = x.shape
  return x:reshape(n[1], n[2], heads, n[3] // heads):permute(2, 3, 1, 4)
end

local function static(a, name, batches, width)
  local x, heads = a[name], a.num_heads
  if x.ndim ~= 3 then fail("%s must have 3 dims, got %s", name, shape_text(x)) end
  need_shape(name, x, batches * heads, x.shape[2], width // heads)
  return x:reshape(batches, heads, x.shape[2], width // heads)
end

-- Adds what every query may look at beside the keys: biases before the heads are split, zeros after.
local function extend(a, k, v, masks)
  if (a.bias_k == nil) ~= (a.bias_v == nil) then fail("bias_k and bias_v come together, or not at all") end
  if not a.bias_k then return k, v end
  if a.static_k or a.static_v then fail("bias_k and bias_v do not go with static_k and static_v") end
  local batches, width = k.shape[2], k.shape[3]
  need_shape("bias_k", a.bias_k, 1, 1, width)
  need_shape("bias_v", a.bias_v, 1, 1, width)
  widen(masks)
  return cr.cat({ k, a.bias_k:expand(1, batches, width) }, 1), cr.cat({ v, a.bias_v:expand(1, batches, width) }, 1)
end

local function with_zeros(a, k, v, masks)
  if not a.add_zero_attn then return k, v end
  local n = k.shape
  local none = cr.zeros({ n[1], n[2], 1, n[4] }, { dtype = k.dtype, device = k.device })
  widen(masks)
  return cr.cat({ k, none }, 3), cr.cat({ v, none }, 3)
end

-- ---- The call ----

-- The heads' results, and their weights where all of these are asked for.
local function attend(a, q, k, v, masks)
  local mask = joined(masks, q.shape[1], q.shape[2])
  local dropout = a.training and a.dropout_p or 0.0
  if mask and mask.dtype ~= q.dtype then mask = mask:to(q.dtype) end
  if not a.need_weights then return cr.scaled_dot_product_attention(q, k, v, mask, dropout, masks.causal) end
  local scores = (q * math.sqrt(1 / q.shape[4])):matmul(k:transpose(3, 4))
  if mask then scores = scores + mask end
  local weights = scores:softmax(-1)
  if dropout > 0 then weights = cr.dropout(weights, dropout) end
  return weights:matmul(v), weights
end

--- PyTorch's function of this name: attention of num_heads heads over the projections of query, key and value (sequence
-- x batch x width, or without the batch), projected once more. Returns the result (sequence x batch x width), and with
-- need_weights the weights (batch x rows x keys, or with a dim of heads where they are not averaged), else nil.
-- Arguments come by position, and in a table of options at the end. Formula: Vaswani et al., "Attention is all you
-- need" (2017).
function M.forward(...)
  local a = read(...)
  local batched = batch(a)
  check_heads(a)
  check_sources(a)
  local rows, batches, width = a.query.shape[1], a.query.shape[2], a.query.shape[3]
  need_shape("out_proj_weight", a.out_proj_weight, width, width)
  if a.out_proj_bias then need_shape("out_proj_bias", a.out_proj_bias, width) end
  local static_keys = a.static_k and a.static_k.ndim == 3 and a.static_k.shape[2]
  local masks = read_masks(a, batches, rows, static_keys or a.key.shape[1])
  local q, k, v = project(a, width)
  k, v = extend(a, k, v, masks)
  q = split(q, a.num_heads)
  k = a.static_k and static(a, "static_k", batches, width) or split(k, a.num_heads)
  v = a.static_v and static(a, "static_v", batches, width) or split(v, a.num_heads)
  if k.shape[3] ~= v.shape[3] then
    fail("keys and values must be as many, got %d and %d", k.shape[3], v.shape[3])
  end
  k, v = with_zeros(a, k, v, masks)
  local y, weights = attend(a, q, k, v, masks)
  y = cr.linear(y:permute(3, 1, 2, 4):reshape(rows, batches, width), a.out_proj_weight, a.out_proj_bias)
  if weights and a.average_attn_weights then weights = weights:mean(2) end
  if batched then return y, weights end
  return y:squeeze(2), weights and weights:squeeze(1)
end

return M
