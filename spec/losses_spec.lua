-- losses_spec.lua: losses over margins, classes and alignments, rows of tables, and layers that draw numbers.
--
-- What PyTorch gives is recorded (spec/oracle); here stands what it does not tell: sentences, tails, and what is
-- written or drawn.

local cr = require "cresset"
local values = require "spec.support.values"
local device = require "spec.support.device"
local is_values, leaf, plain = values.assert_values, values.leaf, values.plain

local where = { dtype = "float64", device = values.device }

local function ints(list) return values.tensor(list) end

-- What calls say that are refused: { call, sentence }. On the host, which tells at once.
local function refuses(cases)
  local x, y, t, table_of = cr.zeros(2, 3), cr.zeros(3), cr.tensor { 1, 2 }, cr.zeros(4, 3)
  for _, case in ipairs(cases) do
    local f = assert(load("local cr, x, y, t, w, ints = ...\nreturn " .. case[1]))
    local ok, message = pcall(f, cr, x, y, t, table_of, cr.tensor)
    assert(not ok, case[1] .. " went through")
    assert.equal(case[2], (message:gsub("^.-:%d+: ", ""):gsub("; usage:.*$", "")))
  end
end

describe("a loss refuses", function()
  it("margins and pairs that do not fit", function()
    refuses {
      { "cr.soft_margin_loss(t, t)", "soft_margin_loss: expected a float dtype, got int64; convert input first" },
      { "cr.soft_margin_loss(x, y, 'most')",
        'soft_margin_loss: reduction must be "none", "mean" or "sum", got "most"' },
      { "cr.hinge_embedding_loss(t, t)",
        "hinge_embedding_loss: expected input of a float dtype, got int64; convert it" },
      { "cr.margin_ranking_loss(x, x, y)",
        "margin_ranking_loss: input1 of shape 2x3 and target of shape 3 must have as many dims" },
      { "cr.margin_ranking_loss(t, x[1], y)",
        "margin_ranking_loss: expected input1 of a float dtype, got int64; convert it" },
      { "cr.cosine_embedding_loss(x, x, x)",
        "cosine_embedding_loss: expected inputs of shape NxD and a target of shape N, or D and a 0-dim one; "
          .. "got 2x3, 2x3 and 2x3" },
      { "cr.triplet_margin_loss(x, y, x)",
        "triplet_margin_loss: anchor of shape 2x3 and positive of shape 3 must have as many dims" },
      { "cr.triplet_margin_loss(x, x, x, 0)", "triplet_margin_loss: margin is 0; it must be positive" },
    }
  end)

  it("classes that are none, and targets and weights that do not fit", function()
    refuses {
      { "cr.multi_margin_loss(x, t, 3)", "multi_margin_loss: p is 3; it must be 1 or 2" },
      { "cr.multi_margin_loss(x:view(1, 2, 3), t)",
        "multi_margin_loss: expected an input of shape C or NxC, got 1x2x3" },
      { "cr.multi_margin_loss(x, y)",
        "multi_margin_loss: expected int64 class targets, got float32; target:long() makes them int64" },
      { "cr.multi_margin_loss(x, ints { 1 })",
        "multi_margin_loss: target of shape 1 does not fit input of shape 2x3; it has an element for each row" },
      { "cr.multi_margin_loss(x, ints { 1, 0 })",
        "multi_margin_loss: target 0 is out of range for 3 classes, which count from 1" },
      { "cr.multi_margin_loss(x, ints { 1, -1 })",
        "multi_margin_loss: target -1 is out of range for 3 classes, which count from 1" },
      { "cr.multi_margin_loss(x, t, 1, 1, cr.zeros(2))",
        "multi_margin_loss: weight of shape 2 must have one element for each of 3 classes" },
      { "cr.multilabel_margin_loss(x, t)",
        "multilabel_margin_loss: target of shape 2 does not fit input of shape 2x3; it has input's shape" },
      { "cr.multilabel_margin_loss(x, ints { { 1, 4, 0 }, { 1, 0, 9 } })",
        "multilabel_margin_loss: target 4 is out of range for 3 classes, which count from 1" },
      { "cr.multilabel_margin_loss(x, ints { { 1, -2, 0 }, { 1, 0, 9 } })",
        "multilabel_margin_loss: target -2 is out of range for 3 classes, which count from 1" },
      { "cr.multilabel_soft_margin_loss(x, y)",
        "multilabel_soft_margin_loss: input of shape 2x3 and target of shape 3 must have one shape" },
      { "cr.multilabel_soft_margin_loss(x, x, cr.zeros(2))",
        "multilabel_soft_margin_loss: weight of shape 2 does not broadcast to input's shape 2x3" },
      { "cr.cross_entropy(x, ints { 1, -1 })",
        "cross_entropy: target -1 is out of range for 3 classes, which count from 1" },
    }
  end)

  it("variances and products that do not fit", function()
    refuses {
      { "cr.gaussian_nll_loss(y, y, cr.tensor { 1, -0.5, 1 })",
        "gaussian_nll_loss: var holds -0.5; variances are not negative" },
      { "cr.gaussian_nll_loss(y, y, -1)", "gaussian_nll_loss: var is -1; it must not be negative" },
      { "cr.gaussian_nll_loss(x, x, cr.ones(3))",
        "gaussian_nll_loss: var of shape 3 does not fit input of shape 2x3; it has input's shape, without the last "
          .. "dim or with a size of 1 in one" },
      { "cr.linear_cross_entropy(x[1][1], w, t)",
        "linear_cross_entropy: expected an input of shape K or NxK, got 0-dim" },
      { "cr.linear_cross_entropy(x, cr.zeros(4, 2), t)",
        "linear_cross_entropy: input of shape 2x3 and linear_weight of shape 4x2 must have equal last sizes" },
      { "cr.linear_cross_entropy(x, w, t, y)",
        "linear_cross_entropy: linear_bias of shape 3 does not fit linear_weight of shape 4x3; it has its shape "
          .. "without the last dim" },
      { "cr.linear_cross_entropy(x, w, ints { 1, 5 })",
        "linear_cross_entropy: target 5 is out of range for 4 classes, which count from 1" },
      { "cr.linear_cross_entropy(x, w, t, nil, nil, 'mean', nil, 2)",
        "linear_cross_entropy: label_smoothing is 2; it must lie between 0 and 1" },
      { "cr.bilinear(x, y, cr.zeros(2, 3, 3))",
        "bilinear: input1 of shape 2x3 and input2 of shape 3 must be equal but for their last sizes" },
      { "cr.bilinear(x, x, cr.zeros(2, 3, 4))",
        "bilinear: weight of shape 2x3x4 does not fit inputs of shapes 2x3 and 2x3; its last sizes are theirs" },
    }
  end)

  it("alignments that do not fit", function()
    local call = "cr.ctc_loss(cr.zeros(4, 2, 3), %s)"
    refuses {
      { "cr.ctc_loss(y, t, t, t)",
        "ctc_loss: expected log_probs of shape steps x batch x classes or steps x classes, got 3" },
      { call:format "t, t, ints { 1, 1 }, 4", "ctc_loss: blank is 4; it must be one of 3 classes, which count from 1" },
      { call:format "t, t, ints { 1, 1 }, 0", "ctc_loss: blank is 0; it must be one of 3 classes, which count from 1" },
      { call:format "y, t, t", "ctc_loss: expected targets of an integer dtype, got float32" },
      { call:format "t, y, t", "ctc_loss: expected input_lengths of an integer dtype, got float32" },
      { call:format "t, ints { 1 }, t",
        "ctc_loss: input_lengths of shape 1 must have an element for each of 2 samples" },
      { call:format "t, ints { 5, 1 }, ints { 1, 1 }",
        "ctc_loss: input_lengths hold 5 for sample 1; they lie between 0 and 4, the steps of log_probs" },
      { call:format "t, t, ints { 1, -1 }",
        "ctc_loss: target_lengths hold -1 for sample 2; they lie between 0 and 2, the length of targets" },
      { call:format "t, t, ints { 1, 0 }", "ctc_loss: target_lengths add up to 1, but targets have 2 elements" },
      { call:format "ints { 1, 9 }, t, ints { 1, 1 }",
        "ctc_loss: target 9 is out of range for 3 classes, which count from 1" },
      { call:format "ints { { 1, 2, 3 } }, t, t",
        "ctc_loss: targets of shape 1x3 do not fit 2 samples; they have a row for each, or one dim for all of them" },
    }
  end)
end)

