-- layer.lua: attention.
--
-- Holds true: float16 and bfloat16 are computed in float32.

op([[scaled_dot_product_attention(query: tensor, key: tensor, value: tensor, attn_mask: tensor?, dropout_p: float = 0.0,
    is_causal: bool = false, scale: float?)]]) {
  doc = [[softmax(scale query key^T) value, with scale 1 / sqrt(the last size of query) where none is given. A bool mask
    tells what takes part, a float mask is added before softmax; is_causal lets row i see the first i columns. A row
    that may see nothing gives 0, and its gradient is 0. Of float16 and bfloat16 all is computed in float32.]],
  run = "attention", composite = true, method = false,
  samples = function(s)
    local function three() return s.t({ 2, 3, 4 }), s.t({ 2, 5, 4 }), s.t({ 2, 5, 2 }) end
    local q, k, v = three()
    return { { q, k, v }, { q, k, v, s.t({ 3, 5 }) }, { q, k, v, s.none, 0.0, true, 0.5 } }
  end,
}
