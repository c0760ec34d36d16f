-- t7_spec.lua: files of Torch7: both ways of writing, shared objects, views, modules, and what is no such file.
--
-- The files are written here, by the layout of torch7's File.lua and of its tensors.

local cr = require "cresset"
local scratch = require "spec.support.scratch"
local refuses = require "spec.support.refuses"

local folder

-- ---- A writer -----------------------------------------------------------------------------------

-- Objects: { torch = "torch.FloatTensor", size =, stride =, offset =, storage = }, { torch = "torch.FloatStorage",
-- data = list }, { torch = "nn.Linear", fields = table }; all else is a table.
local packs = { Float = "<f", Double = "<d", Long = "<i8", Int = "<i4", Short = "<i2", Char = "<i1", Byte = "B" }

local function writer(ascii)
  local w = { parts = {}, seen = {}, count = 0 }
  local function add(text) w.parts[#w.parts + 1] = text end
  function w.int(n) add(ascii and n .. "\n" or string.pack("<i4", n)) end
  function w.longs(list)
    if ascii then add(table.concat(list, " ") .. "\n") return end
    for _, n in ipairs(list) do add(string.pack("<i8", n)) end
  end
  function w.double(x) add(ascii and ("%.17g\n"):format(x) or string.pack("<d", x)) end
  function w.string(s)
    w.int(#s)
    add(ascii and s .. "\n" or s)
  end
  function w.data(kind, list)
    if not ascii then
      for _, x in ipairs(list) do add(string.pack(packs[kind], x)) end
    elseif kind == "Byte" or kind == "Char" then
      add(string.char(table.unpack(list)) .. "\n")
    else
      local words = {}
      for i, x in ipairs(list) do words[i] = kind == "Long" and ("%d"):format(x) or ("%.9g"):format(x) end
      add(table.concat(words, " ") .. "\n")
    end
  end
  function w.index(object)
    if w.seen[object] then w.int(w.seen[object]) return true end
    w.count = w.count + 1
    w.seen[object] = w.count
    w.int(w.count)
  end
  function w.object(o)
    w.int(4)
    if w.index(o) then return end
    w.string "V 1"
    w.string(o.torch)
    local kind, what = o.torch:match "^torch%.(%a-)(Tensor)$"
    if not kind then kind, what = o.torch:match "^torch%.(%a-)(Storage)$" end
    if what == "Storage" then
      w.longs { o.claimed or #o.data }
      w.data(kind, o.data)
    elseif what == "Tensor" then
      w.int(#o.size)
      w.longs(o.size)
      w.longs(o.stride)
      w.longs { o.offset }
      w.value(o.storage)
    else
      w.value(o.fields)
    end
  end
  function w.value(v)
    if v == nil then w.int(0)
    elseif type(v) == "number" then w.int(1) w.double(v)
    elseif type(v) == "string" then w.int(2) w.string(v)
    elseif type(v) == "boolean" then w.int(5) w.int(v and 1 or 0)
    elseif v.torch then w.object(v)
    else
      w.int(3)
      if w.index(v) then return end
      local n = 0
      for _ in pairs(v) do n = n + 1 end
      w.int(n)
      for key, x in pairs(v) do w.value(key) w.value(x) end
    end
  end
  return w
end

local function write(value, ascii, name)
  local w = writer(ascii)
  w.value(value)
  return folder.write(name or "x.t7", table.concat(w.parts))
end

local function storage(kind, data) return { torch = "torch." .. kind .. "Storage", data = data } end
local function tensor(kind, size, data)
  local stride, step, n = {}, 1, 1
  for d = #size, 1, -1 do stride[d], step = step, step * size[d] end
  for _, s in ipairs(size) do n = n * s end
  if not data then
    data = {}
    for i = 1, n do data[i] = i / 8 end
  end
  return { torch = "torch." .. kind .. "Tensor", size = size, stride = stride, offset = 1, storage = storage(kind,
    data) }
end

describe("files of Torch7", function()
  before_each(function() folder = scratch.new() end)
  after_each(function() folder.remove() end)

  for _, ascii in ipairs { false, true } do
    local way = ascii and "ascii" or "binary"

    it("give numbers, texts, truths and tables: " .. way, function()
      local value = { 1, 2.5, "three", true, { deep = { -7 } }, text = "a\nb \0c", none = {}, [10] = math.huge }
      local x = cr.load(write(value, ascii))
      assert.same(value, x)
      assert.equal("integer", math.type(x[1]))
      assert.equal("float", math.type(x[2]))
      local nan = cr.load(write({ 0 / 0 }, ascii))
      assert(nan[1] ~= nan[1])
      assert.equal("alone", (cr.load(write("alone", ascii))))
      assert.is_nil((cr.load(write(nil, ascii, "nil.t7"))))
    end)

    it("give tensors of every dtype, exactly: " .. way, function()
      for kind, case in pairs {
        Double = { "float64", { 1.5, -2.25 } }, Float = { "float32", { 1.5, -2.25 } }, Int = { "int32", { 1, -2 } },
        Long = { "int64", { math.maxinteger, math.mininteger + 1 } }, Short = { "int16", { 1, -2 } },
        Byte = { "uint8", { 97, 10 } }, Char = { "int8", { 97, 98 } },
      } do
        local x = cr.load(write(tensor(kind, { 2 }, case[2]), ascii))
        assert.equal(case[1], x.dtype)
        assert.same(case[2], x:totable(), kind)
        assert.same(case[2], cr.load(write({ s = storage(kind, case[2]) }, ascii)).s:totable())
      end
    end)

    it("share what they shared: " .. way, function()
      local base = storage("Float", { 1, 2, 3, 4, 5, 6 })
      local a = { torch = "torch.FloatTensor", size = { 2, 3 }, stride = { 3, 1 }, offset = 1, storage = base }
      local b = { torch = "torch.FloatTensor", size = { 3, 2 }, stride = { 1, 3 }, offset = 1, storage = base }
      local c = { torch = "torch.FloatTensor", size = { 2 }, stride = { 2 }, offset = 2, storage = base }
      local t = {}
      t.self = t
      local x = cr.load(write({ a = a, again = a, b = b, c = c, t = t }, ascii))
      assert.equal(x.a, x.again)
      assert.same({ { 1.0, 4.0 }, { 2.0, 5.0 }, { 3.0, 6.0 } }, x.b:totable())
      assert.same({ 2.0, 4.0 }, x.c:totable())
      x.a:fill_(7)
      assert.same({ 7.0, 7.0 }, x.c:totable())
      assert.equal(x.t, x.t.self)
    end)

    it("give empty tensors: " .. way, function()
      local x = cr.load(write({ e = { torch = "torch.FloatTensor", size = {}, stride = {}, offset = 1 } }, ascii))
      assert.equal(0, x.e:numel())
      assert.equal("float32", x.e.dtype)
    end)
  end

  describe("with modules of nn", function()
    it("give modules that compute the same", function()
      local conv = { torch = "nn.SpatialConvolution", fields = { nInputPlane = 1, nOutputPlane = 2, kW = 3, kH = 2,
        dW = 1, dH = 2, padW = 1, padH = 0, weight = tensor("Float", { 2, 1, 2, 3 }), bias = tensor("Float", { 2 }) } }
      local linear = { torch = "nn.Linear", fields = { weight = tensor("Float", { 3, 8 }), bias = tensor("Float",
        { 3 }) } }
      local bn = { torch = "nn.SpatialBatchNormalization", fields = { eps = 1e-5, momentum = 0.1,
        running_mean = tensor("Float", { 2 }), running_var = tensor("Float", { 2 }), weight = tensor("Float", { 2 }),
        bias = tensor("Float", { 2 }) } }
      local net = { torch = "nn.Sequential", fields = { train = false, modules = { conv, bn,
        { torch = "nn.ReLU", fields = {} },
        { torch = "nn.SpatialMaxPooling", fields = { kW = 2, kH = 1, dW = 2, dH = 1, padW = 0, padH = 0 } },
        { torch = "nn.View", fields = { size = storage("Long", { 8 }) } }, { torch = "nn.Dropout",
          fields = { p = 0.5 } },
        linear, { torch = "nn.LogSoftMax", fields = {} } } } }
      local m = cr.load(write(net))
      assert.is_false(m.training)
      local x = cr.arange(0, 32):to("float32"):view(2, 1, 4, 4)
      local function parameter(...)
        local n = 1
        for _, s in ipairs { ... } do n = n * s end
        return (cr.arange(1, n + 1):to "float32" / 8):view { ... }
      end
      local y = cr.conv2d(x, parameter(2, 1, 2, 3), parameter(2), { stride = { 2, 1 }, padding = { 0, 1 } })
      local p = parameter(2):view(1, 2, 1, 1)
      y = ((y - p) / (p + 1e-5):sqrt() * p + p):relu()
      y = cr.max_pool2d(y, { 1, 2 }, { stride = { 1, 2 } }):reshape(2, 8)
      y = (y:mm(parameter(3, 8):t()) + parameter(3)):log_softmax(2)
      assert.is_true(m(x):allclose(y, { rtol = 1e-4, atol = 1e-4 }))
      assert.equal(6, #m:parameters())
      assert.is_true(m:parameters()[1].requires_grad)
    end)

    it("give those that work on lists of results", function()
      local one = { torch = "nn.Identity", fields = {} }
      local two = { torch = "nn.MulConstant", fields = { constant_scalar = 2 } }
      local both = { torch = "nn.ConcatTable", fields = { modules = { one, two } } }
      local function with(last) return cr.load(write({ torch = "nn.Sequential", fields = { modules = { both,
        last } } })) end
      local x = cr.tensor { { 1.0, 2.0 } }
      assert.same({ { 3.0, 6.0 } }, with({ torch = "nn.CAddTable", fields = {} })(x):totable())
      assert.same({ { 1.0, 2.0, 2.0, 4.0 } }, with({ torch = "nn.JoinTable", fields = { dimension = 1,
        nInputDims = 1 } })(
        x):totable())
      local concat = cr.load(write({ torch = "nn.Concat", fields = { dimension = 2, modules = { one, two } } }))
      assert.same({ { 1.0, 2.0, 2.0, 4.0 } }, concat(x):totable())
    end)

    it("give layers of cudnn, old statistics, and matrices of convolutions", function()
      local conv = cr.load(write({ torch = "cudnn.SpatialConvolution", fields = { nInputPlane = 2, nOutputPlane = 2,
        kW = 1,
        kH = 1, groups = 2, weight = tensor("Float", { 2, 1, 1, 1 }) } }))
      assert.equal(2, conv.groups)
      assert.is_nil(conv.bias)
      local mm = cr.load(write({ torch = "nn.SpatialConvolutionMM", fields = { nInputPlane = 1, nOutputPlane = 2,
        kW = 2,
        kH = 1, weight = tensor("Float", { 2, 2 }) } }))
      assert.same({ 2, 1, 1, 2 }, { table.unpack(mm.weight.shape) })
      local bn = cr.load(write({ torch = "nn.BatchNormalization", fields = { eps = 0.0, running_mean = tensor("Float",
        { 1 }),
        running_std = tensor("Float", { 1 }, { 0.5 }) } }))
      assert.same({ 4.0 }, bn.running_var:totable())
    end)

    it("refuse those that are not known, and those that are damaged, by name", function()
      refuses('holds a "nn.Strange", for which there is no module here', cr.load, write { torch = "nn.Strange",
        fields = {} })
      refuses('the module "nn.Linear" has no weight', cr.load, write { torch = "nn.Linear", fields = {} })
      refuses('the module "nn.SpatialConvolution" has no number nInputPlane', cr.load,
        write { torch = "nn.SpatialConvolution", fields = {} })
      refuses("where 4 elements belong", cr.load, write { torch = "nn.SpatialConvolution", fields = { nInputPlane = 1,
        nOutputPlane = 4, kW = 1, kH = 1, weight = tensor("Float", { 2 }) } })
      local own = { torch = "nn.Sequential", fields = { modules = {} } }
      own.fields.modules[1] = own
      refuses("a part of itself", cr.load, write(own))
      local x = cr.load(write({ c = { torch = "nn.MSECriterion", fields = { sizeAverage = true } } }))
      assert.same({ __class = "nn.MSECriterion", sizeAverage = true }, x.c)
    end)
  end)

  it("that are none, or were cut short, are refused", function()
    refuses('load: ".*x.t7": .*ends inside a number', cr.load, folder.write("x.t7", "\1\0\0\0"))
    refuses("is no file of Torch7", cr.load, folder.write("x.t7", ""))
    refuses("unknown kind 77", cr.load, folder.write("x.t7", string.pack("<i4", 77)))
    refuses("holds a function", cr.load, folder.write("x.t7", string.pack("<i4i4", 8, 1)))
    refuses("ends inside a text", cr.load, folder.write("x.t7", string.pack("<i4i4", 2, 1 << 30) .. "abc"))
    refuses("ends inside a text", cr.load, folder.write("x.t7", string.pack("<i4i4", 2, -1) .. "abc"))
    refuses("ends inside a text", cr.load, folder.write("x.t7", "2\n100\nabc"))
    refuses('has "x" where an integer belongs', cr.load, folder.write("x.t7", "2\nx\nabc"))
    refuses("a table of negative size", cr.load, folder.write("x.t7", string.pack("<i4i4i4", 3, 1, -1)))
    refuses("a table with a key that is none", cr.load, folder.write("x.t7", string.pack("<i4i4i4i4i4", 3, 1, 1, 0, 0)))
    refuses("nested deeper than 180", cr.load, folder.write("x.t7", (string.pack("<i4", 3) .. string.pack("<i4i4i4d",
      1, 1,
      1, 1)):rep(1) .. (function()
        local s = {}
        for i = 2, 300 do s[#s + 1] = string.pack("<i4i4i4i4d", 3, i, 1, 1, 1) end
        return table.concat(s)
      end)()))
    refuses("ends inside a storage of 1000 elements", cr.load, write { torch = "torch.FloatStorage", data = { 1 },
      claimed = 1000 })
    refuses("ends inside a storage of 1000 elements", cr.load, write({ torch = "torch.FloatStorage", data = { 1 },
      claimed = 1000 }, true))
    refuses("negative size", cr.load, write { torch = "torch.FloatStorage", data = {}, claimed = -1 })
    local base = storage("Float", { 1, 2, 3 })
    local function view(size, stride, offset)
      return { torch = "torch.FloatTensor", size = size, stride = stride, offset = offset, storage = base }
    end
    refuses("reaches beyond its storage of 3", cr.load, write(view({ 2, 2 }, { 2, 1 }, 1)))
    refuses("reaches beyond its storage of 3", cr.load, write(view({ 1 }, { 1 }, 0)))
    refuses("reaches beyond its storage of 3", cr.load, write(view({ 2 }, { 1 << 39 }, 1)))
    refuses("with strides {%-1}", cr.load, write(view({ 2 }, { -1 }, 2)))
    refuses("of shape {%-1}", cr.load, write(view({ -1 }, { 1 }, 1)))
    refuses("whose storage is none", cr.load, write { torch = "torch.FloatTensor", size = { 1 }, stride = { 1 },
      offset = 1,
      storage = storage("Double", { 1 }) })
  end)
end)