describe("rows of tables are refused", function()
  it("by positions, offsets and paddings that are none", function()
    refuses {
      { "cr.embedding(w, t, 5)",
        "embedding: padding_idx 5 is out of range for 4 rows, which count from 1 (negative ones from the end)" },
      { "cr.embedding(w, ints { 5 }, 1)",
        "embedding: position 5 is out of range for dim 1 of size 4 (positions count from 1; negative ones from "
          .. "the end)" },
      { "cr.embedding_bag(y, t, ints { 1 })",
        "embedding_bag: expected a weight of shape rows x features, got 3" },
      { "cr.embedding_bag(w, t)", "embedding_bag: an index of 1 dim needs offsets, where its bags begin" },
      { "cr.embedding_bag(w, ints { { 1 } }, t)",
        "embedding_bag: an index of 2 dims takes no offsets; its rows are the bags" },
      { "cr.embedding_bag(w, t, ints { 2 })", "embedding_bag: the first offset is 2; it must be 1" },
      { "cr.embedding_bag(w, t, ints { 1, 3, 2 })", "embedding_bag: offset 3 is 2; offsets rise, up to 3" },
      { "cr.embedding_bag(w, t, ints { 1, 4 })", "embedding_bag: offset 2 is 4; offsets rise, up to 3" },
      { "cr.embedding_bag(w, t, ints { 1 }, { mode = 'mean', per_sample_weights = cr.ones(2) })",
        'embedding_bag: per_sample_weights go with mode "sum" alone' },
      { "cr.embedding_bag(w, t, ints { 1 }, { mode = 'sum', per_sample_weights = cr.ones(3) })",
        "embedding_bag: per_sample_weights of shape 3 must have the shape of index, 2" },
      { "cr.embedding_bag(w, t, ints { 1 }, { mode = 'max', scale_grad_by_freq = true })",
        'embedding_bag: scale_grad_by_freq does not go with mode "max"' },
      { "cr.embedding_bag(w, ints { 1, 0 }, ints { 1 })",
        "embedding_bag: position 0 is out of range for dim 1 of size 4 (positions count from 1; negative ones from "
          .. "the end)" },
    }
  end)
end)

