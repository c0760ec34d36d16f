-- measure.lua: the two sides of a row, ours in this process and the peer's in one of its own, timed in
-- turn.
--
-- Holds true: both sides run the same loop around their body, for as many calls as fill a round. Half
-- as many go before it untimed: so long the other side's threads still spin, waiting for work. Times
-- are of the wall clock, medians over the rounds: 7 of 40 ms, unless a row says `rounds` and `round_seconds`; a row
-- with a `budget` has fewer, but 3 at least, where they would take more seconds than that. `first_calls` of a row are
-- made before all.

local cr = require "cresset"

local M = {}

local here = arg[0]:match "^(.*/)" or ""
local usual_seconds, usual_rounds = 0.04, 7

function M.median(list)
  table.sort(list)
  local n = #list
  return n % 2 == 1 and list[(n + 1) // 2] or (list[n // 2] + list[n // 2 + 1]) / 2
end

-- ---- The peer ------------------------------------------------------------------------------------

local Peer = {}
Peer.__index = Peer

-- Sends one request and gives the answer; raises what the peer could not do.
function Peer:ask(command, text)
  text = tostring(text or "")
  self.input:write(command, " ", #text, "\n", text)
  self.input:flush()
  local answer = self.output:read "l"
  if not answer then error("the peer has stopped", 0) end
  if answer:find "^error:" then error("the peer: " .. answer:sub(8), 0) end
  return answer
end

function Peer:close()
  self.input:close()
  self.output:close()
end

-- The peer, or nil where python3 has no PyTorch.
function M.peer()
  local fifo = os.tmpname()
  os.remove(fifo)
  if not os.execute("mkfifo " .. fifo) then return nil end
  local input = io.popen(("python3 %speer.py > %s"):format(here, fifo), "w")
  local output = io.open(fifo)
  os.remove(fifo)
  local peer = setmetatable({ input = input, output = output }, Peer)
  local ok, version = pcall(peer.ask, peer, "version")
  if not ok then
    peer:close()
    return nil
  end
  peer.version = version
  return peer
end

-- ---- A side --------------------------------------------------------------------------------------

-- A side is a function of a number of calls that gives seconds.

-- Runs the setup and gives a function that runs the body so many times.
function M.loop(setup, body)
  local text = "local cr = ...\n" .. (setup or "") .. "\nreturn function(calls) for _ = 1, calls do " .. body
    .. "\nend end"
  return assert(load(text, "=" .. body))(cr)
end

local function our_side(setup, body)
  local loop = M.loop(setup, body)
  return function(calls)
    local start = cr.clock()
    loop(calls)
    return cr.clock() - start
  end
end

local function peer_side(peer, setup, body)
  peer:ask("setup", setup)
  peer:ask("body", body)
  return function(calls) return tonumber(peer:ask("time", calls)) end
end

-- How many calls fill a round, those that were seen to, and the seconds that they took. A few alone say little, while
-- the other side's threads still spin. The first ones take their blocks from the system, of which a virtual machine
-- may have to ask its host for each page.
local function calls_per_round(side, round_seconds, first_calls)
  side(first_calls or 1)
  local calls, seconds = 1, side(1)
  while seconds < 0.8 * round_seconds do
    calls = math.ceil(calls * math.min(100, round_seconds / math.max(seconds, 1e-7)))
    seconds = side(calls)
  end
  return calls, seconds
end

-- The medians of seconds per call, ours and the peer's (nil without a peer).
function M.row(row, peer)
  local threads = row.threads or 2
  cr.set_num_threads(threads)
  local sides = { our_side(row.setup, row.ours) }
  if peer and row.peer then
    peer:ask("threads", threads)
    sides[2] = peer_side(peer, row.peer_setup or "", row.peer)
  end
  local calls, times, cost = {}, { {}, {} }, 0
  for i, side in ipairs(sides) do
    local seconds
    calls[i], seconds = calls_per_round(side, row.round_seconds or usual_seconds, row.first_calls)
    cost = cost + seconds * (1 + (calls[i] + 1) // 2 / calls[i])
  end
  local rounds = row.rounds or usual_rounds
  if row.budget then rounds = math.max(3, math.min(rounds, row.budget // cost)) end
  for round = 1, rounds do
    for i, side in ipairs(sides) do
      side((calls[i] + 1) // 2)
      times[i][round] = side(calls[i]) / calls[i]
    end
  end
  sides = nil -- luacheck: ignore
  if peer and row.peer then peer:ask "setup" end
  collectgarbage()
  collectgarbage()
  cr.memory.empty_cache()
  return M.median(times[1]), times[2][1] and M.median(times[2])
end

-- ---- Whole processes -----------------------------------------------------------------------------

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- Runs a program and gives the number that it prints, and the seconds that it took.
local function run(command, program)
  local start = cr.clock()
  local pipe = io.popen(command .. quoted(program))
  local text = pipe:read "a"
  if not pipe:close() then error("the program failed: " .. program, 0) end
  return tonumber(text:match "(%S+)%s*$"), cr.clock() - start
end

-- The same for a row whose sides are programs: the number that they print, or, if the row says
-- `clock`, the seconds from start to end.
function M.program(row, peer)
  local commands = { { "lua5.4 -e ", "local cr = require 'cresset' " .. row.ours } }
  if peer and row.peer then commands[2] = { "python3 -c ", row.peer } end
  local values = { {}, {} }
  for round = 1, row.rounds or (row.clock and usual_rounds or 3) do
    for i, command in ipairs(commands) do
      local value, seconds = run(command[1], command[2])
      values[i][round] = row.clock and seconds or value
    end
  end
  return M.median(values[1]), values[2][1] and M.median(values[2])
end

return M
