-- npy_spec.lua: NumPy's files of one array and of several, both ways, and what is no such file.
--
-- The files under spec/io were written by NumPy (spec/io/record.py).

local cr = require "cresset"
local scratch = require "spec.support.scratch"
local refuses = require "spec.support.refuses"

local folder

local function made(descr, order, shape, data)
  local header = ("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n"):format(descr, order, shape)
  return folder.write("made.npy", "\x93NUMPY\1\0" .. string.pack("<I2", #header) .. header .. (data or ""))
end

describe("npy", function()
  before_each(function() folder = scratch.new() end)
  after_each(function() folder.remove() end)

  it("is read in every dtype and order", function()
    local halves, less = { { 0.0, 0.5, 1.0 }, { 1.5, 2.0, 2.5 } }, { { -2, -1, 0 }, { 1, 2, 3 } }
    local cases = {
      f8 = { "float64", halves }, f4 = { "float32", halves }, f2 = { "float16", halves }, i8 = { "int64", less },
      i4 = { "int32", less }, i2 = { "int16", less }, i1 = { "int8", less },
      u1 = { "uint8", { { 0, 1, 2 }, { 3, 4, 5 } } },
      u2 = { "uint16", { { 65530, 65531, 65532 }, { 65533, 65534, 65535 } } },
      u4 = { "uint32", { { 4294967290, 4294967291, 4294967292 }, { 4294967293, 4294967294, 4294967295 } } },
      u8 = { "uint64", { { 0, 1, 2 }, { 3, 4, 5 } } },
      b1 = { "bool", { { true, false, true }, { false, true, false } } },
      big_f8 = { "float64", halves }, big_i2 = { "int16", less },
      columns = { "float32", { { 0.0, 1.0, 2.0 }, { 3.0, 4.0, 5.0 } } },
      big_columns = { "int32", { { 0, 1, 2 }, { 3, 4, 5 } } },
      scalar = { "float32", 2.5 }, empty = { "float32", {} }, line = { "int64", { 0, 1, 2 } },
    }
    for name, case in pairs(cases) do
      local x = cr.load("spec/io/" .. name .. ".npy")
      assert.equal(case[1], x.dtype, name)
      assert.same(case[2], x:totable(), name)
      assert.is_nil(x.grad_fn)
      assert.is_true(x.is_leaf)
    end
    assert.same({ 0, 3 }, { table.unpack(cr.load("spec/io/empty.npy").shape) })
    assert.is_false(cr.load("spec/io/columns.npy"):is_contiguous())
  end)

  it("refuses by name what has no dtype here", function()
    refuses("structured.npy\": holds a structured array", cr.load, "spec/io/structured.npy")
    refuses("holds Python objects", cr.load, "spec/io/object.npy")
    refuses("holds complex numbers %(dtype \"<c8\"%)", cr.load, "spec/io/complex.npy")
    refuses("holds strings", cr.load, "spec/io/text.npy")
    refuses("holds dates", cr.load, "spec/io/date.npy")
  end)

  it("comes back as it was saved, whatever the layout", function()
    for _, x in ipairs {
      cr.arange(0, 6):view(2, 3), cr.arange(0, 6):view(2, 3):t(), cr.tensor(1.5), cr.zeros { 0, 4 },
      cr.tensor { true, false }, cr.tensor({ 1, 65535 }, { dtype = "uint16" }), cr.tensor({ -1 }, { dtype = "uint64" }),
      cr.tensor({ 1.5 }, { dtype = "float16" }), cr.ones({ 2 }, { requires_grad = true }),
      cr.arange(0, 9)[{ { 1, 9, 2 } }],
    } do
      cr.save(folder "x.npy", x)
      local y = cr.load(folder "x.npy")
      assert.equal(x.dtype, y.dtype)
      assert.same(x:totable(), y:totable())
      assert.same({ table.unpack(x.shape) }, { table.unpack(y.shape) })
      assert.equal(0, (folder.read("x.npy"):find("\n", 1, true)) % 64) -- where the elements begin
    end
    assert.equal("\x93NUMPY\1\0\x76\0{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }",
      (function()
        cr.save(folder "y.npy", cr.tensor { 1, 2 })
        return folder.read("y.npy"):match "^[^ ]+ [^}]+}"
      end)())
    refuses("save: NumPy has no bfloat16", cr.save, folder "b.npy", cr.ones({ 1 }, { dtype = "bfloat16" }))
    refuses("save: a .npy file holds one tensor, got a table", cr.save, folder "b.npy", {})
  end)

  it("refuses files that are none", function()
    refuses("load: .*: is no npy file", cr.load, folder.write("a.npy", "text"))
    refuses("is no npy file", cr.load, folder.write("a.npy", ""))
    refuses("is of version 9", cr.load, folder.write("a.npy", "\x93NUMPY\9\0\1\0 "))
    refuses("ends inside the header", cr.load, folder.write("a.npy", "\x93NUMPY\1\0\255\255{"))
    refuses("ends inside the length", cr.load, folder.write("a.npy", "\x93NUMPY\2\0\1\0"))
    refuses("the header has no 'descr'", cr.load, folder.write("a.npy", "\x93NUMPY\1\0\2\0{}"))
    refuses("has 3 bytes of elements, and shape {2} of float32 needs 8", cr.load, made("<f4", "False", "(2,)", "abc"))
    refuses("needs more than there can be", cr.load, made("<f4", "False", "(1152921504606846976,)", "abc"))
    refuses("is said to be of shape", cr.load, made("<f4", "False", "(4294967296, 4294967296, 4294967296)"))
    refuses("'shape' is no", cr.load, made("<f4", "False", "(99999999999999999999,)"))
    refuses("'fortran_order' is nothing that is known", cr.load, made("<f4", "maybe", "(1,)"))
    refuses("elements of an unknown kind", cr.load, made("<x4", "False", "(1,)"))
    assert.same({ 97 }, cr.load(made("|u1", "True", "(1,)", "a")):totable())
  end)
end)

describe("npz", function()
  before_each(function() folder = scratch.new() end)
  after_each(function() folder.remove() end)

  it("is read, stored and deflated", function()
    for _, options in ipairs { {}, { lazy = true } } do
      local x = cr.load("spec/io/stored.npz", options)
      assert.same({ { 0, 1, 2 }, { 3, 4, 5 } }, x.weight:totable())
      assert.equal("float32", x.weight.dtype)
      assert.same({ 0, 1, 2 }, x.bias:totable())
      local y = cr.load("spec/io/deflated.npz", options)
      assert.same({ 100, 100 }, { table.unpack(y.weight.shape) })
      assert.equal(0, y.weight:abs():sum():item())
      assert.same({ { 0, 1, 2 }, { 3, 4, 5 } }, y.bias:totable())
      local z = cr.load("spec/io/mixed.npz", options)
      assert.equal("a note", z["note.txt"])
      assert.same({ -2, -1, 0 }, z.i2[1]:totable())
    end
  end)

  it("comes back as it was saved", function()
    for _, compressed in ipairs { false, true } do
      local value = { a = cr.arange(0, 1000), ["b.c"] = cr.zeros(100, 100), ["é"] = cr.tensor(1.5) }
      value.none = cr.zeros { 0 }
      cr.save(folder "x.npz", value, { compressed = compressed })
      local x = cr.load(folder "x.npz")
      for name, t in pairs(value) do assert.is_true(t:equal(x[name])) end
      assert.equal(compressed, #folder.read "x.npz" < 8000)
    end
    cr.save(folder "e.npz", {})
    assert.same({}, (cr.load(folder "e.npz")))
    refuses("save: a .npz file holds a table of tensors, got a tensor", cr.save, folder "x.npz", cr.ones(1))
    refuses("save: x is a number; a .npz file holds tensors only", cr.save, folder "x.npz", { x = 1 })
    refuses("names of arrays in a .npz file are strings", cr.save, folder "x.npz", { cr.ones(1) })
  end)

  it("refuses archives that are damaged, with the name of the member", function()
    local bytes = assert(io.open("spec/io/stored.npz", "rb")):read "a"
    local deflated = assert(io.open("spec/io/deflated.npz", "rb")):read "a"
    local function with(text, at, piece)
      return folder.write("x.npz", text:sub(1, at) .. piece .. text:sub(at + #piece + 1))
    end
    refuses("is no zip archive, or was cut short", cr.load, folder.write("x.npz", bytes:sub(1, -10)))
    refuses("is no zip archive", cr.load, folder.write("x.npz", ""))
    local place = bytes:find("\n", 1, true) + 1
    refuses('member "weight.npy" is damaged: its check sum is another', cr.load, with(bytes, place, "\7"))
    local directory = bytes:find("PK\1\2", 1, true) - 1
    refuses("its directory is damaged", cr.load, with(bytes, directory, "XX"))
    refuses("is encrypted", cr.load, with(bytes, directory + 8, "\1"))
    refuses("is compressed by method 12", cr.load, with(bytes, directory + 10, "\12"))
    refuses("is said to have %d+ bytes out of", cr.load, with(bytes, directory + 24, "\255\255\255"))
    refuses("is not where it should be", cr.load, with(bytes, directory + 42, "\9"))
    directory = deflated:find("PK\1\2", 1, true) - 1
    refuses("the compressed bytes are more than the %d+ announced", cr.load, with(deflated, directory + 24, "\1\0"))
    refuses("is said to have %d+ bytes out of", cr.load, with(deflated, directory + 24, "\255\255\255\127"))
    local inside = deflated:find("weight.npy", 1, true) + 40
    refuses('member "weight.npy"', cr.load, with(deflated, inside, "\255\255\255"))
  end)
end)
