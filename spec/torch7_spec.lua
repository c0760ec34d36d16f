-- torch7_spec.lua: scripts in Torch7's words: tensors that methods write, modules with forward and backward, optim.

local torch = require "cresset.torch7"
local nn, optim = torch.nn, torch.optim

local function list(x) return x:reshape(x:nElement()):totable() end

describe("Torch7's tensors", function()
  it("are doubles, made of sizes, tables or storages", function()
    assert.equal("torch.DoubleTensor", torch.type(torch.Tensor(2, 3)))
    assert.same({ { 1, 2 }, { 3, 4 } }, torch.Tensor({ { 1, 2 }, { 3, 4 } }):totable())
    assert.same({ 2, 3 }, torch.Tensor(torch.LongStorage { 2, 3 }):size():totable())
    assert.equal("torch.ByteTensor", torch.ByteTensor(3):type())
  end)

  it("have no dims while they are empty", function()
    local x = torch.Tensor()
    assert.equal(0, x:dim())
    assert.equal(0, x:nElement())
    assert.equal(0, #x:size())
    assert.equal("[torch.DoubleTensor with no dimension]", tostring(x))
  end)

  it("are written by methods and left alone by functions", function()
    local x = torch.Tensor { 1, 2, 3 }
    local y = torch.add(x, 1)
    assert.same({ 1, 2, 3 }, x:totable())
    assert.same({ 2, 3, 4 }, y:totable())
    assert.equal(x, x:add(1))
    assert.same({ 2, 3, 4 }, x:totable())
    x:cmul(y)
    assert.same({ 4, 9, 16 }, x:totable())
    assert.same({ 2, 3, 4 }, y:totable())
  end)

  it("add a multiple of another tensor", function()
    local x = torch.Tensor { 1, 2 }
    assert.same({ 21, 42 }, x:add(10, torch.Tensor { 2, 4 }):totable())
    assert.same({ 7, 4 }, torch.add(torch.Tensor { 1, 1 }, 3, torch.Tensor { 2, 1 }):totable())
    local r = torch.Tensor()
    torch.add(r, torch.Tensor { 1, 1 }, 5)
    assert.same({ 6, 6 }, r:totable())
  end)

  it("keep the reduced dim, and give numbers without one", function()
    local x = torch.Tensor { { 1, 5 }, { 4, 2 } }
    assert.equal(12, x:sum())
    assert.same({ { 5, 7 } }, x:sum(1):totable())
    local values, at = x:max(2)
    assert.same({ { 5 }, { 4 } }, values:totable())
    assert.same({ { 2 }, { 1 } }, at:totable())
    assert.equal("torch.LongTensor", at:type())
  end)

  it("are indexed by numbers, ranges, masks and storages", function()
    local x = torch.Tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    assert.equal(6, x[2][3])
    assert.equal(5, x[{ 2, 2 }])
    assert.same({ { 2, 3 }, { 5, 6 } }, x[{ {}, { 2, 3 } }]:totable())
    assert.same({ 4, 5, 6 }, x[x:gt(3)]:totable())
    assert.equal(4, x[torch.LongStorage { 2, 1 }])
    x[1] = 0
    x[{ 2, { 1, 2 } }] = torch.Tensor { 7, 8 }
    x[x:eq(6)] = -1
    assert.same({ { 0, 0, 0 }, { 7, 8, -1 } }, x:totable())
  end)

  it("multiply as matrices and vectors", function()
    local a, v = torch.Tensor { { 1, 2 }, { 3, 4 } }, torch.Tensor { 1, 1 }
    assert.same({ { 7, 10 }, { 15, 22 } }, (a * a):totable())
    assert.same({ 3, 7 }, (a * v):totable())
    assert.equal(2, v * v)
    assert.same({ { 2, 4 }, { 6, 8 } }, (2 * a):totable())
    assert.same({ { 8, 11 }, { 16, 23 } }, torch.addmm(torch.ones(2, 2), a, a):totable())
    local m = torch.ones(2, 2):addmm(2, torch.ones(2, 2), 3, a, a)
    assert.same({ { 23, 32 }, { 47, 68 } }, m:totable())
  end)

  it("share memory in views and resize in place", function()
    local x = torch.range(1, 6)
    local y = x:view(2, 3)
    y:select(1, 1):fill(0)
    assert.same({ 0, 0, 0, 4, 5, 6 }, x:totable())
    x:resize(2, 2)
    assert.same({ { 0, 0 }, { 0, 4 } }, x:totable())
    assert.same({ 1, 2, 3, 4 }, torch.range(1, 6):sub(1, 4):totable())
    assert.same({ 3, 4 }, torch.range(1, 6):narrow(1, 3, 2):totable())
  end)

  it("hold storages that begin at 1", function()
    local x = torch.range(1, 4)
    local s = x:storage()
    s[2] = 20
    assert.equal(4, #s)
    assert.equal(20, x[2])
    assert.equal(3, x:narrow(1, 3, 2):storageOffset())
    assert.has_error(function() return s[5] end)
  end)

  it("are joined, cut and repeated", function()
    local x = torch.Tensor { { 1, 2 } }
    assert.same({ { 1, 2 }, { 1, 2 } }, torch.cat(x, x, 1):totable())
    assert.same({ { 1, 2, 1, 2 } }, torch.cat({ x, x }):totable())
    assert.same({ { 1, 2 }, { 1, 2 } }, x:repeatTensor(2, 1):totable())
    assert.equal(2, #x:split(1, 2))
  end)

  it("integers divide as in C", function()
    assert.same({ 2, -2 }, torch.IntTensor({ 5, -5 }):div(2):totable())
  end)

  it("call a function for each element", function()
    local x = torch.Tensor { 1, 2 }
    x:apply(function(v) return v * 10 end)
    x:map(torch.Tensor { 5, 6 }, function(a, b) return a + b end)
    assert.same({ 15, 26 }, x:totable())
  end)

  it("say what is wrong", function()
    assert.has_error(function() torch.Tensor(2):copy(torch.Tensor(3)) end, "copy: 3 elements into 2")
    assert.error_matches(function() return torch.Tensor(2):type "torch.FooTensor" end, "no type 'torch.FooTensor'")
    assert.error_matches(function() return torch.Tensor(2):cmul "x" end, "cmul: a tensor is needed, got a string")
  end)

  it("draw the same numbers for the same seed", function()
    torch.manualSeed(3)
    local a, n = torch.rand(4), torch.random(1, 6)
    torch.manualSeed(3)
    assert.same(a:totable(), torch.rand(4):totable())
    assert.equal(n, torch.random(1, 6))
    assert.is_true(n >= 1 and n <= 6)
  end)
end)

describe("Torch7's classes", function()
  it("inherit, and are told by name", function()
    local C, parent = torch.class("nn.SpecScale", "nn.Linear")
    function C:__init(n)
      parent.__init(self, n, n)
      self.factor = 2
    end
    function C:updateOutput(x)
      parent.updateOutput(self, x)
      self.output = self.output * self.factor
      return self.output
    end
    local m = nn.SpecScale(2)
    m.weight:copy(torch.eye(2))
    m.bias:zero()
    assert.equal("nn.SpecScale", torch.type(m))
    assert.is_true(torch.isTypeOf(m, "nn.Module"))
    assert.is_true(torch.isTypeOf(m, nn.Linear))
    assert.is_false(torch.isTypeOf(m, nn.Tanh))
    assert.same({ 2, 4 }, m:forward(torch.Tensor { 1, 2 }):totable())
  end)

  it("refuse an unknown parent", function()
    assert.has_error(function() torch.class("nn.A", "nn.Nowhere") end,
      "torch.class: there is no class 'nn.Nowhere' to inherit from")
    assert.error_matches(function() return nn.Nowhere() end, "no nn.Nowhere")
  end)
end)

-- The slope of f at each element of x, by differences.
local function slopes(x, f)
  local flat, grads, h = x:view(x:nElement()), {}, 1e-5
  for i = 1, x:nElement() do
    local old = flat[i]
    flat[i] = old + h
    local up = f()
    flat[i] = old - h
    local down = f()
    flat[i] = old
    grads[i] = (up - down) / (2 * h)
  end
  return grads
end

local function near(expected, got, name)
  assert.equal(#expected, #got, name)
  for i, e in ipairs(expected) do
    local message = ("%s, element %d: %g for %g"):format(name, i, got[i], e)
    assert(math.abs(e - got[i]) <= 1e-5 * math.max(1, math.abs(e)), message)
  end
end

local function tensors(x, into)
  into = into or {}
  if torch.isTensor(x) then
    into[#into + 1] = x
  else
    for _, value in ipairs(x) do tensors(value, into) end
  end
  return into
end

local function weights_like(y)
  if torch.isTensor(y) then return torch.randn(y:size()) end
  local result = {}
  for i, value in ipairs(y) do result[i] = weights_like(value) end
  return result
end

local function weighed(y, w)
  local ys, ws, sum = tensors(y), tensors(w), 0
  for i, t in ipairs(ys) do sum = sum + t:dot(ws[i]) end
  return sum
end

describe("the gradients of nn's modules are slopes of what they compute:", function()
  local image, vector, batch = { 1, 2, 5, 6 }, { 4 }, { 3, 4 }
  local function pair() return { torch.randn(3, 4), torch.randn(3, 4) } end
  local cases = {
    Linear = { { 4, 3 }, batch }, Bilinear = { { 4, 4, 2 }, pair }, Add = { { 4 }, batch }, CAdd = { { 4 }, batch },
    CMul = { { 4 }, batch }, Mul = { {}, batch }, PReLU = { {}, batch }, Euclidean = { { 4, 2 }, batch },
    Cosine = { { 4, 2 }, batch }, BatchNormalization = { { 4 }, batch },
    SpatialBatchNormalization = { { 2 }, { 2, 2, 3, 3 } },
    Normalize = { { 2 }, batch }, SpatialCrossMapLRN = { { 3 }, image },
    SpatialConvolution = { { 2, 3, 3, 2, 1, 2, 1, 0 }, image },
    SpatialDilatedConvolution = { { 2, 2, 2, 2, 1, 1, 0, 0, 2, 2 }, image },
    SpatialFullConvolution = { { 2, 3, 2, 3, 2, 1 }, image },
    SpatialDepthWiseConvolution = { { 2, 2, 3, 3 }, image }, TemporalConvolution = { { 4, 2, 2 }, { 5, 4 } },
    VolumetricConvolution = { { 2, 2, 2, 2, 2 }, { 1, 2, 3, 4, 3 } }, SpatialMaxPooling = { { 2, 2 }, image },
    SpatialAveragePooling = { { 3, 2, 1, 1, 1, 0 }, image }, SpatialAdaptiveMaxPooling = { { 2, 3 }, image },
    SpatialAdaptiveAveragePooling = { { 2, 3 }, image }, SpatialLPPooling = { { 2, 2, 2, 2 }, image },
    TemporalMaxPooling = { { 2 }, { 5, 4 } }, VolumetricMaxPooling = { { 2, 2, 2 }, { 1, 2, 2, 4, 2 } },
    VolumetricAveragePooling = { { 2, 2, 2 }, { 1, 2, 2, 4, 2 } }, SpatialZeroPadding = { { 1, 0, 2, 1 }, image },
    SpatialReflectionPadding = { { 1, 1, 1, 1 }, image }, SpatialReplicationPadding = { { 1, 1, 1, 1 }, image },
    SpatialUpSamplingNearest = { { 2 }, image }, SpatialUpSamplingBilinear = { { 2 }, image },
    PixelShuffle = { { 2 }, { 1, 4, 2, 2 } }, Tanh = { {}, batch }, Sigmoid = { {}, batch }, ReLU = { {}, batch },
    ReLU6 = { {}, batch }, LeakyReLU = { { 0.2 }, batch }, ELU = { {}, batch }, GELU = { {}, batch },
    SoftMax = { {}, batch },
    LogSoftMax = { {}, vector }, SoftMin = { {}, batch }, SoftPlus = { {}, batch }, SoftSign = { {}, batch },
    SoftShrink = { {}, batch }, HardShrink = { {}, batch }, TanhShrink = { {}, batch }, HardTanh = { {}, batch },
    Clamp = { { -0.5, 0.5 }, batch }, Threshold = { { 0.1, 0 }, batch }, LogSigmoid = { {}, batch },
    Abs = { {}, batch },
    Square = { {}, batch }, Power = { { 3 }, batch }, Exp = { {}, batch }, MulConstant = { { 3 }, batch },
    AddConstant = { { 3 }, batch }, Identity = { {}, batch }, Reshape = { { 2, 2 }, batch }, View = { { 2, 2 }, batch },
    Transpose = { { { 1, 2 } }, batch }, Unsqueeze = { { 1 }, batch }, Squeeze = { {}, { 3, 1, 2 } },
    Contiguous = { {}, batch },
    Replicate = { { 2 }, batch }, Narrow = { { 2, 2, -2 }, batch }, Select = { { 2, 3 }, batch },
    Padding = { { 2, 1 }, batch },
    Mean = { { 1 }, batch }, Sum = { { 2 }, batch }, Max = { { 2 }, batch }, Min = { { 1 }, batch },
    Copy = { {}, batch },
    Collapse = { { 2 }, image }, SpatialSoftMax = { {}, image }, SpatialLogSoftMax = { {}, image },
    CAddTable = { {}, pair },
    CSubTable = { {}, pair }, CMulTable = { {}, pair },
    CDivTable = { {}, function() return { torch.randn(3, 4), torch.rand(3, 4):add(0.5) } end },
    CMaxTable = { {}, pair },
    CMinTable = { {}, pair }, JoinTable = { { 1 }, pair }, SplitTable = { { 1 }, batch },
    SelectTable = { { -1 }, pair },
    NarrowTable = { { 1, 2 }, pair }, FlattenTable = { {}, function() return { pair(), torch.randn(2) } end },
    MM = { { false, true }, pair }, MV = { {}, function() return { torch.randn(3, 4), torch.randn(4) } end },
    DotProduct = { {}, pair }, CosineDistance = { {}, pair }, PairwiseDistance = { { 2 }, pair },
    MixtureTable = { {}, function() return { torch.randn(3, 2), pair() } end },
  }
  for name, case in pairs(cases) do
    it("nn." .. name, function()
      torch.manualSeed(#name)
      local m = nn[name](table.unpack(case[1]))
      local x = type(case[2]) == "function" and case[2]() or torch.randn(table.unpack(case[2]))
      local w = weights_like(m:forward(x))
      local function value() return weighed(m:forward(x), w) end
      m:zeroGradParameters()
      m:forward(x)
      local grads = tensors(m:backward(x, w))
      for i, t in ipairs(tensors(x)) do near(slopes(t, value), list(grads[i]), name .. ", gradInput") end
      local params, kept = m:parameters()
      for i, p in ipairs(params or {}) do
        near(slopes(p, value), list(kept[i]), name .. ", parameter " .. i)
      end
    end)
  end
end)

describe("the gradients of criterions are slopes of their losses:", function()
  local rows = { 3, 4 }
  local function real() return torch.randn(3, 4) end
  local function probabilities() return torch.rand(3, 4):add(0.1):div(2) end
  local function signs() return torch.randn(3, 4):sign() end
  local function class() return torch.Tensor { 2, 4, 1 } end
  local function pair() return { torch.randn(3, 4), torch.randn(3, 4) } end
  local cases = {
    MSECriterion = { {}, real, real }, AbsCriterion = { {}, real, real }, SmoothL1Criterion = { {}, real, real },
    ClassNLLCriterion = { {}, real, class }, CrossEntropyCriterion = { {}, real, class },
    BCECriterion = { {}, probabilities, probabilities }, DistKLDivCriterion = { {}, real, probabilities },
    MarginCriterion = { {}, real, signs }, SoftMarginCriterion = { {}, real, signs },
    MultiMarginCriterion = { {}, real, class },
    MultiLabelMarginCriterion = {
      {}, real, function() return torch.Tensor { { 2, 0, 0, 0 }, { 1, 3, 0, 0 }, { 4, 0, 1, 0 } } end,
    },
    MultiLabelSoftMarginCriterion = { {}, real, function() return torch.randn(3, 4):gt(0):double() end },
    HingeEmbeddingCriterion = { {}, real, signs }, L1Cost = { {}, real, real },
    CosineEmbeddingCriterion = { { 0.1 }, pair, function() return torch.Tensor { 1, -1, 1 } end },
    MarginRankingCriterion = { {}, pair, signs },
    L1HingeEmbeddingCriterion = { { 30 }, pair, function() return -1 end },
    ClassSimplexCriterion = { { 4 }, real, class },
  }
  for name, case in pairs(cases) do
    it("nn." .. name, function()
      torch.manualSeed(#name)
      local c = nn[name](table.unpack(case[1]))
      local x, t = case[2](), case[3]()
      local grads = tensors(c:backward(x, t))
      for i, part in ipairs(tensors(x)) do
        near(slopes(part, function() return c:forward(x, t) end), list(grads[i]), name)
      end
    end)
  end

  it("a parallel criterion adds weighted losses", function()
    local c = nn.ParallelCriterion():add(nn.MSECriterion(), 0.5):add(nn.AbsCriterion(), 2)
    local x = { torch.Tensor { 1, 2 }, torch.Tensor { 3 } }
    local t = { torch.Tensor { 0, 0 }, torch.Tensor { 1 } }
    assert.equal(0.5 * 2.5 + 2 * 2, c:forward(x, t))
    assert.same({ 0.5, 1 }, c:backward(x, t)[1]:totable())
    assert.same({ 2 }, c:backward(x, t)[2]:totable())
    assert.same(rows, torch.randn(3, 4):size():totable())
  end)
end)

describe("containers", function()
  it("pass gradients through branches", function()
    torch.manualSeed(1)
    local net = nn.Sequential()
      :add(nn.ConcatTable():add(nn.Linear(3, 2)):add(nn.Sequential():add(nn.Linear(3, 2)):add(nn.Tanh())))
      :add(nn.ParallelTable():add(nn.Identity()):add(nn.MulConstant(2)))
      :add(nn.CAddTable()):add(nn.Concat(2):add(nn.Linear(2, 1)):add(nn.Linear(2, 2)))
    local x = torch.randn(4, 3)
    local w = torch.randn(4, 3)
    local params, grads = net:getParameters()
    assert.equal(6 + 2 + 6 + 2 + 2 + 1 + 4 + 2, params:nElement())
    net:zeroGradParameters()
    net:forward(x)
    local g = net:backward(x, w)
    near(slopes(x, function() return net:forward(x):dot(w) end), list(g), "gradInput")
    near(slopes(params, function() return net:forward(x):dot(w) end), grads:totable(), "parameters")
  end)

  it("print as Torch7 prints them", function()
    assert.equal("nn.Sequential {\n  [input -> (1) -> (2) -> output]\n  (1): nn.Linear(2 -> 3)\n  (2): nn.Tanh\n}",
      tostring(nn.Sequential():add(nn.Linear(2, 3)):add(nn.Tanh())))
  end)

  it("train and evaluate all of their modules", function()
    local net = nn.Sequential():add(nn.Dropout(0.9)):add(nn.Identity())
    net:evaluate()
    assert.same({ 1, 1 }, net:forward(torch.ones(2)):totable())
    net:training()
    torch.manualSeed(1)
    assert.is_true(net:forward(torch.ones(100)):eq(0):sum() > 50)
  end)

  it("clone with memory of their own, or shared", function()
    local a = nn.Linear(2, 2)
    local b, c = a:clone(), a:clone("weight")
    a.weight:fill(5)
    assert.is_false(b.weight[1][1] == 5)
    assert.equal(5, c.weight[1][1])
  end)

  it("convert all tensors", function()
    local net = nn.Sequential():add(nn.Linear(2, 2)):float()
    assert.equal("torch.FloatTensor", net:get(1).weight:type())
    assert.equal("torch.FloatTensor", net:forward(torch.FloatTensor(1, 2)):type())
  end)
end)

describe("a lookup table", function()
  it("adds gradients to the rows that were read", function()
    local m = nn.LookupTable(4, 2)
    local x = torch.LongTensor { 2, 2, 4 }
    assert.same(m.weight[2]:totable(), m:forward(x)[1]:totable())
    m:zeroGradParameters()
    m:backward(x, torch.ones(3, 2))
    assert.same({ { 0, 0 }, { 2, 2 }, { 0, 0 }, { 1, 1 } }, m.gradWeight:totable())
  end)
end)

describe("optim", function()
  -- a bowl, steeper along the second axis
  local function bowl(x) return x[1] ^ 2 + 10 * x[2] ^ 2, torch.Tensor { 2 * x[1], 20 * x[2] } end

  it("takes Torch7's steps of sgd with momentum, whose first is not dampened", function()
    local x, state = torch.Tensor { 1, 1 }, { learningRate = 0.1, momentum = 0.5 }
    optim.sgd(bowl, x, state)
    near({ 0.8, -1 }, x:totable(), "first")
    optim.sgd(bowl, x, state) -- velocity 0.5 g1 + 0.5 g2, as dampening is the momentum
    near({ 0.8 - 0.1 * (1 + 0.8), -1 - 0.1 * (10 - 10) }, x:totable(), "second")
  end)

  it("takes a first step of the learning rate with adam", function()
    local x = torch.Tensor { 1, 1 }
    local _, losses = optim.adam(bowl, x, { learningRate = 0.1 })
    assert.equal(11, losses[1])
    near({ 0.9, 0.9 }, x:totable(), "adam")
  end)

  for name in ("sgd adam adamax adagrad adadelta rmsprop nag asgd rprop lbfgs"):gmatch "%a+" do
    it(name .. " goes down", function()
      local x, state = torch.Tensor { 1, 1 }, { learningRate = 0.01 }
      local first = bowl(x)
      for _ = 1, 30 do optim[name](bowl, x, state) end
      assert.is_true(bowl(x) < first)
    end)
  end

  it("counts guesses in a confusion matrix", function()
    local c = optim.ConfusionMatrix { "cat", "dog" }
    local guesses = torch.Tensor { { 0.9, 0.1 }, { 0.2, 0.8 }, { 0.7, 0.3 } }
    c:batchAdd(guesses, torch.Tensor { 1, 2, 2 })
    c:updateValids()
    near({ 2 / 3, 0.75 }, { c.totalValid, c.averageValid }, "rates")
    assert.truthy(tostring(c):find("66.666667%", 1, true))
  end)
end)

describe("torch.save and torch.load", function()
  local path
  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  it("give tables, numbers, texts and tensors back", function()
    torch.save(path, { 1, 2.5, name = "x", yes = true, t = torch.Tensor { { 1, 2 }, { 3, 4 } }:t(),
      l = torch.LongTensor { 9007199254740993 }, none = torch.Tensor(), s = torch.LongStorage { 2, 3 } })
    local back = torch.load(path)
    assert.same({ 1, 2.5, "x", true }, { back[1], back[2], back.name, back.yes })
    assert.same({ { 1, 3 }, { 2, 4 } }, back.t:totable())
    assert.equal("torch.DoubleTensor", back.t:type())
    assert.equal(9007199254740993, back.l[1])
    assert.equal(0, back.none:dim())
    assert.same({ 2, 3 }, back.s:totable())
  end)

  it("keep what is one object one object", function()
    local t = torch.Tensor { 1 }
    torch.save(path, { a = t, b = t })
    local back = torch.load(path)
    back.a:fill(7)
    assert.equal(7, back.b[1])
  end)

  it("give modules back, which go on", function()
    torch.manualSeed(1)
    local net = nn.Sequential():add(nn.Linear(3, 2)):add(nn.ReLU()):add(nn.Linear(2, 1))
    local x = torch.randn(4, 3)
    local y = net:forward(x):clone()
    net:backward(x, torch.ones(4, 1))
    torch.save(path, net)
    local back = torch.load(path)
    assert.same(y:totable(), back:forward(x):totable())
    assert.same(net:get(1).gradWeight:totable(), back:get(1).gradWeight:totable())
    back:backward(x, torch.ones(4, 1))
  end)

  it("refuse functions, and leave the old file", function()
    torch.save(path, 5)
    assert.has_error(function() torch.save(path, { f = print }) end,
      "torch.save: 'f' is a function, which a file cannot hold")
    assert.equal(5, torch.load(path))
  end)
end)

describe("a script in Torch7's words", function()
  it("trains", function()
    torch.manualSeed(2)
    local data = { size = function() return 40 end }
    for i = 1, 40 do
      local x = torch.randn(2)
      data[i] = { x, x[1] > 0 and 1 or 2 }
    end
    local net = nn.Sequential():add(nn.Linear(2, 2)):add(nn.LogSoftMax())
    local trainer = nn.StochasticGradient(net, nn.ClassNLLCriterion())
    trainer.learningRate, trainer.maxIteration, trainer.verbose = 0.1, 20, false
    trainer:train(data)
    assert.is_true(trainer.currentError < 0.3)
  end)

  it("may be given globals, if it asks", function()
    assert.is_nil(rawget(_G, "torch"))
    torch.globals()
    assert.equal(torch, rawget(_G, "torch"))
    assert.equal(nn, require "nn")
    for _, name in ipairs { "torch", "nn", "optim" } do
      rawset(_G, name, nil)
      package.preload[name], package.loaded[name] = nil, nil
    end
  end)
end)
