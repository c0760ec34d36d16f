-- safetensors_spec.lua: files of tensors and of nested tables: what is written, what is read, what is refused.
--
-- all.safetensors under spec/io was written by Python's safetensors (spec/io/record.py); the others are made here.

local cr = require "cresset"
local scratch = require "spec.support.scratch"
local refuses = require "spec.support.refuses"
local shell = require "spec.support.shell"

local folder

-- A file with a header (text) and data.
local function file(header, data)
  return folder.write("made.safetensors", string.pack("<I8", #header) .. header .. (data or ""))
end

local function entry(dtype, shape, from, to)
  return ('{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}'):format(dtype, shape, from, to)
end

local function round_trip(value, options)
  local path = folder "trip.safetensors"
  cr.save(path, value)
  return (cr.load(path, options))
end

-- As assert.same, with tensors by their elements and numbers by their kinds.
local function same(expected, got, path)
  path = path or "x"
  if cr.is_tensor(expected) then
    assert(cr.is_tensor(got), path)
    assert.equal(expected.dtype, got.dtype, path)
    assert.same({ table.unpack(expected.shape) }, { table.unpack(got.shape) }, path)
    assert.same(expected:totable(), got:totable(), path)
  elseif type(expected) == "table" then
    assert.equal("table", type(got), path)
    for key, value in pairs(expected) do same(value, got[key], ("%s[%s]"):format(path, tostring(key))) end
    for key in pairs(got) do assert(expected[key] ~= nil, path .. " has more: " .. tostring(key)) end
  else
    assert.equal(math.type(expected) or type(expected), math.type(got) or type(got), path)
    if expected == expected then assert.equal(expected, got, path) else assert(got ~= got, path) end
  end
end

describe("safetensors", function()
  before_each(function() folder = scratch.new() end)
  after_each(function() folder.remove() end)

  describe("a file from Python", function()
    it("gives its tensors, of every dtype", function()
      local x = cr.load "spec/io/all.safetensors"
      local expected = {
        F64 = { "float64", { 1.5, -2.0, 1e300 } }, F32 = { "float32", { 1.5, -2.0, 0.25 } },
        F16 = { "float16", { 1.5, -2.0, 65504.0 } }, BF16 = { "bfloat16", { 1.5, -2.0, 2.0 ^ 100 } },
        I64 = { "int64", { 1, -2, math.maxinteger } }, I32 = { "int32", { 1, -2, 2147483647 } },
        I16 = { "int16", { 1, -2, 32767 } }, I8 = { "int8", { 1, -2, 127 } }, U8 = { "uint8", { 1, 2, 255 } },
        U16 = { "uint16", { 1, 2, 65535 } }, U32 = { "uint32", { 1, 2, 4294967295 } },
        U64 = { "uint64", { 1, 2, -1 } }, BOOL = { "bool", { true, false, true } },
      }
      for name, case in pairs(expected) do
        assert.equal(case[1], x[name].dtype)
        assert.same(case[2], x[name]:totable(), name)
        x[name] = nil
      end
      assert.same({ { 0, 1, 2 }, { 3, 4, 5 } }, x.matrix:totable())
      assert.equal(7.0, x.scalar:item())
      assert.same({ 0, 3 }, { table.unpack(x.empty.shape) })
      assert.equal("b", x["a.b"] and "b")
    end)

    it("gives its metadata beside them", function()
      local _, metadata = cr.load("spec/io/all.safetensors", { metadata = true })
      assert.same({ format = "pt", note = "quotes \" and é" }, metadata)
    end)

    it("may be written to in memory, which no file sees", function()
      local before = scratch.new()
      local bytes = assert(io.open("spec/io/all.safetensors", "rb")):read "a"
      local path = before.write("a.safetensors", bytes)
      local x = cr.load(path)
      x.matrix:add_(100)
      assert.equal(105, x.matrix[{ 2, 3 }]:item())
      assert.equal(bytes, before.read "a.safetensors")
      assert.equal(5, cr.load(path).matrix[{ 2, 3 }]:item())
      before.remove()
    end)

    it("has tensors whose writes count apart", function()
      local x = cr.load "spec/io/all.safetensors"
      local w = x.F32:requires_grad_()
      local y = (w * w):sum()
      x.F64:add_(1) -- of the same file, and saved by nobody
      y:backward()
      assert.same({ 3.0, -4.0, 0.5 }, w.grad:totable())
    end)
  end)

  describe("options of load", function()
    it("convert floats only, and leave the rest", function()
      local x = cr.load("spec/io/all.safetensors", { dtype = "float64" })
      assert.equal("float64", x.F16.dtype)
      assert.equal("int32", x.I32.dtype)
      assert.equal("bool", x.BOOL.dtype)
      refuses("load: .*", cr.load, "spec/io/all.safetensors", { dtype = "int64" })
      refuses("there is no option 'dtpye'; there are: device, dtype, lazy, metadata, raw", cr.load,
        "spec/io/all.safetensors",
        { dtpye = 1 })
    end)

    it("make tensors when they are asked for", function()
      local x = cr.load("spec/io/all.safetensors", { lazy = true })
      assert.is_nil(rawget(x, "F32"))
      assert.is_nil(x.nothing)
      local w = x.F32
      assert.same({ 1.5, -2.0, 0.25 }, w:totable())
      assert.equal(w, x.F32)
      local n = 0
      for name, t in pairs(x) do n = n + (type(name) == "string" and cr.is_tensor(t) and 1 or 0) end
      assert.equal(17, n)
      x.F32 = 5
      assert.equal(5, x.F32)
      local y = round_trip({ a = { cr.ones(2), 7 }, b = "c" }, { lazy = true })
      assert.equal("c", y.b)
      assert.equal(7, y.a[2])
      assert.is_nil(rawget(y.a, 1))
      assert.equal(2, #y.a)
      assert.same({ 1.0, 1.0 }, y.a[1]:totable())
    end)
  end)

  describe("nested tables", function()
    it("come back as they were", function()
      local value = {
        model = { ["0.weight"] = cr.arange(0, 6):view(2, 3), ["0.bias"] = cr.tensor { 0.5 } },
        optimizer = { state = { { step = 3, exp_avg = cr.ones(2, 2) }, [5] = { step = 4.0 } }, lr = 1e-3 },
        epoch = 7, loss = 0.1, whole = 2.0, zero = -0.0, best = math.huge, worst = -math.huge, none = 0 / 0,
        big = math.maxinteger, small = math.mininteger, ["true"] = false, yes = true,
        list = { 1, 2.5, "three", { 4, { 5 } }, true }, empty = {}, nested = { { {} } },
        [1] = "one", [2.5] = "float", [true] = "truth", [-3] = { cr.tensor(1.5) },
        ["a.b"] = { c = cr.tensor { 1 } }, a = { ["b.c"] = cr.tensor { 2 } },
        bytes = "\0\255\n\"\\", unicode = "é\u{1F600}", ["\255"] = "odd key", text = "tab\tquote\"",
        float16 = cr.tensor({ 1.5 }, { dtype = "float16" }), truths = cr.tensor { true, false },
        view = cr.arange(0, 6):view(2, 3):t(), nothing = cr.zeros { 0, 2 }, scalar = cr.tensor(3),
        __metadata__ = cr.tensor { 9 },
      }
      same(value, round_trip(value))
    end)

    it("may be a single tensor, a number, or nothing at all", function()
      same(cr.tensor { 1, 2 }, round_trip(cr.tensor { 1, 2 }))
      same(7, round_trip(7))
      same({}, round_trip {})
      same({ {} }, round_trip { {} })
      same("text", round_trip "text")
    end)

    it("share what they shared", function()
      local w, t = cr.ones { 1000 }, { 1 }
      local x = round_trip { a = w, b = w, c = { w:view(1000) }, d = w:view(10, 100), t = t, u = t }
      assert.equal(x.a, x.b)
      assert.equal(x.a, x.c[1])
      assert.same({ 10, 100 }, { table.unpack(x.d.shape) })
      assert.equal(x.t, x.u)
      assert(#folder.read "trip.safetensors" < 2 * 4000 + 1200) -- once for each shape
      local lazy = cr.load(folder "trip.safetensors", { lazy = true })
      assert.equal(lazy.a, lazy.c[1])
    end)

    it("are refused with the path of keys where they cannot be saved", function()
      local cycle = { a = {} }
      cycle.a.b = cycle
      local path = folder "no.safetensors"
      refuses('save: x%["a"%]%["b"%] is the table that it stands in', cr.save, path, cycle)
      refuses('save: x%["f"%]%[1%] is a function', cr.save, path, { f = { print } })
      refuses('save: x%["co"%] is a thread', cr.save, path, { co = coroutine.create(print) })
      refuses("save: x%[.-%] has a table for a key", cr.save, path, { [{}] = 1 })
      refuses("is an object with methods", cr.save, path, { o = setmetatable({}, { __index = {} }) })
      local deep = {}
      local at = deep
      for _ = 1, 200 do at.x = {} at = at.x end
      refuses("is nested deeper than 100 tables", cr.save, path, deep)
      refuses("save: there is nothing to save", cr.save, path, nil)
      assert.same({}, folder.names())
    end)
  end)

  describe("a state dict", function()
    it("becomes a plain file: a header of sorted names, and data without gaps", function()
      cr.save(folder "s.safetensors", { ["b.weight"] = cr.tensor { 1.0, 2.0 }, a = cr.tensor { 3 },
        c = cr.tensor { true } })
      local bytes = folder.read "s.safetensors"
      local n = string.unpack("<I8", bytes)
      assert.equal(0, n % 8)
      assert.equal('{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"b.weight":{"dtype":"F32","shape":[2],'
        .. '"data_offsets":[8,16]},"c":{"dtype":"BOOL","shape":[1],"data_offsets":[16,17]}}',
        (bytes:sub(9, 8 + n):gsub(" *$", "")))
      assert.equal(string.pack("<i8ffB", 3, 1, 2, 1), bytes:sub(9 + n))
    end)

    it("of a module is saved as it is, alone and in a checkpoint", function()
      local dict, path = cr.nn.Linear(2, 3):state_dict(), folder "n.safetensors"
      cr.save(path, dict)
      assert.is_true(cr.load(path).weight:equal(dict.weight))
      cr.save(path, { model = dict, epoch = 3 })
      local saved = cr.load(path)
      assert.is_true(saved.model.bias:equal(dict.bias))
      assert.equal(3, saved.epoch)
    end)

    it("takes strings as metadata", function()
      cr.save(folder "s.safetensors", { a = cr.ones(1) }, { metadata = { format = "pt" } })
      local x, metadata = cr.load(folder "s.safetensors", { metadata = true })
      assert.same({ 1.0 }, x.a:totable())
      assert.equal(1, select("#", cr.load(folder "s.safetensors")))
      assert.same({ format = "pt" }, metadata)
      refuses("metadata must be a table of strings", cr.save, folder "s.safetensors", { a = cr.ones(1) },
        { metadata = { n = 1 } })
    end)
  end)

  describe("a save that fails", function()
    it("leaves the old file, and nothing else", function()
      local path = folder "s.safetensors"
      cr.save(path, { a = cr.ones(1) })
      local before = folder.read "s.safetensors"
      refuses("is a function", cr.save, path, { a = cr.ones(1), f = print })
      assert.equal(before, folder.read "s.safetensors")
      assert.same({ "s.safetensors" }, folder.names())
    end)

    it("says what the system says", function()
      refuses('save: .*missing/s.safetensors": No such file or directory', cr.save, folder "missing/s.safetensors",
        { a = cr.ones(1) })
      os.execute(("mkdir '%s'"):format(folder "d.safetensors"))
      refuses("Is a directory", cr.save, folder "d.safetensors", { a = cr.ones(1) })
      refuses("load: .*Is a directory", cr.load, folder "d.safetensors")
      refuses("load: .*No such file", cr.load, folder "none.safetensors")
    end)

    it("leaves a whole file, wherever the process was killed", function()
      local path = folder "k.safetensors"
      local script = folder.write("save.lua", ([[
        local cr = require "cresset"
        for i = 1, 1000 do cr.save("%s", { a = cr.full({ 100000 }, i), i = i }) end
      ]]):format(path))
      for i = 1, 4 do
        os.execute(("timeout -s KILL 0.%d %s '%s' >/dev/null 2>&1"):format(2 + i, shell.runner, script))
        local saved = folder.read "k.safetensors" and cr.load(path)
        if saved then assert.is_true(saved.a:eq(saved.i):all():item()) end
      end
    end)

    it("takes away what it began, where the disk has no room", function()
      local script = folder.write("full.lua", ([[
        local cr = require "cresset"
        local ok, message = pcall(cr.save, "%s", { a = cr.zeros { 1000000 } })
        io.write(tostring(ok), " ", message)
      ]]):format(folder "full.safetensors"))
      local pipe = io.popen(("sh -c \"trap '' XFSZ; ulimit -f 100; exec %s '%s'\" 2>&1"):format(shell.runner, script))
      local said = pipe:read "a"
      pipe:close()
      assert(said:find '^false .*save: .*full.safetensors": File too large', said)
      assert.same({ "full.lua" }, folder.names())
    end)
  end)

  describe("what is no such file", function()
    it("is refused with the path and the fault", function()
      refuses('load: ".*short.safetensors": has 3 bytes', cr.load, folder.write("short.safetensors", "abc"))
      refuses("header is said to be longer than the file, which has 10 bytes", cr.load, folder.write("long.safetensors",
        string.pack("<I8", 1000) .. "{}"))
      refuses("longer than the file, which has 9 bytes", cr.load, folder.write("long.safetensors", ("\255"):rep(9)))
      refuses("the header is no JSON: byte 1", cr.load, file "x")
      refuses("the header is no JSON object", cr.load, file "[1]")
      refuses("nested deeper", cr.load, file(('{"a":%s'):format(("["):rep(100000))))
      refuses('the key "a" comes twice', cr.load, file('{"a":' .. entry("U8", "1", 0, 1) .. ',"a":'
        .. entry("U8", "1", 0, 1) .. "}", "x"))
      refuses('tensor "a" has no dtype', cr.load, file '{"a":{}}')
      refuses('tensor "a" has no shape', cr.load, file '{"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}')
      refuses('tensor "a" has no two data_offsets', cr.load, file '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}}')
      refuses('tensor "a" is said to be of shape {%-1}', cr.load, file('{"a":' .. entry("U8", "-1", 0, 1) .. "}", "x"))
      local huge = "4294967296,4294967296,4294967296"
      refuses('tensor "a" is said to be of shape', cr.load, file('{"a":' .. entry("U8", huge, 0, 1) .. "}", "x"))
      refuses("is said to lie at bytes 0 to 9 of 1", cr.load, file('{"a":' .. entry("U8", "9", 0, 9) .. "}", "x"))
      refuses("is said to lie at bytes 1 to 0", cr.load, file('{"a":' .. entry("U8", "1", 1, 0) .. "}", "x"))
      refuses("does not fill its 1 bytes", cr.load, file('{"a":' .. entry("F32", "1", 0, 1) .. "}", "x"))
      refuses('tensor "b" overlaps tensor "a"', cr.load, file('{"a":' .. entry("U8", "2", 0, 2) .. ',"b":'
        .. entry("U8", "2", 1, 3) .. "}", "xyz"))
      refuses('1 bytes before tensor "a" belong to none', cr.load, file('{"a":' .. entry("U8", "1", 1, 2) .. "}", "xy"))
      refuses("1 bytes at the end belong to no tensor", cr.load, file('{"a":' .. entry("U8", "1", 0, 1) .. "}", "xy"))
      refuses("__metadata__ is no table of strings", cr.load, file '{"__metadata__":{"a":1}}')
      refuses("the structure in its metadata", cr.load, file '{"__metadata__":{"cresset":"{"}}')
      refuses("names a tensor", cr.load, file '{"__metadata__":{"cresset":"{\\"tensor\\":\\"a\\"}"}}')
      refuses("repeats a table that is not there", cr.load, file '{"__metadata__":{"cresset":"{\\"same\\":1}"}}')
    end)

    it("is refused by the name of a dtype that there is none for, or given as bytes", function()
      local path = file('{"a":' .. entry("F8_E4M3", "2", 0, 2) .. ',"b":' .. entry("U8", "1", 2, 3) .. "}", "xyz")
      refuses('tensor "a" is of dtype "F8_E4M3", which cresset does not have; { raw = true }', cr.load, path)
      local x = cr.load(path, { raw = true })
      assert.same({ 120, 121 }, x.a:totable())
      assert.same({ 122 }, x.b:totable())
    end)

    it("is refused by its name", function()
      refuses("load: .*x.json\" does not end in", cr.load, "x.json")
      refuses("path must be a string, got nil", cr.load)
      refuses("path has a zero byte", cr.load, "a\0.safetensors")
      refuses("save: .* does not end in", cr.save, folder "plain", {})
    end)
  end)

  it("reads elements where they are not aligned, and truths that are none", function()
    local x = cr.load(file('{"a":' .. entry("U8", "1", 0, 1) .. ',"b":' .. entry("F32", "2", 1, 9) .. ',"c":'
      .. entry("BOOL", "3", 9, 12) .. "}", "\7" .. string.pack("<ff", 1.5, -2) .. "\0\2\1"))
    assert.same({ 7 }, x.a:totable())
    assert.same({ 1.5, -2.0 }, x.b:totable())
    assert.same({ false, true, true }, x.c:totable())
    assert.equal(2, x.c:sum():item())
  end)
end)
