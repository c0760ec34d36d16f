-- instructions.lua [--record]: `make instructions`: how many instructions a call of each row with
-- `counted` takes, by callgrind, against what bench/instructions.txt has recorded. A count does not depend on what
-- else the machine does, so it shows a few per cent where a clock shows none.
--
-- Holds true: one process under valgrind runs every row; callgrind writes down and clears its counts
-- whenever cr.clock is called, so what lies between two calls of it is the loop alone. Exits with 1 if a
-- row takes more than TOLERANCE above its record. Counts belong to a compiler and an instruction set:
-- valgrind offers no AVX-512, so on all but old machines the loops are those for x86-64-v3. What was
-- recorded with another compiler is shown, not judged.

local here = arg[0]:match "^(.*/)" or ""
package.path = here .. "?.lua;" .. package.path

local rows = {}
for _, row in ipairs(require "rows") do
  if row.counted then rows[#rows + 1] = row end
end

-- ---- Under valgrind ------------------------------------------------------------------------------

if arg[1] == "--inside" then
  local cr = require "cresset"
  local measure = require "measure"
  cr.set_num_threads(1)
  for _, row in ipairs(rows) do
    local loop = measure.loop(row.setup, row.ours)
    loop(row.counted // 2)
    collectgarbage()
    cr.clock()
    loop(row.counted)
    cr.clock()
  end
  return
end

-- ---- Outside -------------------------------------------------------------------------------------

local TOLERANCE = 0.10
local RECORD, DIR = here .. "instructions.txt", "build/instructions"

local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  return pipe:close() and text or nil
end

local function total_of(path)
  for line in io.lines(path) do
    local n = line:match "^totals: (%d+)" or line:match "^summary: (%d+)"
    if n then return tonumber(n) end
  end
end

-- Instructions per call of every row, in their order.
local function count()
  os.execute(("rm -rf %s && mkdir -p %s"):format(DIR, DIR))
  local command = ("valgrind --tool=callgrind --dump-before=clock_seconds --callgrind-out-file=%s/out "
    .. "lua5.4 %sinstructions.lua --inside > %s/log 2>&1"):format(DIR, here, DIR)
  if not os.execute(command) then error("the rows failed under valgrind: see " .. DIR .. "/log", 0) end
  local counts = {}
  for i, row in ipairs(rows) do
    local path = ("%s/out.%d"):format(DIR, 2 * i)
    local file = io.open(path)
    if not file then error("callgrind saw no call of cr.clock: was the binding stripped of its symbols?", 0) end
    file:close()
    counts[i] = total_of(path) / row.counted
  end
  return counts
end

-- What counts belong to.
local function maker()
  local compiler = output "${CC:-gcc} --version" or "an unknown compiler"
  return compiler:match "[^\n]*" .. ", " .. (output "uname -m"):match "%S+" .. ", " .. _VERSION
end

local function read_record()
  local record, file = { counts = {} }, io.open(RECORD)
  if not file then return record end
  for line in file:lines() do
    local n, name = line:match "^%s*(%d+)%s+(.+)$"
    if n then record.counts[name] = tonumber(n) end
    record.maker = record.maker or line:match "^# Made by (.*)$"
  end
  file:close()
  return record
end

local function write_record(counts)
  local file = assert(io.open(RECORD, "w"))
  file:write("# Instructions per call, which `make instructions` compares with; `make instructions RECORD=1` writes ",
    "them.\n# Made by ", maker(), "\n")
  for i, row in ipairs(rows) do file:write(("%8d  %s\n"):format(counts[i] // 1, row.name)) end
  file:close()
end

local function verdict(count_now, recorded)
  if not recorded then return "not recorded" end
  local change = count_now / recorded - 1
  if change > TOLERANCE then return ("%+.1f %%: ABOVE"):format(100 * change), true end
  return ("%+.1f %%%s"):format(100 * change, change < -TOLERANCE and ": record it" or "")
end

if not os.execute "command -v valgrind > /dev/null" then
  print "make instructions: skipped, there is no valgrind here to count with"
  os.exit(0)
end

local ok, counts = pcall(count)
if not ok then
  io.stderr:write("make instructions: ", counts, "\n")
  os.exit(1)
end
if arg[1] == "--record" then write_record(counts) end

local record, above = read_record(), 0
local comparable = record.maker == maker()
print(("%-46s %12s %9s  %s"):format("name", "instructions", "recorded", "verdict"))
for i, row in ipairs(rows) do
  local recorded = record.counts[row.name]
  local text, failed = verdict(counts[i], recorded)
  if failed and comparable then above = above + 1 end
  print(("%-46s %12.0f %9s  %s"):format(row.name, counts[i], recorded or "-", text))
end
if not comparable then
  print(("not judged: recorded by %s; this is %s"):format(record.maker or "nobody", maker()))
elseif above > 0 then
  print(("%d rows take over %d %% more than recorded"):format(above, 100 * TOLERANCE))
end
os.exit(above == 0 and 0 or 1)
