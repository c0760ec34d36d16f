-- nn_layers_spec.lua: what recorded numbers do not tell of layers: their arguments, texts, errors, randomness.

local cr = require "cresset"
local nn = cr.nn
local values = require "spec.support.values"

local fails = values.assert_fails
local F = nn.functional

before_each(function() cr.manual_seed(4) end)

describe("the arguments of a class", function()
  it("come by position, by name at the end, or all by name", function()
    for _, conv in ipairs {
      nn.Conv2d(3, 8, 5, 2, 1), nn.Conv2d(3, 8, 5, { stride = 2, padding = 1 }),
      nn.Conv2d { in_channels = 3, out_channels = 8, kernel_size = { 5, 5 }, stride = { 2, 2 }, padding = 1 },
    } do
      assert.equal("Conv2d(3, 8, kernel_size=(5, 5), stride=(2, 2), padding=(1, 1))",
        (tostring(conv):gsub("  %[.*", "")))
    end
    assert.equal(8, nn.Linear(4, 16 / 2).out_features)
  end)

  it("may ask for a dtype and a device", function()
    local m = nn.Linear(2, 2, { dtype = "float64", device = "cpu" })
    assert.equal("float64", m.bias.dtype)
    assert.equal("float64", nn.BatchNorm1d(2, { dtype = "float64" }).running_mean.dtype)
    local layer = nn.TransformerEncoderLayer(4, 2, { dtype = "float64", dim_feedforward = 4 })
    for _, p in ipairs(layer:parameters()) do assert.equal("float64", p.dtype) end
  end)

  it("are refused in one sentence that names class and argument", function()
    local wrong = {
      { function() nn.Linear() end, "Linear: in_features is missing; it takes in_features, out_features, bias?" },
      { function() nn.Linear(3, -1) end, "Linear: out_features must be an integer from 0, got the number -1" },
      { function() nn.Linear(3, 2.5) end, "out_features must be an integer from 0, got the number 2.5" },
      { function() nn.Linear(3, 2, { bias = 1 }) end, "bias must be true or false, got the number 1" },
      { function() nn.Linear(3, 2, { in_features = 3 }) end, "in_features is given twice" },
      { function() nn.Linear(3, 2, true, nil, nil, 3) end, "got 6 arguments" },
      { function() nn.Linear(3, 2, { dtype = "flat" }) end, "dtype must be the name of a dtype" },
      { function() nn.Conv2d(3, 4, { 3 }) end, "kernel_size must be an integer or a table of 2, got a table" },
      { function() nn.Conv2d(3, 4, 3, { padding = "samee" }) end, 'padding must be an integer or a table of 2 or "sa' },
      { function() nn.Conv2d(3, 4, 3, { groups = 2 }) end, "in_channels (3) and out_channels (4) must be divisible" },
      { function() nn.Conv2d(3, 4, 3, { padding = "same", stride = 2 }) end, '"same" goes with a stride of 1' },
      { function() nn.Conv2d(3, 4, 3, { padding_mode = "zero" }) end, 'padding_mode must be one of "zeros", "refl' },
      { function() nn.MaxPool2d() end, "MaxPool2d: kernel_size is missing" },
      { function() nn.Dropout(1.5) end, "Dropout: p must be a number from 0 to 1, got the number 1.5" },
      { function() nn.Softmax() end, "Softmax: dim is missing" },
      { function() nn.GELU { approximate = "tan" } end, 'must be one of "none", "tanh", got the string "tan"' },
      { function() nn.Embedding(5, 2, { padding_idx = 6 }) end, "padding_idx 6 is no row of 5 (they count from 1" },
      { function() nn.Embedding(5, 2, { padding_idx = 0 }) end, "padding_idx 0 is no row" },
      { function() nn.GroupNorm(2, 3) end, "num_channels (3) must be divisible by num_groups (2)" },
      { function() nn.Upsample() end, "Upsample: takes either size or scale_factor, got neither" },
      { function() nn.Upsample { size = 2, scale_factor = 2 } end, "got both" },
      { function() nn.FractionalMaxPool2d(2) end, "takes either output_size or output_ratio, got neither" },
      { function() nn.CrossEntropyLoss { reduction = "avg" } end, 'reduction must be one of "none", "mean", "sum"' },
      { function() nn.CrossEntropyLoss { wieght = cr.ones(3) } end, "no option 'wieght'; did you mean 'weight'?" },
      { function() nn.ReflectionPad2d { 1, 2, 3 } end, "padding must be an integer or a table of 4" },
    }
    for _, at in ipairs(wrong) do fails(at[1], at[2]) end
  end)
end)

