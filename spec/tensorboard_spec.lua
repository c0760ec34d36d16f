-- tensorboard_spec.lua: what the event writer writes, read back by a reader of its own, and by TensorBoard where that
-- is there.

local cr = require "cresset"
local shell = require "spec.support.shell"

local folder
before_each(function() folder = shell.folder() end)
after_each(function() os.execute("rm -rf " .. folder) end)

-- CRC-32C bit by bit, from its polynomial; the check value of the standard is e3069283 for "123456789".
local function crc32c(text)
  local c = 0xFFFFFFFF
  for i = 1, #text do
    c = c ~ text:byte(i)
    for _ = 1, 8 do c = (c & 1 == 1) and ((c >> 1) ~ 0x82F63B78) or (c >> 1) end
  end
  return c ~ 0xFFFFFFFF
end

local function masked(text)
  local c = crc32c(text)
  return (((c >> 15) | (c << 17 & 0xFFFFFFFF)) + 0xA282EAD8) & 0xFFFFFFFF
end

-- The records of a file, each checked.
local function records(path)
  local text, at, list = shell.read(path), 1, {}
  while at <= #text do
    local length, crc, next_at = ("<I8I4"):unpack(text, at)
    assert.equal(masked(text:sub(at, at + 7)), crc)
    list[#list + 1] = text:sub(next_at, next_at + length - 1)
    assert.equal(masked(list[#list]), (("<I4"):unpack(text, next_at + length)))
    at = next_at + length + 4
  end
  return list
end

-- The fields of a message of protobuf: a list of values by number.
local function fields(text)
  local at, all = 1, {}
  local function varint()
    local n, shift = 0, 0
    while true do
      local b = text:byte(at)
      at = at + 1
      n = n | (b & 127) << shift
      if b < 128 then return n end
      shift = shift + 7
    end
  end
  while at <= #text do
    local key = varint()
    local field, kind, value = key >> 3, key & 7
    if kind == 0 then value = varint()
    elseif kind == 1 then value, at = ("<d"):unpack(text, at)
    elseif kind == 5 then value, at = ("<f"):unpack(text, at)
    else
      local n = varint()
      value, at = text:sub(at, at + n - 1), at + n
    end
    all[field] = all[field] or {}
    table.insert(all[field], value)
  end
  return all
end

local function value_of(record)
  local event = fields(record)
  return fields(fields(event[5][1])[1][1]), event[2] and event[2][1], event
end

local function writer() return cr.tensorboard.Writer(folder .. "/run") end

describe("the event writer", function()
  it("has the check value of CRC-32C in its spec", function() assert.equal(0xE3069283, crc32c "123456789") end)

  it("begins a file with its version", function()
    local w = writer()
    w:close()
    local first = fields(records(w.path)[1])
    assert.equal("brain.Event:2", first[3][1])
    assert.is_true(math.abs(first[1][1] - os.time()) < 60)
    assert(w.path:find("/run/events%.out%.tfevents%.%d+"), w.path)
  end)

  it("writes scalars with their steps, NaN too", function()
    local w = writer()
    w:scalar("loss", 0.5, 3)
    w:scalar("loss", cr.tensor(0 / 0))
    w:scalars("both", { a = 1, b = 2 }, 300)
    w:close()
    local list = records(w.path)
    assert.equal(5, #list)
    local value, step = value_of(list[2])
    assert.same({ "loss", 0.5, 3 }, { value[1][1], value[2][1], step })
    value, step = value_of(list[3])
    assert.is_true(value[2][1] ~= value[2][1])
    assert.equal(4, step)
    value, step = value_of(list[5])
    assert.same({ "both/b", 2, 300 }, { value[1][1], value[2][1], step })
  end)

  it("writes histograms whose buckets hold all finite elements", function()
    local w = writer()
    w:histogram("x", cr.tensor { 0, 1, 1, 2, 0 / 0 }, 1, { bins = 2 })
    w:close()
    local value = value_of(records(w.path)[2])
    local h = fields(value[5][1])
    assert.same({ 0, 2, 4, 4, 6 }, { h[1][1], h[2][1], h[3][1], h[4][1], h[5][1] })
    assert.same({ 1, 2, 17 }, { ("<dd"):unpack(h[6][1]) }) -- the last is where unpack has come to
    assert.same({ 1, 3, 17 }, { ("<dd"):unpack(h[7][1]) })
  end)

  it("writes texts and images", function()
    local w = writer()
    w:text("note", "two\nlines", 0)
    local ok = pcall(w.image, w, "picture", cr.zeros(3, 4, 5), 0)
    w:close()
    local list = records(w.path)
    local value = value_of(list[2])
    assert.equal("text", fields(fields(value[9][1])[1][1])[1][1])
    assert.equal("two\nlines", fields(value[8][1])[8][1])
    if not ok then return pending "no libpng here" end
    local image = fields(value_of(list[3])[4][1])
    assert.same({ 4, 5, 3 }, { image[1][1], image[2][1], image[3][1] })
    assert.equal("\x89PNG", image[4][1]:sub(1, 4))
  end)

  it("refuses what it cannot write", function()
    local w = writer()
    local function refuses(words, f, ...)
      local done, message = pcall(f, ...)
      assert.is_false(done)
      assert(message:find(words, 1, true), message)
    end
    refuses("value must be a number, got 'x'", w.scalar, w, "a", "x")
    refuses("tag must be a string", w.scalar, w, 5, 1)
    refuses("step must be an integer", w.scalar, w, "a", 1, -1)
    refuses("'lr' must be a number", w.hparams, w, { lr = {} })
    w:close()
    refuses("the writer has been closed", w.scalar, w, "a", 1)
    refuses("Writer:", cr.tensorboard.Writer, "/proc/absent/run")
  end)

  it("is read by TensorBoard", function()
    local w = writer()
    w:scalar("loss", 0.25, 7)
    w:histogram("h", cr.arange(0, 10), 7)
    w:text("t", "hello", 7)
    w:hparams({ lr = 0.1, kind = "mlp", fast = true }, { accuracy = 0.5 })
    w:close()
    local script = folder .. "/read.py"
    shell.write(script, [[
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
a = EventAccumulator(sys.argv[1], size_guidance={})
a.Reload()
for s in a.Scalars("loss"): print(s.step, s.value)
tags = a.Tags()
print(sorted(tags["tensors"]) + sorted(tags["histograms"]) + sorted(tags["scalars"]))
data = plugin_data_pb2.HParamsPluginData
content = a.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
info = data.FromString(content).session_start_info.hparams
print(info["lr"].number_value, info["kind"].string_value, info["fast"].bool_value)
content = a.SummaryMetadata("_hparams_/experiment").plugin_data.content
e = data.FromString(content).experiment
print([(h.name, h.type) for h in e.hparam_infos], [m.name.tag for m in e.metric_infos])
]])
    local python = os.getenv "TENSORBOARD_PYTHON" or "python3"
    if select(2, shell.run(python .. ' -c "import tensorboard"')) ~= 0 then return pending "no TensorBoard here" end
    local text, status = shell.run(("%s -W ignore %s %s 2>/dev/null"):format(python, script, folder .. "/run"))
    assert.equal(0, status, text)
    assert(text:find("7 0.25", 1, true), text)
    assert(text:find("'t'", 1, true) and text:find("'h'", 1, true) and text:find("'accuracy'", 1, true), text)
    assert(text:find("0.1 mlp True", 1, true), text)
    assert(text:find("[('fast', 2), ('kind', 1), ('lr', 3)] ['accuracy']", 1, true), text)
  end)
end)
