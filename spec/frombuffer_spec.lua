-- frombuffer_spec.lua: tensors of the bytes of strings and files, and bytes of tensors.

local cr = require "cresset"
local scratch = require "spec.support.scratch"
local refuses = require "spec.support.refuses"

describe("frombuffer", function()
  it("reads numbers of a string", function()
    local bytes = string.pack("<ffff", 1.5, -2, 0.25, 8)
    local x = cr.frombuffer(bytes, "float32")
    assert.equal("float32", x.dtype)
    assert.same({ 1.5, -2.0, 0.25, 8.0 }, x:totable())
    assert.same({ { 1.5, -2.0 }, { 0.25, 8.0 } }, cr.frombuffer(bytes, "float32", { 2, 2 }):totable())
    assert.same({ 1.5, -2.0 }, cr.frombuffer(bytes, "float32", 2):totable())
    assert.same({ -2.0, 0.25 }, cr.frombuffer(bytes, "float32", { 2 }, { offset = 4 }):totable())
    assert.same({ -2.0 }, cr.frombuffer(bytes, "float32", { offset = 4, count = 1 }):totable())
    assert.same({ 97, 98 }, cr.frombuffer("ab", "uint8"):totable())
    assert.same({ true, false }, cr.frombuffer("\7\0", "bool"):totable())
    assert.equal(1, cr.frombuffer("\7\0", "bool"):sum():item())
    assert.same({ 0, 3 }, { table.unpack(cr.frombuffer("", "int64", { 0, 3 }).shape) })
    assert.equal(0, cr.frombuffer("", "int64"):numel())
    assert.equal(-1, cr.frombuffer(("\255"):rep(8), "uint64"):item())
    assert.equal(25185, cr.frombuffer("xab", "uint16", { 1 }, { offset = 1 }):item()) -- not aligned
  end)

  it("leaves the string as it is, whatever is written", function()
    local bytes = "\1\2\3"
    local x = cr.frombuffer(bytes, "uint8")
    x:add_(1)
    assert.equal("\1\2\3", bytes)
    assert.equal("\2\3\4", x:tobytes())
  end)

  it("maps an open file, which stays as it is", function()
    local folder = scratch.new()
    local path = folder.write("x.bin", "head" .. string.pack("<i4i4i4", 1, -2, 3))
    local file <close> = io.open(path, "rb")
    local x = cr.frombuffer(file, "int32", { 3 }, { offset = 4 })
    file:close()
    assert.same({ 1, -2, 3 }, x:totable())
    x:add_(1)
    assert.same({ 2, -1, 4 }, x:totable())
    assert.equal("head" .. string.pack("<i4i4i4", 1, -2, 3), folder.read "x.bin")
    refuses("frombuffer: the file is closed", cr.frombuffer, file, "int32")
    folder.remove()
    assert.same({ 2, -1, 4 }, x:totable())
  end)

  it("refuses what does not fit, naming the argument", function()
    refuses("frombuffer: the 3 bytes are no whole number of elements of 4 bytes", cr.frombuffer, "abc", "float32")
    refuses("frombuffer: float32 of shape {2} needs 8 bytes, and there are 4 from offset 0 on", cr.frombuffer, "abcd",
      "float32", { 2 })
    refuses("frombuffer: offset 9 is beyond the 4 bytes", cr.frombuffer, "abcd", "uint8", nil, { offset = 9 })
    refuses("frombuffer: the source must be a string of bytes or a file of io.open, got a table", cr.frombuffer, {},
      "uint8")
    refuses("frombuffer: dtype must be a dtype, got", cr.frombuffer, "ab", "uint7")
    refuses("frombuffer: shape must have sizes from 0, got {%-1}", cr.frombuffer, "ab", "uint8", { -1 })
    refuses("frombuffer: there is no option 'ofset'; there are: count, offset", cr.frombuffer, "ab", "uint8", nil,
      { ofset = 1 })
    refuses("frombuffer: count must be an integer from 0", cr.frombuffer, "ab", "uint8", nil, { count = -1 })
  end)
end)

describe("tobytes", function()
  it("gives the elements in row-major order", function()
    assert.equal(string.pack("<ff", 1.5, -2), cr.tensor({ 1.5, -2.0 }):tobytes())
    assert.equal("\1\3\2\4", cr.tensor({ { 1, 2 }, { 3, 4 } }, { dtype = "uint8" }):t():tobytes())
    assert.equal(string.pack("<i8", 7), cr.tensor(7):tobytes())
    assert.equal("", cr.zeros({ 0, 2 }):tobytes())
    assert.equal("\1\0", cr.tensor({ true, false }):tobytes())
    assert.equal(string.pack("<ff", 1, 1), cr.ones({ 2 }, { requires_grad = true }):tobytes())
    local x = cr.randn(5, 7)
    assert.is_true(cr.frombuffer(x:t():tobytes(), "float32", { 7, 5 }):equal(x:t()))
    refuses("tobytes: self must be a tensor", x.tobytes, 3)
  end)
end)

describe("dlpack", function()
  it("hands a tensor over without copying, and lets it go at the end", function()
    local x = cr.arange(0, 6):view(2, 3):t()
    for _, versioned in ipairs { true, false } do
      local y = cr.from_dlpack(cr.to_dlpack(x, { versioned = versioned }))
      assert.same(x:totable(), y:totable())
      assert.equal(x.dtype, y.dtype)
      y:add_(1)
      assert.same(x:totable(), y:totable())
    end
    for _, dtype in ipairs { "float16", "bfloat16", "bool", "uint8", "uint64", "int16", "float64" } do
      assert.equal(dtype, cr.from_dlpack(cr.to_dlpack(cr.zeros({ 2 }, { dtype = dtype }))).dtype)
    end
    assert.same({ 0, 3 }, { table.unpack(cr.from_dlpack(cr.to_dlpack(cr.zeros { 0, 3 })).shape) })
  end)

  it("gives a capsule once only", function()
    local c = cr.to_dlpack(cr.ones(2))
    cr.from_dlpack(c)
    refuses("from_dlpack: the capsule is empty", cr.from_dlpack, c)
    local pointer, versioned = cr.to_dlpack(cr.ones(3)):release()
    assert.equal("userdata", type(pointer))
    assert.equal(3, cr.from_dlpack(pointer, { versioned = versioned }):sum():item())
  end)

  it("keeps the memory as long as somebody needs it", function()
    collectgarbage()
    local before = cr.memory.stats("cpu").allocated
    do
      local y = cr.from_dlpack(cr.to_dlpack(cr.ones(100000)))
      collectgarbage()
      assert.equal(100000, y:sum():item())
      cr.to_dlpack(cr.ones(100000)) -- nobody takes it
    end
    collectgarbage()
    collectgarbage()
    assert(cr.memory.stats("cpu").allocated < before + 300000)
  end)

  it("refuses tensors that require grad, and what is no capsule", function()
    refuses("to_dlpack: the tensor requires grad", cr.to_dlpack, cr.ones({ 2 }, { requires_grad = true }))
    refuses("from_dlpack: needs a capsule of to_dlpack", cr.from_dlpack, "x")
    refuses("to_dlpack: self must be a tensor", cr.to_dlpack, 3)
  end)
end)
