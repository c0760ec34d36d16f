-- profiler.lua: cr.profiler, where the time and the memory of a program's operations go.
--
-- Holds true: while none is on, operations cost what they always do. A profile is of the thread that started it; what a
-- device does on its own is not seen, only how long it took to ask for it. Times are seconds of a clock that only goes
-- forward.

local cr = require "cresset"

local check = require "cresset.data.check"

local M = {}

local fail, describe = check.fail, check.describe

local Profile = {}
Profile.__index = Profile

local holder = setmetatable({}, { __mode = "v" }) -- has the profile that is on, for ranges, and does not keep it

--- profile({ shapes = true }) begins a profile; profile(f, options) has one of what f() does. p:stop() ends it; so does
-- the end of `local p <close> =`.
function M.profile(f, options)
  if type(f) == "table" and options == nil and not require "cresset.callable"(f) then f, options = nil, f end
  local o = check.options("profile", options, { "shapes" })
  check.callable("profile", "f", f)
  local self = setmetatable({ recording = cr._profiler.start(check.boolean("profile", "shapes", o.shapes, true)) },
    Profile)
  holder.profile = self
  if not f then return self end
  local results = table.pack(pcall(f))
  self:stop()
  if not results[1] then error(results[2], 0) end
  return self, table.unpack(results, 2, results.n)
end

--- Ends it.
function Profile:stop()
  if self.list then return self end
  self.recording:stop()
  if holder.profile == self then holder.profile = nil end
  local raw, lost = self.recording:events()
  self.list, self.lost = {}, lost
  local inside = {} -- by depth: the event that is open
  for i, e in ipairs(raw) do
    local event = { name = e[1], begin = e[2], duration = e[3], depth = e[4], bytes = e[5], shapes = e[6],
      range = e[7], failed = e[8], self_duration = e[3] }
    self.list[i] = event
    inside[event.depth] = event
    local outer = event.depth > 0 and inside[event.depth - 1]
    if outer then outer.self_duration = outer.self_duration - event.duration end
  end
  self.recording = nil
  return self
end
Profile.__close = Profile.stop

--- A list of what ran: name, begin and duration (seconds), self_duration (without what it called), depth, bytes (in use
-- at its end less those at its beginning), shapes, range (true for one of range()), failed.
function Profile:events()
  self:stop()
  return self.list
end

local orders = { self = "self_time", total = "total_time", calls = "calls", bytes = "bytes", mean = "mean_time" }

