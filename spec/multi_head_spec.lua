-- multi_head_spec.lua: attention of several heads with its projections: what recorded answers do not say, and refusals.

local cr = require "cresset"
local values = require "spec.support.values"

local WIDTH, HEADS = 4, 2

local function made(...) return cr.randn({ ... }, { dtype = "float64", device = values.device }) end

local q, k, w, b, out, out_bias

local function forward(query, key, value, options)
  return cr.multi_head_attention_forward(query, key, value, WIDTH, HEADS, w, b, nil, nil, false, 0.0, out, out_bias,
    options)
end

local function near(got, want)
  assert.same(want.shape, got.shape)
  assert.is_true((got - want):abs():max():item() < 1e-12)
end

before_each(function()
  cr.manual_seed(3)
  q, k = made(3, 2, WIDTH), made(5, 2, WIDTH)
  w, b, out, out_bias = made(3 * WIDTH, WIDTH), made(3 * WIDTH), made(WIDTH, WIDTH), made(WIDTH)
end)

describe("multi_head_attention_forward", function()
  it("gives the same with weights and without", function()
    local with, weights = forward(q, k, k)
    local without, none = forward(q, k, k, { need_weights = false })
    near(without, with)
    assert.same({ 2, 3, 5 }, { table.unpack(weights.shape) })
    assert.is_nil(none)
    near(weights:sum(-1), cr.ones_like(weights:sum(-1)))
  end)

  it("gives the weights of each head, of which it else gives the mean", function()
    local _, mean = forward(q, k, k)
    local _, each = forward(q, k, k, { average_attn_weights = false })
    assert.same({ 2, HEADS, 3, 5 }, { table.unpack(each.shape) })
    near(each:mean(2), mean)
  end)

  it("takes a sequence without a batch", function()
    local whole, weights = forward(q, k, k)
    local one, of_one = forward(q:select(2, 1), k:select(2, 1), k:select(2, 1))
    near(one, whole:select(2, 1))
    near(of_one, weights[1])
  end)

  it("projects one tensor as it projects three that are alike", function()
    near((forward(q, q, q)), (forward(q, q:clone(), q:clone())))
  end)

  it("takes options by name that could stand in their place", function()
    local mask = cr.zeros({ 3, 5 }, { dtype = "bool", device = values.device })
    mask[{ {}, 1 }] = true
    local named = cr.multi_head_attention_forward(q, k, k, { embed_dim_to_check = WIDTH, num_heads = HEADS,
      in_proj_weight = w, in_proj_bias = b, out_proj_weight = out, out_proj_bias = out_bias, attn_mask = mask })
    near(named, (forward(q, k, k, { attn_mask = mask })))
  end)

  it("drops in training only, the same from the same seed", function()
    local function run(options)
      cr.manual_seed(5)
      local y = cr.multi_head_attention_forward(q, k, k, WIDTH, HEADS, w, b, nil, nil, false, 0.5, out, out_bias,
        options)
      return y
    end
    local all = forward(q, k, k)
    near(run { training = false }, all)
    near(run { need_weights = false }, run {})
    assert.is_true((run {} - all):abs():max():item() > 1e-3)
  end)
end)

describe("multi_head_attention_forward refuses", function()
  local function refuses(what, call)
    local ok, message = pcall(call)
    assert.is_false(ok)
    assert.truthy(tostring(message):find("multi_head_attention_forward: ", 1, true), tostring(message))
    assert.truthy(tostring(message):find(what, 1, true), tostring(message))
  end

  local function with(name, value)
    local a = { query = q, key = k, value = k, embed_dim_to_check = WIDTH, num_heads = HEADS, in_proj_weight = w,
      in_proj_bias = b, out_proj_weight = out, out_proj_bias = out_bias }
    a[name] = value
    return function() return cr.multi_head_attention_forward(a) end
  end

  it("what is missing, unknown or of another type", function()
    refuses("query is missing", function() cr.multi_head_attention_forward() end)
    refuses("out_proj_weight is missing", function() cr.multi_head_attention_forward(q, k, k, WIDTH, HEADS, w, b) end)
    refuses("in_proj_weight is missing", function()
      cr.multi_head_attention_forward(q, k, k, WIDTH, HEADS, nil, b, nil, nil, false, 0.0, out)
    end)
    refuses("query must be a tensor, got a number", with("query", 3))
    refuses("num_heads must be a number, got a string", with("num_heads", "2"))
    refuses("training must be a boolean, got a number", with("training", 1))
    refuses("there is no argument 'masks'", with("masks", 1))
    refuses("query is given twice", function() cr.multi_head_attention_forward(q, { query = q }) end)
  end)

  it("sizes that do not go together", function()
    refuses("query must have 3 dims", with("query", made(2, 3, 4, 4)))
    refuses("key must have 3 dims like query", with("key", made(5, 4)))
    refuses("value must have 3 dims like query", with("value", made(5, 4)))
    refuses("key and value must have as many elements", with("value", made(6, 2, 4)))
    refuses("num_heads = 3 does not divide", with("num_heads", 3))
    refuses("num_heads must be an integer of 1 or more", with("num_heads", 0))
    refuses("embed_dim_to_check says, 5, got 4", with("embed_dim_to_check", 5))
    refuses("in_proj_weight must have shape {12, 4}", with("in_proj_weight", made(12, 5)))
    refuses("in_proj_bias must have shape {12}", with("in_proj_bias", made(11)))
    refuses("out_proj_weight must have shape {4, 4}", with("out_proj_weight", made(4, 5)))
    refuses("out_proj_bias must have shape {4}", with("out_proj_bias", made(5)))
    refuses("bias_k and bias_v come together", with("bias_k", made(1, 1, 4)))
    refuses("dropout_p is a probability", with("dropout_p", 1.5))
    refuses("use_separate_proj_weight needs q_proj_weight", with("use_separate_proj_weight", true))
    refuses("static_k must have shape {4, 5, 2}", with("static_k", made(3, 5, 2)))
    refuses("static_v must have 3 dims", with("static_v", made(5, 2)))
  end)

  it("masks of other shapes or dtypes", function()
    refuses("attn_mask must have shape {3, 5}", with("attn_mask", made(3, 4)))
    refuses("attn_mask must have shape {4, 3, 5}", with("attn_mask", made(3, 3, 5)))
    refuses("attn_mask must have 2 or 3 dims", with("attn_mask", made(5)))
    refuses("attn_mask must be bool or floating, got int64", with("attn_mask", made(3, 5):long()))
    refuses("key_padding_mask must have shape {2, 5}", with("key_padding_mask", made(2, 4)))
    refuses("key_padding_mask must have 2 dims", with("key_padding_mask", made(5)))
    refuses("key_padding_mask must be bool or floating, got int64", with("key_padding_mask", made(2, 5):long()))
    refuses("is_causal is a hint about attn_mask", with("is_causal", true))
  end)
end)
