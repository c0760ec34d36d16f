-- run.lua: runs spec files side by side, each in a process of its own.
--
--     lua5.4 spec/run.lua [--jobs=N] [--skip=NAMES] [--seconds=FILE] LUA BUSTED -- SPEC...
--
-- LUA is the interpreter that runs BUSTED; a SPEC is a file, a folder or an option for busted; NAMES, as in
-- "oom_spec print_spec", are left out.
--
-- Holds true: what a file prints stands in one piece, set in, and only if something in it went wrong or is pending; the
-- last line is busted's summary, over all files, and the only one that begins its line; a process that ends without a
-- summary counts as one error; the exit status is 0 only if every file passed. FILE remembers how long each file took,
-- so that the slowest begin first.

local shell = require "spec.support.shell"

-- Files that walk the catalogue take long, and are run in so many parts, each of every n-th idea (support/part.lua).
local parts = { oom_spec = 6, ops_spec = 4, cuda_ops_spec = 4 }

-- Where no run has been remembered yet: these begin first, in this order.
local slow = { "isa_spec", "oom_spec", "cuda_ops_spec", "cuda_gemm_spec", "capi_spec", "large_spec", "deadline_spec",
  "ops_spec", "runner_spec", "guest_spec", "large_index_spec" }

local options, command, specs, passed_on = {}, {}, {}, {}
do
  local i = 1
  while arg[i] and arg[i]:find "^%-%-%w+=" do
    local name, value = arg[i]:match "^%-%-(%w+)=(.*)$"
    options[name], i = value, i + 1
  end
  while arg[i] and arg[i] ~= "--" do
    command[#command + 1], i = arg[i], i + 1
  end
  for k = i + 1, #arg do
    local list = arg[k]:find "^%-" and passed_on or specs
    list[#list + 1] = arg[k]
  end
end

local function lines_of(command_line)
  local list = {}
  local pipe = assert(io.popen(command_line))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local function name_of(path) return path:match "([^/]+)%.lua" end

-- The pieces of work: a spec file, or "FILE:2/4" for a part of one.
local function pieces_of(path)
  local n = parts[name_of(path)]
  local list = { not n and path or nil }
  for k = 1, n or 0 do list[k] = ("%s:%d/%d"):format(path, k, n) end
  return list
end

-- The spec files that the arguments name, each once.
local function files()
  local list, seen = {}, {}
  for _, spec in ipairs(specs) do
    for _, path in ipairs(lines_of("find " .. shell.quote(spec) .. " -name '*_spec.lua' | sort")) do
      local skipped = (" %s "):format(options.skip or ""):find((" %s "):format(name_of(path)), 1, true)
      if not seen[path] and not skipped then list[#list + 1] = path end
      seen[path] = true
    end
  end
  return list
end

-- Seconds by path, as the last run has left them.
local function remembered()
  local seconds = {}
  for path, s in (options.seconds and shell.read(options.seconds) or ""):gmatch "(%S+) ([%d.]+)\n" do
    seconds[path] = tonumber(s)
  end
  return seconds
end

local function remember(seconds)
  if not options.seconds then return end
  local list = {}
  for path, s in pairs(seconds) do list[#list + 1] = ("%s %.2f\n"):format(path, s) end
  table.sort(list)
  shell.write(options.seconds, table.concat(list))
end

local function slowest_first(list, seconds)
  local guess = {}
  for k, name in ipairs(slow) do guess[name] = 1000 - k end
  local function weight(path) return seconds[path] or guess[name_of(path)] or 0 end
  table.sort(list, function(a, b)
    if weight(a) ~= weight(b) then return weight(a) > weight(b) end
    return a < b
  end)
  return list
end

local totals = { successes = 0, failures = 0, errors = 0, pending = 0 }

-- Adds what a file's output says to the totals; returns its counts and what stands below them, or nothing where it
-- has no summary.
local function count(output)
  local s, f, e, p, rest = output:match(
    "(%d+) success%a* / (%d+) failures? / (%d+) errors? / (%d+) pending : [%d.]+ seconds?[^\n]*\n?(.*)$")
  if not s then return nil end
  s, f, e, p = tonumber(s), tonumber(f), tonumber(e), tonumber(p)
  totals.successes, totals.failures = totals.successes + s, totals.failures + f
  totals.errors, totals.pending = totals.errors + e, totals.pending + p
  return s, f + e, rest
end

local function set_in(text) return ("\n" .. text):gsub("\n([^\n])", "\n  %1"):sub(2) end

local good = true
local function report(path, status, seconds, output)
  local passed, bad, rest = count(output)
  local ok = status == 0 and bad == 0
  good = good and ok
  io.write(("%s %6.1f s  %s\n"):format(ok and "ok    " or "FAILED", seconds, path))
  if not passed then
    totals.errors = totals.errors + 1
    io.write(set_in(output), ("%s: ended with status %d and no summary\n"):format(path, status))
  elseif not ok then
    if bad == 0 then totals.errors = totals.errors + 1 end
    io.write(set_in(output), "\n")
  elseif rest:find "%S" then
    io.write(set_in(rest), "\n")
  end
  io.stdout:flush()
end

-- Runs the files in so many processes. Each takes the next file of the list when it is done with one.
local function run(list, jobs, seconds)
  local folder = shell.folder()
  shell.write(folder .. "/list", table.concat(list, "\n") .. "\n")
  local words = {}
  for _, word in ipairs(command) do words[#words + 1] = shell.quote(word) end
  for _, word in ipairs(passed_on) do words[#words + 1] = shell.quote(word) end
  -- In the order of the names given to sh: $1 the folder, $2 the piece.
  shell.write(folder .. "/one", "out=$(mktemp $1/XXXXXXXX)\nbegun=$(date +%s%N)\n"
    .. "case $2 in *:*) part=\"--helper=spec/support/part.lua -Xhelper ${2##*:}\";; *) part=;; esac\n"
    .. table.concat(words, " ") .. " -o plainTerminal $part ${2%%:*} > $out 2>&1 < /dev/null\n"
    .. "echo $2 $? $(($(date +%s%N) - begun)) $out\n")
  local pipe = assert(io.popen(("xargs -a %s/list -n 1 -P %d sh %s/one %s"):format(folder, jobs, folder, folder)))
  for line in pipe:lines() do
    local path, status, nanoseconds, out = line:match "^(%S+) (%d+) (%d+) (%S+)$"
    if path then
      seconds[path] = tonumber(nanoseconds) / 1e9
      report(path, tonumber(status), seconds[path], shell.read(out))
    end
  end
  pipe:close()
  os.execute("rm -rf " .. folder)
end

local function print_slowest(seconds)
  local list = {}
  for path in pairs(seconds) do list[#list + 1] = path end
  table.sort(list, function(a, b) return seconds[a] > seconds[b] end)
  local names = {}
  for k = 1, math.min(10, #list) do
    names[k] = ("%s %.1f s"):format(list[k]:match "([^/]+%.lua.*)$":gsub("%.lua", ""), seconds[list[k]])
  end
  print("slowest: " .. table.concat(names, ", "))
end

local list = files()
if #list == 0 then
  io.stderr:write("no spec files in: ", table.concat(specs, " "), "\n")
  os.exit(1)
end
local before, seconds, pieces = remembered(), {}, {}
for _, path in ipairs(list) do
  for _, piece in ipairs(pieces_of(path)) do pieces[#pieces + 1] = piece end
end
local jobs = tonumber(options.jobs) or tonumber(lines_of("nproc")[1]) or 1
local begun = tonumber(lines_of("date +%s%N")[1])
run(slowest_first(pieces, before), jobs, seconds)
local took = (tonumber(lines_of("date +%s%N")[1]) - begun) / 1e9
for _, piece in ipairs(pieces) do
  if not seconds[piece] then report(piece, 1, 0, "was not run to its end\n") end
end
print_slowest(seconds)
for path, s in pairs(seconds) do before[path] = s end
remember(before)
print(("%d successes / %d failures / %d errors / %d pending : %.1f seconds"):format(totals.successes, totals.failures,
  totals.errors, totals.pending, took))
os.exit(good)
