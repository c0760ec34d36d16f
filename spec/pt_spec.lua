-- pt_spec.lua: what torch.save writes, read and written, and pickles that ask for more than plain values.
--
-- The files under spec/io were written by PyTorch (spec/io/record.py); hostile ones are made here, opcode by opcode.

local cr = require "cresset"
local scratch = require "spec.support.scratch"
local archive = require "spec.support.archive"
local refuses = require "spec.support.refuses"

local folder

local function pickled(text, data)
  return folder.write("x.pt", archive { { "x/data.pkl", text }, { "x/data/0", data or "" } })
end

-- A tensor over storage 0 of floats.
local function tensor(offset, size, stride, count)
  local function tuple(list)
    local text = "("
    for _, n in ipairs(list) do text = text .. "J" .. string.pack("<i4", n) end
    return text .. "t"
  end
  return "\x80\2ctorch._utils\n_rebuild_tensor_v2\n((U\7storagectorch\nFloatStorage\nU\0010U\3cpuK"
    .. string.char(count or 4) .. "tQJ" .. string.pack("<i4", offset) .. tuple(size) .. tuple(stride) .. "\x89}tR."
end

describe("torch.save's files", function()
  before_each(function() folder = scratch.new() end)
  after_each(function() folder.remove() end)

  it("give tensors of every dtype, and plain values", function()
    local x = cr.load "spec/io/all.pt"
    for name, case in pairs {
      F64 = { "float64", { 1.5, -2.0 } }, F32 = { "float32", { 1.5, -2.0 } }, F16 = { "float16", { 1.5, -2.0 } },
      BF16 = { "bfloat16", { 1.5, -2.0 } }, I64 = { "int64", { 1, math.maxinteger } }, I32 = { "int32", { 1, -2 } },
      I16 = { "int16", { 1, -2 } }, I8 = { "int8", { 1, -2 } }, U8 = { "uint8", { 1, 255 } },
      BOOL = { "bool", { true, false } }, U16 = { "uint16", { 1, 65535 } }, U64 = { "uint64", { 1, -1 } },
      scalar = { "float32", 7.0 }, turned = { "float32", { { 0.0, 3.0 }, { 1.0, 4.0 }, { 2.0, 5.0 } } },
      row = { "float32", { 2.0, 3.0, 4.0 } }, even = { "float32", { 0.0, 2.0, 4.0, 6.0, 8.0 } },
      parameter = { "float32", { 3.0 } },
    } do
      assert.equal(case[1], x[name].dtype, name)
      assert.same(case[2], x[name]:totable(), name)
    end
    assert.same({ 0, 3 }, { table.unpack(x.empty.shape) })
    assert.same({ 2, 3 }, x.size)
    assert.equal("float16", x.dtype)
    assert.equal("cpu", x.device)
    assert.same({ list = { 1, 2.5, "three", false, { true, false } }, [0] = "zero" }, x.nested)
    assert.equal(1 << 40, x.long)
    assert.is_nil(x.none)
    assert.equal("é", x.text)
  end)

  it("share memory as they did", function()
    local x = cr.load "spec/io/all.pt"
    assert.equal(x.tied, x.again)
    assert.is_false(x.turned:is_contiguous())
    x.row:fill_(-1)
    assert.same({ 0.0, -1.0, -1.0, 6.0, 8.0 }, x.even:totable())
    assert.is_true(x.row.is_leaf)
    assert.equal(5.0, cr.load("spec/io/all.pt").turned[{ 3, 2 }]:item())
  end)

  it("give state dictionaries of models and optimizers", function()
    local state = cr.load "spec/io/net.pth"
    assert.same({ 2, 1, 3, 3 }, { table.unpack(state["0.weight"].shape) })
    assert.same({ 3, 8 }, { table.unpack(state["3.weight"].shape) })
    assert.equal("int64", state["1.num_batches_tracked"].dtype)
    assert.same({ 0.0, 0.0 }, state["1.running_mean"]:totable())
    local x = cr.load("spec/io/checkpoint.pt", { dtype = "float64" })
    assert.equal("float64", x.model["0.weight"].dtype)
    assert.equal(0.5, x.optimizer.param_groups[1].lr)
    assert.same({ 0, 1, 2, 3, 4, 5 }, x.optimizer.param_groups[1].params)
    assert.same({ 3, 8 }, { table.unpack(x.optimizer.state[4].exp_avg.shape) })
    assert.equal(1.0, x.optimizer.state[0].step:item())
  end)

  it("refuse modules and old files by name", function()
    refuses('module.pt": the pickle asks for "torch.nn.modules.container.Sequential", which is not among the names '
      .. "that are allowed: nothing of it was run", cr.load, "spec/io/module.pt")
    refuses("was written by PyTorch before 1.6", cr.load, "spec/io/legacy.pt")
    refuses("is no zip archive", cr.load, folder.write("x.pt", "text"))
    refuses("has no member data.pkl", cr.load, folder.write("x.pt", archive { { "a", "b" } }))
  end)

  it("come back as they were saved", function()
    local w = cr.arange(0, 6):view(2, 3)
    local value = { a = { b = w, again = w }, list = { 1, 2.5, "x", true }, big = 1 << 40, t = w:t(),
      truths = cr.tensor { true }, none = cr.zeros { 0, 2 }, scalar = cr.tensor(1.5), [3] = "three", empty = {} }
    cr.save(folder "x.pt", value)
    local x = cr.load(folder "x.pt")
    assert.is_true(x.a.b:equal(w))
    assert.equal(x.a.b, x.a.again)
    assert.same(value.list, x.list)
    assert.same({ 1 << 40, "three", {} }, { x.big, x[3], x.empty })
    assert.is_true(x.t:equal(w:t()))
    assert.same({ { true }, 1.5 }, { x.truths:totable(), x.scalar:item() })
    assert.same({ 0, 2 }, { table.unpack(x.none.shape) })
    refuses('save: x%["a"%] is a function', cr.save, folder "y.pt", { a = print })
    refuses("of uint16, which a .pt file does not take", cr.save, folder "y.pt", cr.zeros({ 1 }, { dtype = "uint16" }))
    local cycle = {}
    cycle.x = cycle
    refuses("or a table that it stands in", cr.save, folder "y.pt", cycle)
    assert.same({ "x.pt" }, folder.names())
  end)

  describe("that mean harm", function()
    it("run nothing", function()
      refuses('asks for "os.system"', cr.load, pickled "\x80\2cos\nsystem\n(U\2lstR.")
      refuses('asks for "builtins.eval"', cr.load, pickled "\x80\4\x8c\8builtins\x8c\4eval\x93(\x8c\0011tR.")
      refuses('asks for "posix.system"', cr.load, pickled "\x80\2cposix\nsystem\n.")
      refuses("opcode 0x69", cr.load, pickled "\x80\2(ios\nsystem\n.")
      refuses("calls what is no function", cr.load, pickled "\x80\2ctorch\nFloatStorage\n)R.")
      refuses("calls what is no function", cr.load, pickled "\x80\2K\1)R.")
      refuses("calls with what is no tuple", cr.load, pickled "\x80\2ccollections\nOrderedDict\nK\1R.")
      refuses("leaves a name of Python", cr.load, pickled "\x80\2ctorch\nFloatStorage\n.")
    end)

    it("are refused where they are damaged", function()
      refuses("has no end", cr.load, pickled "\x80\2")
      refuses("takes from an empty stack", cr.load, pickled "\x80\2.")
      refuses("ends inside a string", cr.load, pickled("\x80\2X" .. string.pack("<I4", 1 << 31) .. "abc"))
      refuses("ends inside a string", cr.load, pickled("\x80\4\x8d" .. string.pack("<i8", -1) .. "abc"))
      refuses("ends inside an opcode", cr.load, pickled "\x80\2J\1")
      refuses("ends inside a line", cr.load, pickled "\x80\2cabc")
      refuses("has no mark", cr.load, pickled "\x80\2t.")
      refuses("recalls what it has not seen", cr.load, pickled "\x80\2h\7.")
      refuses("remembers what is not there", cr.load, pickled "\x80\2q\7.")
      refuses("appends to what is no list", cr.load, pickled "\x80\2K\1K\2a.")
      refuses("sets items of what is no dict", cr.load, pickled "\x80\2K\1K\2K\3s.")
      refuses("keys that are no strings", cr.load, pickled "\x80\2}]K\1s.")
      refuses("more than 64 bits", cr.load, pickled("\x80\2\x8a\20" .. ("\7"):rep(20) .. "."))
      refuses("of protocol 9", cr.load, pickled "\x80\9.")
      refuses("refers to something else", cr.load, pickled "\x80\2K\1Q.")
      refuses("gives a state to what takes none", cr.load, pickled "\x80\2K\1}b.")
    end)

    it("may have bytes in older protocols", function()
      assert.equal("\0\255a", (cr.load(pickled "\x80\2c_codecs\nencode\nX\4\0\0\0\0\xc3\xbfaX\6\0\0\0latin1\x86R.")))
      refuses("bytes that are none", cr.load, pickled "\x80\2c_codecs\nencode\nX\2\0\0\0abX\3\0\0\0rot\x86R.")
    end)

    it("cannot reach beyond their storages", function()
      local data = string.pack("<ffff", 1, 2, 3, 4)
      assert.same({ { 1.0, 3.0 }, { 2.0, 4.0 } }, cr.load(pickled(tensor(0, { 2, 2 }, { 1, 2 }), data)):totable())
      assert.same({ 2.0, 2.0 }, cr.load(pickled(tensor(1, { 2 }, { 0 }), data)):totable())
      refuses("reaches beyond its storage", cr.load, pickled(tensor(1, { 2, 2 }, { 1, 2 }), data))
      refuses("reaches beyond its storage", cr.load, pickled(tensor(4, { 1 }, { 1 }), data))
      refuses("reaches beyond its storage", cr.load, pickled(tensor(0, { 0x7fffffff, 0x7fffffff }, { 0x7fffffff, 1 }),
        data))
      refuses("has a tensor of shape", cr.load, pickled(tensor(0, { 0x7fffffff, 0x7fffffff, 0x7fffffff }, { 0, 0, 0 }),
        data))
      refuses("has a tensor that is none", cr.load, pickled(tensor(0, { -1 }, { 1 }), data))
      refuses("has a tensor that is none", cr.load, pickled(tensor(-1, { 1 }, { 1 }), data))
      refuses("has a tensor that is none", cr.load, pickled(tensor(0, { 1 }, { -1 }), data))
      refuses("has a tensor that is none", cr.load, pickled(tensor(0, { 1 }, { 1, 1 }), data))
      refuses("which is not there", cr.load, folder.write("x.pt", archive { { "x/data.pkl",
        tensor(0, { 1 }, { 1 }) } }))
      local whole = archive { { "x/data.pkl", "\x80\2K\1." } }
      refuses("check sum", cr.load, folder.write("x.pt", (whole:gsub("K\1%.", "K\2."))))
    end)

    it("may come from a machine with the other order of bytes", function()
      local path = folder.write("x.pt", archive { { "x/data.pkl", tensor(1, { 2 }, { 2 }) }, { "x/byteorder", "big" },
        { "x/data/0", string.pack(">ffff", 1, 2, 3, 4) } })
      assert.same({ 2.0, 4.0 }, cr.load(path):totable())
    end)

    it("take no more time than their bytes", function()
      local text = "\x80\2]q\0" -- lists of lists, each with the one before twice
      for i = 1, 60 do
        text = text .. "](h" .. string.char(i - 1) .. "h" .. string.char(i - 1) .. "eq" .. string.char(i)
      end
      local x = cr.load(pickled(text .. "."))
      assert.equal(x[1], x[2])
      local own = cr.load(pickled "\x80\2]q\0h\0a.") -- a list that contains itself
      assert.equal(own, own[1])
    end)
  end)
end)