describe("the text of a layer", function()
  local function is(text, m) assert.equal(text, (tostring(m):gsub("  %[.*", ""))) end

  it("is PyTorch's, with Lua's constants", function()
    is("Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1), groups=2, bias=false, padding_mode=circular)",
      nn.Conv2d(2, 4, 3, { groups = 2, bias = false, padding_mode = "circular" }))
    is("Conv1d(1, 1, kernel_size=(3,), stride=(1,), padding=same)", nn.Conv1d(1, 1, 3, { padding = "same" }))
    is("ConvTranspose1d(1, 1, kernel_size=(3,), stride=(2,), output_padding=(1,))",
      nn.ConvTranspose1d(1, 1, 3, { stride = 2, output_padding = 1 }))
    is("MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=false)", nn.MaxPool2d(2))
    is("AvgPool2d(kernel_size=(2, 1), stride=(2, 1), padding=0)", nn.AvgPool2d { 2, 1 })
    is("AdaptiveAvgPool2d(output_size=(2, false))", nn.AdaptiveAvgPool2d { 2, false })
    is("BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=true, track_running_stats=true)", nn.BatchNorm2d(3))
    is("LayerNorm((3,), eps=1e-05, elementwise_affine=true)", nn.LayerNorm(3))
    is("ReLU()", nn.ReLU())
    is("ReLU(inplace=true)", nn.ReLU(true))
    is("LeakyReLU(negative_slope=0.01)", nn.LeakyReLU())
    is("Embedding(5, 2, padding_idx=1)", nn.Embedding(5, 2, { padding_idx = 1 }))
    is("Embedding(5, 2, padding_idx=5)", nn.Embedding(5, 2, { padding_idx = -1 }))
    is("EmbeddingBag(5, 2, mode=sum)", nn.EmbeddingBag(5, 2, { mode = "sum" }))
    is("Dropout(p=0.3)", nn.Dropout(0.3))
    is("Softmax(dim=2)", nn.Softmax(2))
    is("Upsample(scale_factor=2, mode=nearest)", nn.Upsample { scale_factor = 2 })
    is("CrossEntropyLoss()", nn.CrossEntropyLoss())
  end)
end)

describe("dropout", function()
  it("draws in training only", function()
    local x = cr.ones(100, 100)
    for _, name in ipairs { "Dropout", "AlphaDropout" } do
      local m = nn[name](0.3)
      local y = m(x)
      assert(math.abs(y:ne(y:max()):double():mean():item() - 0.3) < 0.05, name)
      assert.equal(x, m:eval()(x))
    end
    assert.equal(0, nn.Dropout(1)(x):sum():item())
    local rows = nn.Dropout1d(0.5)(cr.ones(50, 4, 6)):sum(3)
    assert.is_true(rows:eq(0):logical_or(rows:eq(12)):all():item())
  end)

  it("may write to its input", function()
    local x = cr.ones(10)
    assert.equal(x, nn.Dropout(0.5, { inplace = true })(x))
    assert.is_true(x:eq(0):any():item())
  end)
end)