describe("a row of a table", function()
  it("that is too long is shortened in the table, and no other one", function()
    local w = leaf { { 3, 4 }, { 0.3, 0.4 }, { 30, 40 } }
    local rows = cr.embedding(w, ints { 1, 2, -3 }, { max_norm = 1 })
    is_values(rows, { { 0.6, 0.8 }, { 0.3, 0.4 }, { 0.6, 0.8 } }, 1e-6)
    is_values(w, { { 0.6, 0.8 }, { 0.3, 0.4 }, { 30, 40 } }, 1e-6)
    rows:sum():backward()
    is_values(w.grad, { { 2, 2 }, { 1, 1 }, { 0, 0 } })
  end)

  it("that was saved before it was shortened is known to have changed", function()
    local w = leaf { { 3, 4 } }
    local y = (w * w):sum()
    cr.embedding(w, ints { 1 }, { max_norm = 1 })
    assert.error_matches(function() y:backward() end, "modified")
  end)

  it("is not written to where a position is refused", function()
    local w = cr.tensor { { 3.0, 4.0 } }
    pcall(cr.embedding, w, cr.tensor { 1, 2 }, { max_norm = 1 })
    is_values(w, { { 3, 4 } })
  end)
end)

describe("a bag of rows", function()
  it("is the same whether it is recorded or not, for all that may be asked of it", function()
    cr.manual_seed(6)
    local w, index = cr.randn({ 5, 7 }, where), ints { 5, 1, -4, 2, 2, -1, 3, 1 }
    local offsets, factors = ints { 1, 4, 4, 6 }, cr.randn({ 8 }, where)
    for _, mode in ipairs { "sum", "mean", "max" } do
      for _, padding in ipairs { false, 2 } do
        for _, last in ipairs { false, true } do
          local options = { mode = mode, padding_idx = padding or nil, include_last_offset = last }
          if mode == "sum" then options.per_sample_weights = factors end
          local plainly = cr.embedding_bag(w, index, offsets, options)
          is_values(cr.embedding_bag(w:clone():requires_grad_(), index, offsets, options), plainly:totable(), 1e-14)
        end
      end
    end
  end)
end)

