-- attention.lua: attention in tiles, which never stores a score for longer than a tile of them is needed.
--
-- Holds true: float16 and bfloat16 are computed in float32. What is dropped is told by counters: element i of the
-- shares, batch x heads x rows x keys in row-major order, takes the number that `dropout` would draw for it.

-- query: batch x heads x L x D; key and value: batch x heads, or a divisor of them, x S x D or V; mask: batch x heads x
-- L x S. lines has two numbers for each row: its largest score, and 1 over the sum of exponentials measured from it.
kernel [[attention(out, lines, query, key, value, mask?; rng: rng, scale: float, dropout: float, causal: bool)]]
kernel [[attention_backward(for_query?, for_key?, for_value?, for_mask?, grad, query, key, value, mask?, out, lines;
  rng: rng, scale: float, dropout: float, causal: bool)]]

local function four(s, ...)
  local list = {}
  for i, sizes in ipairs { ... } do list[i] = s.t(sizes, -1, 1) end
  return table.unpack(list)
end

op([[scaled_dot_product_attention(query: tensor, key: tensor, value: tensor, attn_mask: tensor?, dropout_p: float = 0.0,
    is_causal: bool = false, scale: float?, enable_gqa: bool = false)]]) {
  autocast = "lower",
  doc = [[softmax(scale query key^T) value, with scale 1 / sqrt(the last size of query) where none is given. query ends
    in L x D, key in S x D, value in S x V, the result in L x V; the dims before these broadcast. A bool mask, which
    broadcasts to ... x L x S, tells what takes part, a float mask is added before softmax; is_causal lets row i see the
    first i columns. A row that may see nothing gives 0, and its gradient is 0. Then each share is 0 with probability
    dropout_p, and the others are over 1 - dropout_p. enable_gqa: key and value have fewer heads (dim -3), each for the
    same number of heads of query. Memory is linear in L and S. Of float16 and bfloat16 all is computed in float32.]],
  run = "scaled_dot_product_attention", composite = true, method = false,
  samples = function(s)
    local q, k, v = four(s, { 2, 3, 4 }, { 2, 5, 4 }, { 2, 5, 2 })
    local many, few, fewer = four(s, { 1, 4, 3, 2 }, { 1, 2, 3, 2 }, { 1, 2, 3, 3 })
    return { { q, k, v }, { q, k, v, s.t({ 3, 5 }) }, { q, k, v, s.none, 0.0, true, 0.5 },
      { many, few, fewer, s.none, 0.0, false, s.none, true } }
  end,
}

local about = "scale: float, is_causal: bool, dropout_p: float, seed: int, offset: int"

op("attention(query: tensor, key: tensor, value: tensor, attn_mask: tensor?, " .. about .. ") -> out, lines") {
  doc = [[scaled_dot_product_attention of tensors of four dims, with fewer heads of key and value; seed and offset:
    where its random numbers begin. lines: batch x heads x 2 x L, of the dtype that is computed in.]],
  hidden = true, lua = "scaled_dot_product_attention", run = "attention",
  grad = { "query", "key", "value", "attn_mask", joint = function(g, v)
    return ops.attention_backward(g, v.query, v.key, v.value, v.attn_mask, v.out, v.lines, v.scale, v.is_causal,
      v.dropout_p, v.seed, v.offset, v.needs.query, v.needs.key, v.needs.value, v.needs.attn_mask)
  end },
  samples = function(s)
    local q, k, v = four(s, { 1, 2, 3, 4 }, { 1, 1, 5, 4 }, { 1, 1, 5, 2 })
    return { { q, k, v, s.none, 0.5, false, 0.0, 0, 0 }, { q, k, v, s.t({ 1, 2, 3, 5 }), 0.5, false, 0.25, 7, 3 } }
  end,
}

local backward = [[(self: tensor, query: tensor, key: tensor, value: tensor, attn_mask: tensor?, result: tensor,
    lines: tensor, ]] .. about .. [[, for_query: bool, for_key: bool, for_value: bool, for_mask: bool)
    -> of_query, of_key, of_value, of_mask]]
local function backward_samples(s)
  local g, q, k, v = four(s, { 1, 2, 3, 2 }, { 1, 2, 3, 4 }, { 1, 2, 5, 4 }, { 1, 2, 5, 2 })
  return { { g, q, k, v, s.none, s.t({ 1, 2, 3, 2 }), s.t({ 1, 2, 2, 3 }, 0.5, 1), 0.5, false, 0.0, 0, 0, true, true,
    true, false } }
end

op("attention_backward" .. backward) {
  doc = [[The gradients of attention for its tensors, of self, the one of its first result; those that are not asked for
    are empty.]],
  hidden = true, lua = "scaled_dot_product_attention", run = "attention_backward", composite = true,
  samples = backward_samples,
}

op("attention_tiles_backward" .. backward) {
  doc = "attention_backward by one kernel, which leaves no trace for derivatives.",
  hidden = true, lua = "scaled_dot_product_attention", run = "attention_tiles_backward", nondiff = true,
  samples = backward_samples,
}

op "attention_kept(self: tensor, dropout_p: float, seed: int, offset: int)" {
  doc = "In the likeness of shares, 0 where attention drops one, and what it multiplies the others by.",
  hidden = true, lua = "scaled_dot_product_attention", run = "attention_kept", nondiff = true,
  samples = function(s) return { { s.t({ 1, 1, 2, 3 }), 0.25, 7, 3 } } end,
}