describe("an activation", function()
  it("may write to its input", function()
    for _, name in ipairs { "ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid", "LeakyReLU", "ELU",
      "CELU", "Hardtanh" } do
      local x = cr.randn(5)
      local want = nn[name]()(x)
      assert.equal(x, nn[name] { inplace = true }(x), name)
      assert.is_true(x:equal(want), name)
    end
    local x = cr.tensor { -1.0, 3.0 }
    assert.equal(x, nn.Threshold(0, 5, { inplace = true })(x))
    assert.same({ 5, 3 }, x:totable())
  end)

  it("of random slopes draws in training", function()
    local y = nn.RReLU { lower = 0.2, upper = 0.4 }(cr.full({ 1000 }, -1.0))
    assert(y:min():item() >= -0.4 and y:max():item() <= -0.2 and y:std():item() > 0.03)
  end)
end)

describe("batch norm", function()
  it("counts batches, and may weigh all of them alike", function()
    local m = nn.BatchNorm1d(1, { momentum = false })
    m(cr.tensor { { 1.0 }, { 3.0 } })
    m(cr.tensor { { 4.0 }, { 8.0 } })
    assert.equal(2, m.num_batches_tracked:item())
    assert.equal(4, m.running_mean[1]:item())
    m:eval()(cr.ones(2, 1))
    fails(function() return m:train()(cr.ones(2, 3)) end, "batch_norm")
    assert.equal(2, m.num_batches_tracked:item())
    m:reset_running_stats()
    assert.equal(0, m.running_mean[1]:item())
  end)

  it("wants its number of dims", function()
    fails(function() return nn.BatchNorm2d(3)(cr.ones(2, 3)) end, "BatchNorm2d: takes 4 dims (N, C, H, W), got")
    fails(function() return nn.BatchNorm1d(3)(cr.ones(3)) end, "takes 2 or 3 dims")
    fails(function() return nn.InstanceNorm2d(3)(cr.ones(3, 2)) end, "takes 3 dims, or 4 with those of a batch")
  end)

  it("reads state dictionaries without counts, as old files have them", function()
    local m = nn.BatchNorm1d(2)
    local dict = m:state_dict()
    dict.num_batches_tracked = nil
    m:load_state_dict(dict)
    dict.running_mean = nil
    fails(function() m:load_state_dict(dict) end, 'missing "running_mean"')
  end)
end)

describe("an embedding", function()
  it("is made of a tensor, frozen or not", function()
    local t = cr.randn(3, 2)
    local m = nn.Embedding.from_pretrained(t)
    assert.is_true(m.weight:equal(t) and not m.weight.requires_grad)
    assert.is_true(nn.Embedding.from_pretrained(t, { freeze = false }).weight.requires_grad)
    assert.equal(3, nn.EmbeddingBag.from_pretrained(t, { mode = "sum", padding_idx = -1 }).padding_idx)
    fails(function() nn.Embedding.from_pretrained(cr.ones(3)) end, "must be a tensor of 2 dims, got one of shape 3")
    fails(function() nn.Embedding(4, 2, { _weight = t }) end, "_weight must have the shape 4x2")
  end)

  it("learns nothing at its padding", function()
    local m = nn.Embedding(3, 2, { padding_idx = 2 })
    m(cr.tensor { 1, 2, 2 }):sum():backward()
    assert.same({ { 1, 1 }, { 0, 0 }, { 0, 0 } }, m.weight.grad:totable())
  end)
end)

describe("a transposed convolution", function()
  it("gives the sizes that it is asked for, and no others", function()
    local m = nn.ConvTranspose2d(1, 1, 3, { stride = 2, padding = 1 })
    local x = cr.randn(1, 1, 4, 4)
    assert.same({ 1, 1, 7, 8 }, { table.unpack(m(x, { 7, 8 }).shape) })
    assert.same({ 1, 1, 8, 8 }, { table.unpack(m(x, { 1, 1, 8, 8 }).shape) })
    fails(function() return m(x, { 9, 8 }) end, "gives sizes from 7 to 8 in dim 1 of its 2, got an output_size of 9")
    fails(function() return m(x, { 8 }) end, "output_size must be a table of 2 sizes")
  end)
end)