describe("connectionist temporal classification", function()
  it("adds up all alignments: 2-2, 1-2 and 2-1 of two steps for the target 2", function()
    local half = cr.full({ 2, 2 }, math.log(0.5), where)
    is_values(cr.ctc_loss(half, ints { 2 }, ints { 2 }, ints { 1 }, { reduction = "none" }), -math.log(3 / 4))
  end)

  it("needs a blank between equal classes", function()
    local third = cr.full({ 3, 3 }, math.log(1 / 3), where)
    local loss = cr.ctc_loss(third, ints { 2, 2 }, ints { 3 }, ints { 2 }, { reduction = "sum" })
    is_values(loss, 3 * math.log(3))
  end)

  it("has a gradient that is zero where the loss is and is not to be infinite", function()
    local x = leaf { { -1, -1 } }
    cr.ctc_loss(x, ints { 2, 2 }, ints { 1 }, ints { 2 }, { zero_infinity = true }):backward()
    is_values(x.grad, { { 0, 0 } })
  end)

  it("says that it has no second derivative", function()
    local x = leaf { { -1, -1 }, { -0.5, -2 } }
    local g = cr.grad(cr.ctc_loss(x, ints { 2 }, ints { 2 }, ints { 1 }), x, { create_graph = true })
    assert.error_matches(function() g:sum():backward() end,
      "ctc_loss: has no second derivative; its gradient cannot be differentiated")
  end)

  it("agrees with all alignments of a small case, one by one", function()
    local x = plain { { -0.5, -1.5, -2 }, { -2, -0.25, -1 }, { -1, -3, -0.125 } }
    local target, total = { 2, 3 }, 0
    for n = 0, 26 do
      local path = { n // 9 + 1, n // 3 % 3 + 1, n % 3 + 1 }
      local read, last = {}, nil
      for _, class in ipairs(path) do
        if class ~= last and class ~= 1 then read[#read + 1] = class end
        last = class
      end
      if #read == 2 and read[1] == target[1] and read[2] == target[2] then
        total = total + math.exp(x(1, path[1]):item() + x(2, path[2]):item() + x(3, path[3]):item())
      end
    end
    is_values(cr.ctc_loss(x, ints(target), ints { 3 }, ints { 2 }, { reduction = "sum" }), -math.log(total))
  end)
end)

describe("the gradient of a loss", function()
  -- A row of some scores, of whose other classes none is likely.
  local function row_of(scores, n)
    local row = {}
    for i = 1, n do row[i] = scores[i] or -2000 end
    return leaf { row }
  end

  it("of a class that is nearly certain has all its digits", function()
    for _, n in ipairs { 3, 70 } do
      for _, others in ipairs { 5, 40, 300, 700 } do
        local x = row_of({ others, 0, -1 }, n)
        cr.cross_entropy(x, ints { 1 }):backward()
        local rest = math.exp(-others) + math.exp(-1 - others)
        local g = values.flat(x.grad)
        assert(math.abs(g[1] / (-rest / (1 + rest)) - 1) < 1e-14, "the right class: " .. g[1])
        assert(math.abs(g[2] / (math.exp(-others) / (1 + rest)) - 1) < 1e-14, "another one: " .. g[2])
      end
    end
  end)

  it("of a probability that is nearly certain has its digits, too", function()
    for _, n in ipairs { 3, 70 } do
      local x, target = row_of({ 0, 40 }, n), cr.zeros({ 1, n }, where)
      target[{ 1, 2 }] = 1
      cr.cross_entropy(x, target):backward()
      local g = values.flat(x.grad)
      assert(math.abs(g[2] / (-math.exp(-40) / (1 + math.exp(-40))) - 1) < 1e-14, g[2])
    end
  end)

  it("of a margin does not overflow", function()
    local x = leaf { 800, -800, 40 }
    cr.soft_margin_loss(x, plain { 1, 1, 1 }, { reduction = "sum" }):backward()
    is_values(x.grad, { 0, -1, -math.exp(-40) })
  end)

  it("is the same whether it is recorded or not", function()
    cr.manual_seed(2)
    local scores, chances, w = cr.randn({ 3, 70 }, where) * 2, cr.rand({ 3, 70 }, where), cr.rand({ 70 }, where)
    for _, smoothing in ipairs { 0, 0.2 } do
      for _, reduction in ipairs { "none", "mean", "sum" } do
        for _, target in ipairs { ints { 2, 70, 1 }, chances } do
          local x = scores:clone():requires_grad_()
          local loss = cr.cross_entropy(x, target, w, { reduction = reduction, label_smoothing = smoothing }):sum()
          local plain_g = cr.grad(loss, x, { retain_graph = true })
          local recorded = cr.grad(loss, x, { create_graph = true })
          is_values(recorded, plain_g:totable(), 1e-12)
        end
      end
    end
  end)
end)

describe("linear_cross_entropy", function()
  local memory = cr.memory

  it("gives in slices what the product and cross_entropy give, in less memory than all scores take", function()
    cr.manual_seed(1)
    local rows, classes = 48, 1 << 20
    local x, w = cr.randn(rows, 2), cr.randn(classes, 2)
    local target = cr.randint(1, classes + 1, { rows })
    x.requires_grad, w.requires_grad = true, true
    collectgarbage()
    collectgarbage()
    memory.reset_peak()
    local before = memory.stats().allocated
    local loss = cr.linear_cross_entropy(x, w, target)
    local dx, dw = cr.grad(loss, { x, w })
    assert(memory.stats().peak - before < 4 * rows * classes, "scores were stored as a whole")
    local want = cr.cross_entropy(cr.linear(x, w), target)
    local wx, ww = cr.grad(want, { x, w })
    assert.is_true(loss:allclose(want, 1e-5) and dx:allclose(wx, 1e-4, 1e-6) and dw:allclose(ww, 1e-4, 1e-6))
  end)
end)

describe("triplet_margin_with_distance_loss", function()
  local a, b, c
  before_each(function() a, b, c = leaf { { 0, 0 } }, leaf { { 1, 2 } }, leaf { { 2, 0 } } end)

  it("takes any function of two tensors as the distance", function()
    local function manhattan(x, y) return (x - y):abs():sum(-1) end
    local loss = cr.triplet_margin_with_distance_loss(a, b, c, { distance_function = manhattan, reduction = "sum" })
    is_values(loss, 1 + 3 - 2)
    loss:backward()
    is_values(b.grad, { { 1, 1 } })
  end)

  it("is triplet_margin_loss without one", function()
    for _, swap in ipairs { false, true } do
      local got = cr.triplet_margin_with_distance_loss(a, b, c, { swap = swap, margin = 2 })
      is_values(got, cr.triplet_margin_loss(a, b, c, { swap = swap, margin = 2.0 }):item())
    end
  end)

  it("refuses options that it does not know, and what gives no tensor", function()
    local function fails(want, ...)
      local ok, message = pcall(cr.triplet_margin_with_distance_loss, ...)
      assert.is_false(ok)
      assert.equal("triplet_margin_with_distance_loss: " .. want, (message:gsub("^.-:%d+: ", "")))
    end
    fails("anchor must be a tensor, got a number", 1, b, c)
    fails("anchor of 2 dims and negative of 1 dims must have as many dims", a, b, c[1])
    fails("margin is 0; it must be positive", a, b, c, { margin = 0 })
    fails("there is no option 'marginn'; there are: distance_function, margin, swap, reduction", a, b, c,
      { marginn = 1 })
    fails('reduction must be "none", "mean" or "sum", got most', a, b, c, { reduction = "most" })
    fails("distance_function must be a function, got a number", a, b, c, { distance_function = 1 })
    fails("distance_function gave a number; it must give a tensor", a, b, c,
      { distance_function = function() return 1 end })
  end)
end)

describe("a layer that draws", function()
  it("zeroes whole channels, or leaves them whole", function()
    cr.manual_seed(3)
    local x = cr.ones(4, 5, 3, 2)
    local sums = values.flat(cr.dropout2d(x, 0.5):sum({ 3, 4 }))
    local seen = {}
    for _, sum in ipairs(sums) do seen[sum] = true end
    assert.same({ [0.0] = true, [12.0] = true }, seen)
    sums = values.flat(cr.dropout1d(cr.ones(5, 3), 0.5):sum(2))
    for _, sum in ipairs(sums) do assert(sum == 0 or sum == 6) end
  end)

  it("multiplies gradients by the slopes that it multiplied with", function()
    cr.manual_seed(4)
    local x = leaf { -1, -2, 3 }
    local y = x:rrelu(0.25, 0.75, true)
    y:sum():backward()
    is_values(x.grad, (y:detach() / x:detach()):totable())
  end)

  it("draws nothing when it is refused, and outside of training", function()
    cr.manual_seed(5)
    local state = cr.get_rng_state()
    pcall(cr.rrelu, cr.ones(3), 1.0, 0.5, true)
    pcall(cr.dropout1d, cr.ones(3), 0.5)
    pcall(cr.alpha_dropout, cr.ones(3), 2, true)
    cr.rrelu(cr.ones(3))
    cr.alpha_dropout(cr.ones(3))
    cr.dropout3d(cr.ones(2, 2, 2, 2), 0.5, false)
    assert.same(state, cr.get_rng_state())
  end)

  it("says what it takes", function()
    refuses {
      { "cr.dropout1d(y, 0.5)", "dropout1d: expected 2 or 3 dims, got a tensor of shape 3" },
      { "cr.dropout3d(x, 0.5)", "dropout3d: expected 4 or 5 dims, got a tensor of shape 2x3" },
      { "cr.dropout2d(cr.ones(1, 2, 3), 1.5)", "dropout2d: p is a probability, from 0 to 1; got 1.5" },
      { "cr.alpha_dropout(y, -1)", "alpha_dropout: p is a probability, from 0 to 1; got -1" },
      { "cr.feature_alpha_dropout(y)", "feature_alpha_dropout: expected at least 2 dims, got a tensor of shape 3" },
      { "cr.rrelu(y, 0.5, 0.25)", "rrelu: needs finite bounds with lower <= upper, got 0.5 and 0.25" },
      { "cr.rrelu(t)", "rrelu: int64 cannot hold its fractions; use a floating dtype" },
    }
  end)
end)

device.only(describe)("what a CUDA device finds wrong is told when it is waited for:", function()
  it("a class that is none", function()
    local bad = cr.tensor({ 1, 99 }, { device = "cuda" })
    for name, call in pairs {
      cross_entropy = function() return cr.cross_entropy(cr.zeros({ 2, 70 }, { device = "cuda" }), bad) end,
      multilabel_margin_loss = function()
        return cr.multilabel_margin_loss(cr.zeros({ 2 }, { device = "cuda" }), bad)
      end,
      ctc_loss = function()
        local n = cr.tensor({ 2, 2 }, { device = "cuda" })
        return cr.ctc_loss(cr.zeros({ 4, 2, 5 }, { device = "cuda" }), bad, n, n:div(2):long())
      end,
    } do
      local ok, message = pcall(function() return call():item() end)
      assert.is_false(ok)
      assert(message:find("on cuda, " .. name .. ": target 99 is out of range for", 1, true), message)
    end
  end)

  it("a variance that is negative", function()
    local x, var = cr.zeros({ 2 }, { device = "cuda" }), cr.tensor({ 1, -0.5 }, { device = "cuda" })
    local ok, message = pcall(function() return cr.gaussian_nll_loss(x, x, var):item() end)
    assert.is_false(ok)
    assert(message:find("on cuda, gaussian_nll_loss: var holds -0.5; variances are not negative", 1, true), message)
  end)
end)