--- Sums by operation: a list of { name, shapes, calls, self_time, total_time, mean_time, bytes }. Options: sort_by
-- ("self", "total", "mean", "calls", "bytes"), by_shape = true for a line for each set of shapes.
function Profile:averages(options)
  local o = check.options("averages", options, { "sort_by", "by_shape", "limit" })
  local order = orders[o.sort_by == nil and "self" or o.sort_by]
  if not order then
    fail('averages: sort_by must be "self", "total", "mean", "calls" or "bytes", got %s', describe(o.sort_by))
  end
  local list, by = {}, {}
  for _, e in ipairs(self:events()) do
    local key = o.by_shape and e.name .. "\0" .. e.shapes or e.name
    local sum = by[key]
    if not sum then
      sum = { name = e.name, shapes = o.by_shape and e.shapes or "", calls = 0, self_time = 0.0, total_time = 0.0,
        bytes = 0, range = e.range }
      by[key], list[#list + 1] = sum, sum
    end
    sum.calls, sum.self_time = sum.calls + 1, sum.self_time + e.self_duration
    sum.total_time, sum.bytes = sum.total_time + e.duration, sum.bytes + e.bytes
  end
  for _, sum in ipairs(list) do sum.mean_time = sum.total_time / sum.calls end
  table.sort(list, function(a, b)
    if a[order] ~= b[order] then return a[order] > b[order] end
    return a.name .. a.shapes < b.name .. b.shapes
  end)
  return list
end

local function time_text(s)
  if s >= 1 then return ("%.3f s"):format(s) end
  if s >= 1e-3 then return ("%.3f ms"):format(s * 1e3) end
  return ("%.2f us"):format(s * 1e6)
end

local function bytes_text(n)
  local size = math.abs(n)
  if size >= 1 << 20 then return ("%.1f MiB"):format(n / (1 << 20)) end
  if size >= 1 << 10 then return ("%.1f KiB"):format(n / (1 << 10)) end
  return ("%d B"):format(n)
end

--- The sums as a table for the terminal. Options as of averages, and limit = 20 lines.
function Profile:table(options)
  local o = check.options("table", options, { "sort_by", "by_shape", "limit" })
  local limit = check.integer("table", "limit", o.limit, 1, 20)
  local list, whole = self:averages(o), 0.0
  for _, sum in ipairs(list) do whole = whole + sum.self_time end
  local rows = { { "operation", "calls", "self", "self %", "total", "mean", "memory", o.by_shape and "shapes" or "" } }
  for i = 1, math.min(limit, #list) do
    local s = list[i]
    rows[i + 1] = { s.range and "[" .. s.name .. "]" or s.name, ("%d"):format(s.calls), time_text(s.self_time),
      ("%.1f"):format(whole > 0 and 100 * s.self_time / whole or 0), time_text(s.total_time), time_text(s.mean_time),
      bytes_text(s.bytes), s.shapes }
  end
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, text in ipairs(row) do widths[i] = math.max(widths[i] or 0, #text) end
  end
  for r, row in ipairs(rows) do
    local parts = {}
    for i, text in ipairs(row) do
      local room = (" "):rep(widths[i] - #text)
      parts[i] = (i == 1 or i == 8) and text .. room or room .. text
    end
    lines[r] = (table.concat(parts, "  "):gsub("%s+$", ""))
  end
  if #list > limit then lines[#lines + 1] = ("and %d more"):format(#list - limit) end
  if self.lost > 0 then lines[#lines + 1] = ("%d events were lost"):format(self.lost) end
  return table.concat(lines, "\n")
end
Profile.__tostring = function(self) return self:table() end

local function json(text)
  return '"' .. tostring(text):gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
end

--- Writes all events as a trace that Chrome (chrome://tracing) and Perfetto show.
function Profile:save(path)
  check.string("save", "path", path)
  local file, problem = io.open(path, "w")
  if not file then fail("save: %s", problem) end
  local lines = {}
  for i, e in ipairs(self:events()) do
    lines[i] = ('{"name":%s,"cat":"%s","ph":"X","pid":1,"tid":1,"ts":%.3f,"dur":%.3f,"args":{"shapes":%s,"bytes":%d}}')
      :format(json(e.name), e.range and "range" or "op", e.begin * 1e6, e.duration * 1e6, json(e.shapes), e.bytes)
  end
  local good, why = file:write('{"displayTimeUnit":"ms","traceEvents":[\n', table.concat(lines, ",\n"), "\n]}\n")
  local closed, late = file:close()
  if not good or not closed then fail("save: cannot write %s: %s", path, why or late) end
  return self
end

-- ---- Ranges --------------------------------------------------------------------------------------------------------

local Range = {}
Range.__index = Range
function Range:close()
  if self.recording then self.recording:close() end
  self.recording = nil
end
Range.__close = Range.close

--- range(name, f, ...) calls f(...) as a part of that name; range(name) is a value for `local _ <close> =`. Without a
-- profile that is on, it does nothing else.
function M.range(name, f, ...)
  check.string("range", "name", name)
  check.callable("range", "f", f)
  local running = holder.profile
  local recording = running and not running.list and running.recording or nil
  if recording then recording:open(name) end
  local range = setmetatable({ recording = recording }, Range)
  if not f then return range end
  local _ <close> = range
  return f(...)
end

return setmetatable(M, { __index = function(_, name)
  if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
  require("cresset.suggest").no_member("profiler", name)
end })
