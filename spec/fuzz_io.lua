-- fuzz_io.lua: files of every format, damaged at random: `make fuzz-io SEED=n SECONDS=n`, seconds for each format.
--
-- Holds true: the same seed and number of inputs make the same files. Whatever a file holds, cr.load gives values whose
-- elements can be read, or one sentence that begins with "load:" and has the path; it takes no more memory than some
-- times the file's size. An input that reaches a line of the readers which none has reached before is kept, and is
-- damaged further: the readers are Lua, so lines are what coverage there is. The last file stays in build/fuzz_io, for
-- the case that it ends the process.

local cr = require "cresset"
local archive = require "spec.support.archive"

local seed, seconds, only = tonumber(arg[1]) or 1, tonumber(arg[2]) or 10, arg[3]
local folder = "build/fuzz_io"
assert(os.execute("mkdir -p " .. folder))
math.randomseed(seed)
local random = math.random
local function pick(list) return list[random(#list)] end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "a"
  file:close()
  return bytes
end

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

-- ---- What is damaged ----------------------------------------------------------------------------

-- What cresset writes itself.
local function saved(ending, value, options)
  local path = ("%s/seed.%s"):format(folder, ending)
  cr.save(path, value, options)
  return read(path)
end

-- The stored members of an archive that is whole.
local function members(bytes)
  local list, at = {}, 1
  while bytes:sub(at, at + 3) == "PK\3\4" do
    local method, size, n, extra = string.unpack("<xxxxI2xxxxxxxxI4xxxxI2I2", bytes, at + 4)
    if method ~= 0 then return nil end
    local name = bytes:sub(at + 30, at + 29 + n)
    local start = at + 30 + n + extra
    list[#list + 1] = { name, bytes:sub(start, start + size - 1) }
    at = start + size
  end
  return #list > 0 and list or nil
end

local function i4(...) return string.pack(("<i4"):rep(select("#", ...)), ...) end
local t7_tensor = i4(4, 1, 3) .. "V 1" .. i4(17) .. "torch.FloatTensor" .. i4(2) .. string.pack("<i8i8i8i8i8", 2, 2,
  2, 1,
  1) .. i4(4, 2, 3) .. "V 1" .. i4(18) .. "torch.FloatStorage" .. string.pack("<i8ffff", 4, 1, 2, 3, 4)
local t7_net = i4(4, 3, 3) .. "V 1" .. i4(13) .. "nn.Sequential" .. i4(3, 4, 1, 2, 7) .. "modules" .. i4(3, 5, 1, 1)
  .. string.pack("<d", 1) .. i4(4, 6, 3) .. "V 1" .. i4(9) .. "nn.Linear" .. i4(3, 7, 1, 2, 6) .. "weight" .. t7_tensor

local nested = { model = { w = cr.ones(3, 2), b = cr.tensor { 1, 2 } }, lr = 0.5, list = { 1, "x", true, { 2.5 } } }
local seeds = {
  safetensors = { read "spec/io/all.safetensors", saved("safetensors", nested),
    saved("safetensors", { a = cr.ones(2), b = cr.ones { 0 } }) },
  npy = { read "spec/io/f4.npy", read "spec/io/big_columns.npy", read "spec/io/b1.npy", read "spec/io/structured.npy" },
  npz = { read "spec/io/stored.npz", read "spec/io/deflated.npz", read "spec/io/mixed.npz",
    saved("npz", { a = cr.ones(3), b = cr.zeros(10, 10) }, { compressed = true }) },
  pt = { read "spec/io/all.pt", read "spec/io/checkpoint.pt", read "spec/io/net.pth", read "spec/io/module.pt",
    saved("pt", nested) },
  gguf = { read "spec/io/small.gguf" },
  t7 = { t7_tensor, t7_net, i4(3, 1, 2, 1) .. string.pack("<d", 1) .. i4(2, 3) .. "abc" .. i4(5, 1, 1)
    .. string.pack("<d", 2.5),
    "3\n1\n2\n1\n1\n2\n3\nabc\n1\n2\n5\n1\n",
    "4\n1\n3\nV 1\n17\ntorch.FloatTensor\n1\n2\n1\n1\n4\n2\n3\nV 1\n18\ntorch.FloatStorage\n2\n1 2\n" },
}

-- ---- Damage -------------------------------------------------------------------------------------

local bytes_of_interest = { "\0", "\1", "\127", "\128", "\255", "(", ")", "[", "{", '"', ",", "-", "9", "\n", " " }
local numbers = { 0, 1, -1, 2, 7, 8, 255, 256, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 32, 1 << 40,
  math.maxinteger, math.mininteger, 1 << 62 }

local function splice(s, at, n, piece) return s:sub(1, at - 1) .. piece .. s:sub(at + n) end

local damages = {
  function(s, at) return splice(s, at, 1, string.char(s:byte(at) ~ 1 << random(0, 7))) end,
  function(s, at) return splice(s, at, 1, pick(bytes_of_interest)) end,
  function(s, at) return splice(s, at, 4, string.pack("<I4", pick(numbers) & 0xffffffff)) end,
  function(s, at) return splice(s, at, 8, string.pack("<i8", pick(numbers))) end,
  function(s, at) return s:sub(1, at - 1) end,
  function(s, at) return splice(s, at, random(1, 16), "") end,
  function(s, at) return splice(s, at, 0, s:sub(at, at + random(0, 40))) end,
  function(s, at) return splice(s, at, 0, pick(bytes_of_interest):rep(random(1, 4))) end,
  function(s, at) return splice(s, at, 0, tostring(pick(numbers))) end,
  function(s, at, corpus)
    local other = pick(corpus)
    local from = random(1, math.max(#other, 1))
    return splice(s, at, random(0, 20), other:sub(from, from + random(0, 60)))
  end,
  function(s, at) -- a number in digits becomes another one
    local first, last = s:find("%d+", at)
    return first and splice(s, first, last - first + 1, tostring(pick(numbers))) or s
  end,
}

local function damage(s, corpus)
  for _ = 1, random(3) == 1 and random(2, 6) or 1 do
    if #s == 0 then return s end
    s = pick(damages)(s, random(#s), corpus)
  end
  return s
end

local function damaged(s, corpus)
  local list = random(2) == 1 and s:sub(1, 2) == "PK" and members(s)
  if not list then return damage(s, corpus) end
  local m = pick(list)
  m[2] = damage(m[2], corpus)
  if random(8) == 1 then m[1] = damage(m[1], corpus) end
  return archive(list)
end

-- ---- Judging ------------------------------------------------------------------------------------

-- Reads all elements that there are, of tables of every depth.
local function touch(value, seen, budget)
  if cr.is_tensor(value) then
    if value:numel() <= budget then value:to("float64"):sum():item() end
  elseif type(value) == "table" and not seen[value] then
    seen[value] = true
    for key, v in next, value do
      touch(key, seen, budget)
      touch(v, seen, budget)
    end
  end
end

local faults = 0
local function fault(ending, count, what)
  faults = faults + 1
  write(("%s/fault%d.%s"):format(folder, faults, ending), read(("%s/last.%s"):format(folder, ending)))
  print(("fault %d: .%s, input %d: %s"):format(faults, ending, count, what))
end

local lines = {}
local function watch(on, found)
  if not on then debug.sethook() return end
  debug.sethook(function(_, line)
    local source = debug.getinfo(2, "S").source
    local of = lines[source]
    if not of then
      of = source:find("cresset/io/", 1, true) and {} or false
      lines[source] = of
    end
    if of and not of[line] then
      of[line] = true
      found[1] = true
    end
  end, "l")
end

local function run(ending, bytes, count, watched)
  local path, found = ("%s/last.%s"):format(folder, ending), {}
  write(path, bytes)
  collectgarbage "stop"
  local before = collectgarbage "count"
  cr.memory.reset_peak "cpu"
  local stats = cr.memory.stats "cpu"
  if watched then watch(true, found) end
  local ok, value = pcall(cr.load, path, { lazy = random(8) == 1, raw = random(4) == 1 })
  if watched then watch(false) end
  local lua = (collectgarbage "count" - before) * 1024
  local peak = cr.memory.stats("cpu").peak - stats.allocated
  -- A byte of deflate may stand for 1032; one of JSON or of a pickle for a table.
  if peak > 1100 * #bytes + (1 << 20) then fault(ending, count, ("took %d bytes of tensors"):format(peak)) end
  if lua > 1500 * #bytes + (1 << 20) then fault(ending, count, ("took %d bytes of Lua"):format(lua)) end
  if not ok and (type(value) ~= "string" or not value:find("load: ", 1, true) or not value:find(path, 1, true)
    or value:find("\n", 1, true)) then
    fault(ending, count, "is refused by " .. tostring(value))
  elseif ok then
    local read_all, message = pcall(touch, value, {}, 1 << 20)
    if not read_all and not tostring(message):find("load: ", 1, true) then
      fault(ending, count, "has values that cannot be read: " .. tostring(message))
    end
  end
  collectgarbage "restart"
  if count % 64 == 0 then collectgarbage() end
  return ok, found[1]
end

cr.memory.limit(1 << 30)
local endings = {}
for ending in pairs(seeds) do endings[#endings + 1] = ending end
table.sort(endings)
for _, ending in ipairs(endings) do
  if not only or only == ending then
    local corpus, count, good = seeds[ending], 0, 0
    local stop = os.clock() + seconds
    while os.clock() < stop and faults < 20 do
      count = count + 1
      local bytes = damaged(pick(corpus), corpus)
      local ok, new = run(ending, bytes, count, count % 4 == 0)
      if ok then good = good + 1 end
      if new and #bytes < 1 << 16 then corpus[#corpus + 1] = bytes end
    end
    print((".%-12s %8d inputs, %d of them loaded, %d kept"):format(ending, count, good, #corpus))
  end
end
print(("%d faults"):format(faults))
os.exit(faults == 0)
