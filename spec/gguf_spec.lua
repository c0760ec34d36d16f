-- gguf_spec.lua: files of ggml and llama.cpp: metadata, tensors, quantized ones, and what is no such file.
--
-- small.gguf and quantized.npz under spec/io were written by PyPI's gguf (spec/io/record.py); the others are made here.

local cr = require "cresset"
local scratch = require "spec.support.scratch"
local refuses = require "spec.support.refuses"

local folder

local function text(s) return string.pack("<s8", s) end
local function info(name, shape, kind, offset)
  local s = text(name) .. string.pack("<I4", #shape)
  for _, n in ipairs(shape) do s = s .. string.pack("<i8", n) end
  return s .. string.pack("<I4i8", kind, offset)
end

-- A file of these entries: metadata and infos as texts.
local function file(metadata, infos, data)
  local head = "GGUF" .. string.pack("<I4i8i8", 3, #infos, #metadata) .. table.concat(metadata) .. table.concat(infos)
  return folder.write("x.gguf", head .. ("\0"):rep(-#head % 32) .. (data or ""))
end

describe("a GGUF file", function()
  before_each(function() folder = scratch.new() end)
  after_each(function() folder.remove() end)

  it("gives its metadata as a second result, where it is asked for", function()
    local _, m = cr.load("spec/io/small.gguf", { metadata = true })
    assert.same({ ["general.architecture"] = "llama", ["general.description"] = "a small file",
      ["x.u64"] = math.mininteger + 1, ["x.i32"] = -5, ["x.f32"] = 1.5, ["x.bool"] = true, ["x.list"] = { "a", "b" },
      ["x.ints"] = { 1, 2, 3 } }, m)
  end)

  it("gives tensors, and numbers of quantized ones", function()
    for _, options in ipairs { {}, { lazy = true } } do
      local x = cr.load("spec/io/small.gguf", options)
      assert.same({ { 0.0, 0.5, 1.0 }, { 1.5, 2.0, 2.5 } }, x.f32:totable())
      assert.equal("float16", x.f16.dtype)
      assert.same({ { 0, 0, 1 }, { 1, 2, 2 } }, x.i32:totable())
      for name, wanted in pairs(cr.load "spec/io/quantized.npz") do
        assert.same({ table.unpack(wanted.shape) }, { table.unpack(x[name].shape) })
        assert.is_true(x[name]:equal(wanted), name)
      end
    end
    assert.equal("float16", cr.load("spec/io/small.gguf", { dtype = "float16" }).q4_K.dtype)
  end)

  it("may have a block of each kind that is told by hand", function()
    local half = string.pack("<I2", 0x4000) -- 2
    local q8 = half
    for i = 1, 32 do q8 = q8 .. string.pack("b", i - 17) end
    local q4 = half .. ("\x80"):rep(16) -- 0 in the low bits, 8 in the high ones
    local x = cr.load(file({}, { info("a", { 32 }, 8, 0), info("b", { 32 }, 2, 64) }, q8 .. ("\0"):rep(30) .. q4))
    local first, second = x.a:totable(), x.b:totable()
    assert.same({ -32.0, -30.0, 30.0 }, { first[1], first[2], first[32] })
    assert.same({ -16.0, -16.0, 0.0, 0.0 }, { second[1], second[16], second[17], second[32] })
  end)

  it("is refused where it is damaged", function()
    refuses('load: ".*x.gguf": is no GGUF file', cr.load, folder.write("x.gguf", "GGML" .. ("\0"):rep(30)))
    refuses("is no GGUF file", cr.load, folder.write("x.gguf", ""))
    refuses("is of version 1 of GGUF", cr.load, folder.write("x.gguf", "GGUF\1\0\0\0" .. ("\0"):rep(16)))
    refuses("big endian", cr.load, folder.write("x.gguf", "GGUF\0\0\0\3" .. ("\0"):rep(16)))
    refuses("too large a count of tensors", cr.load, folder.write("x.gguf", "GGUF" .. string.pack("<I4i8i8", 3,
      1 << 40, 0)))
    refuses("too large a count of metadata", cr.load, folder.write("x.gguf", "GGUF" .. string.pack("<I4i8i8", 3, 0,
      -1)))
    refuses("too large a count of a key", cr.load, folder.write("x.gguf", "GGUF" .. string.pack("<I4i8i8i8", 3, 0, 1,
      1 << 50)
      .. ("\0"):rep(32)))
    refuses('has the key "a" twice', cr.load, file({ text "a" .. "\0\0\0\0\1", text "a" .. "\0\0\0\0\1" }, {}))
    refuses("values of the unknown kind 99", cr.load, file({ text "a" .. string.pack("<I4", 99) }, {}))
    refuses("too large a count of elements", cr.load, file({ text "a" .. string.pack("<I4I4i8", 9, 4, 1 << 40) }, {}))
    refuses("nested deeper", cr.load, file({ text "a" .. string.pack("<I4", 9) .. string.pack("<I4i8", 9,
      1):rep(20) }, {}))
    refuses('tensor "a" is said to have 99 dims', cr.load, file({}, { text "a" .. string.pack("<I4", 99)
      .. ("\0"):rep(40) }))
    refuses('tensor "a" is said to be of shape', cr.load, file({}, { info("a", { -1 }, 0, 0) }, "abcd"))
    refuses('tensor "a" is said to be of shape', cr.load, file({}, { info("a", { 1 << 40, 1 << 40 }, 0, 0) }, "abcd"))
    refuses("is of kind q2_K, which is not known", cr.load, file({}, { info("a", { 256 }, 10, 0) }, ("\0"):rep(84)))
    refuses("has no whole blocks of 32", cr.load, file({}, { info("a", { 31 }, 8, 0) }, ("\0"):rep(34)))
    refuses('tensor "a" does not lie in', cr.load, file({}, { info("a", { 2 }, 0, 0) }, "abcd"))
    refuses('tensor "a" does not lie in', cr.load, file({}, { info("a", { 1 }, 0, 1) }, "abcdefgh"))
    refuses('tensor "a" does not lie in', cr.load, file({}, { info("a", { 1 }, 0, -32) }, "abcd"))
    refuses('has tensor "a" twice', cr.load, file({}, { info("a", { 1 }, 0, 0), info("a", { 1 }, 0, 32) },
      ("\0"):rep(40)))
    refuses("overlaps another one", cr.load, file({}, { info("a", { 1 }, 0, 0), info("b", { 1 }, 0, 0) }, "abcd"))
    refuses("an alignment that is none", cr.load, file({ text "general.alignment" .. string.pack("<I4I4", 4, 0) }, {}))
  end)
end)