describe("pooling with positions", function()
  it("is undone by unpooling", function()
    local x = cr.randn(1, 2, 4, 4)
    local y, at = nn.MaxPool2d(2, { return_indices = true })(x)
    local back = nn.MaxUnpool2d(2)(y, at)
    assert.equal(8, back:ne(0):sum():item())
    assert.is_true(nn.MaxPool2d(2)(cr.where(back:ne(0), back, -9)):equal(y))
  end)
end)

describe("a loss", function()
  it("has its weights as buffers, which move with it", function()
    local m = nn.CrossEntropyLoss { weight = cr.tensor { 1.0, 2.0 } }
    assert.equal("float64", m:double().weight.dtype)
    assert.is_truthy(m:state_dict().weight)
    assert.equal(0, #m:parameters())
  end)

  it("takes a distance of the program's", function()
    local m = nn.TripletMarginWithDistanceLoss { distance_function = function(a, b) return (a - b):abs():sum(2) end }
    local a, p, n = cr.zeros(1, 2), cr.ones(1, 2), cr.full({ 1, 2 }, 1.2)
    assert(math.abs(m(a, p, n):item() - 0.6) < 1e-6)
  end)
end)

describe("nn.functional", function()
  it("is what the operations are, by PyTorch's names and orders", function()
    local x = cr.randn(2, 3)
    assert.equal(cr.cross_entropy, F.cross_entropy)
    assert.is_true(F.relu(x):equal(x:relu()))
    assert.is_true(F.embedding(cr.tensor { 2 }, x):equal(x:narrow(1, 2, 1)))
    assert.is_true(F.embedding_bag(cr.tensor { { 1, 2 } }, x, { mode = "sum" }):equal(x:sum(1, true)))
    assert.same({ { 0, 1 }, { 1, 0 } }, F.one_hot(cr.tensor { 2, 1 }, { num_classes = 2 }):totable())
    assert.equal(2, F.one_hot(cr.tensor { 2, 1 }, -1):size(2))
    assert.is_true(F.dropout(x, 0.5, { training = false }):equal(x))
    assert.is_true(F.dropout(cr.ones(100)):eq(0):any():item())
    assert.is_true(F.dropout(x, 0.5, false):equal(x))
    local _, at = F.max_pool1d_with_indices(cr.randn(1, 1, 4), 2)
    assert.equal("int64", at.dtype)
    assert.equal("int64", select(2, F.adaptive_max_pool2d_with_indices(cr.randn(1, 1, 4, 4), 2)).dtype)
  end)

  it("writes to its input where it is asked to", function()
    local x = cr.tensor { -1.0, 2.0 }
    assert.equal(x, F.relu(x, { inplace = true }))
    assert.same({ 0, 2 }, x:totable())
    assert.equal(x, F.relu(x, true))
    assert.equal(x, F.leaky_relu(x, 0.1, { inplace = true }))
    local y = cr.ones(1, 2)
    assert.equal(y, F.dropout1d(y, 0.5, { training = false, inplace = true }))
    assert.equal(x, F.elu_(x))
    fails(function() F.relu(x, { inplace = 1 }) end, "relu: inplace must be true or false")
    fails(function() F.relu(x, { inplce = true }) end, "inplce")
  end)

  it("samples classes", function()
    local logits = cr.tensor({ { 0.0, 2.0, -1.0 } }, { requires_grad = true }):expand(2000, 3)
    local soft = F.gumbel_softmax(logits, { tau = 0.5 })
    assert.is_true(soft:sum(2):allclose(cr.ones(2000)))
    local hard = F.gumbel_softmax(logits, { hard = true })
    assert.is_true(hard:detach():sum(2):allclose(cr.ones(2000)))
    local want = logits[1]:softmax(1):totable()
    for k, share in ipairs(hard:detach():mean(1):totable()) do assert(math.abs(share - want[k]) < 0.04) end
    assert.is_true(hard.requires_grad)
  end)

  it("names what it lacks", function()
    fails(function() return F.crossentropy end, "cresset.nn.functional has no 'crossentropy'; did you mean "
      .. "'nn.functional.cross_entropy'?")
  end)
end)
