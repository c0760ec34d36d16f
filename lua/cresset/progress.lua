-- progress.lua: cr.progress, which shows how far a loop has come.
--
-- Holds true: it passes on every value of what it walks over, and ends that when the loop is left, however it is
-- left. On a terminal one line is drawn again and again, at most some times a second; elsewhere there is a line for
-- each tenth of the way. All of it goes to stderr, and where that cannot be written to, the loop goes on.

local cr = require "cresset"

local M = {}

local known = { fields = true, every = true, out = true, terminal = true, width = true, total = true }

local function fail(message, ...) cr.raise("progress: " .. message:format(...)) end

local describe = function(value) return require("cresset.data.check").describe(value) end

-- ---- What is walked over ---------------------------------------------------------------------------------------

-- The iterator triple with its closing value, and how many steps it will have, or nil where nobody knows.
local function steps_of(what, n)
  if math.type(what) == "integer" then
    if what < 0 then fail("the count must be at least 0, got %d", what) end
    local i = 0
    return function()
      i = i + 1
      if i <= what then return i end
    end, nil, nil, nil, what
  end
  if cr.is_tensor(what) then
    local i, count = 0, #what
    return function()
      i = i + 1
      if i <= count then return what:select(1, i) end
    end, nil, nil, nil, count
  end
  if type(what) == "function" then return what, nil, nil, nil, n end
  if type(what) ~= "table" and type(what) ~= "userdata" then
    fail("expected something to walk over, or a count, got %s", describe(what))
  end
  local meta = getmetatable(what)
  local iterates = type(meta) == "table" and type(meta.__index) == "table" and meta.__index.iter
  if iterates then
    local known_length, count = pcall(function() return #what end)
    local f, state, control, closing = what:iter()
    return f, state, control, closing, n or known_length and count or nil
  end
  if type(meta) == "table" and meta.__call then return what, nil, nil, nil, n end
  local i, count = 0, #what
  return function()
    i = i + 1
    if i <= count then return what[i] end
  end, nil, nil, nil, count
end

-- ---- Text -------------------------------------------------------------------------------------------------------

local function clock_text(seconds)
  if seconds ~= seconds or seconds >= 360000 then return "--:--" end
  local s = math.floor(seconds + 0.5)
  if s >= 3600 then return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60) end
  return ("%02d:%02d"):format(s // 60, s % 60)
end

local function rate_text(rate)
  if rate >= 100 then return ("%.0f/s"):format(rate) end
  if rate >= 1 then return ("%.1f/s"):format(rate) end
  return rate > 0 and ("%.1f s each"):format(1 / rate) or "-/s"
end

-- A field's value: NaN and infinities are words, so that nobody overlooks them.
local function value_text(value)
  if cr.is_tensor(value) then value = value:numel() == 1 and value:item() or tostring(value.shape) end
  if math.type(value) ~= "float" then return tostring(value) end
  if value ~= value then return "NaN" end
  if value == math.huge or value == -math.huge then return value > 0 and "inf" or "-inf" end
  local size = math.abs(value)
  if size ~= 0 and (size < 1e-3 or size >= 1e6) then return ("%.3e"):format(value) end
  return ("%.4g"):format(value)
end

local function fields_text(fields)
  local names, parts = {}, {}
  for name in pairs(fields) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = ("%s %s"):format(name, value_text(fields[name])) end
  return table.concat(parts, "  ")
end

local eighths = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" }

local function bar(share, width)
  local parts = math.floor(share * width * 8 + 0.5)
  local full, rest = parts // 8, parts % 8
  return ("█"):rep(full) .. eighths[rest + 1] .. (" "):rep(width - full - (rest > 0 and 1 or 0))
end

-- ---- The object -----------------------------------------------------------------------------------------------

local Progress = {}
Progress.__index = Progress

local function write(self, text)
  local out = self.out
  pcall(function()
    out:write(text)
    out:flush()
  end)
end

function Progress:line()
  local passed = cr.clock() - self.start
  local rate = passed > 0 and self.done / passed or 0
  local fields = fields_text(self.fields)
  local tail = fields ~= "" and "  " .. fields or ""
  local head = self.label ~= "" and self.label .. "  " or ""
  if not self.total then
    return ("%s%d  %s  %s%s"):format(head, self.done, rate_text(rate), clock_text(passed), tail)
  end
  local share = self.total > 0 and math.min(1, self.done / self.total) or 1
  local left = rate > 0 and (self.total - self.done) / rate or 0 / 0
  local drawn = self.terminal and "▕" .. bar(share, self.width) .. "▏ " or ""
  local time = self.done >= self.total and clock_text(passed) or clock_text(passed) .. "<" .. clock_text(left)
  return ("%s%3.0f %% %s%d/%d  %s  %s%s"):format(head, math.floor(share * 100), drawn, self.done, self.total,
    rate_text(rate), time, tail)
end

function Progress:draw()
  self.drawn = cr.clock()
  write(self, "\r" .. self:line() .. "\27[K")
end

-- What a step shows: on a terminal at most so many times a second; elsewhere each tenth of the way.
function Progress:step()
  self.done = self.done + 1
  if self.terminal then
    if cr.clock() - self.drawn >= self.every then self:draw() end
    return
  end
  local tenth = self.total and self.total > 0 and self.done * 10 // self.total or 0
  if self.total and tenth > self.tenth then
    self.tenth, self.told = tenth, self.done
    self.pending = true -- told when the step is over, with the fields that it has set
  elseif not self.total and self.done >= self.next_told then
    self.next_told, self.pending = self.next_told * 2, true
  end
end

local function tell(self)
  if not self.pending then return end
  self.pending = false
  write(self, self:line() .. "\n")
end

--- set { loss = x, ... }: values that are shown behind the bar; a tensor of one element is read when it is shown.
function Progress:set(fields)
  if type(fields) ~= "table" then fail("set expects a table of values by name, got %s", describe(fields)) end
  for name, value in pairs(fields) do self.fields[name] = cr.is_tensor(value) and value:detach() or value end
  return self
end

--- Ends the line; the end of the loop does so.
function Progress:close()
  if self.closed then return end
  self.closed = true
  if self.terminal then
    self:draw()
    write(self, "\n")
  else
    tell(self)
    if self.told ~= self.done and (self.total == nil or self.done < self.total) then
      write(self, self:line() .. "\n") -- left early, or of a length that nobody knew
    end
  end
  local closing = self.closing
  self.closing = nil
  if closing ~= nil then
    local meta = getmetatable(closing)
    if type(meta) == "table" and meta.__close then meta.__close(closing) end
  end
end
Progress.__close = Progress.close

local function pass(self, first, ...)
  if first == nil then
    self:close()
    return nil
  end
  self.control = first
  self:step()
  return first, ...
end

--- for x, y in p:iter() do: as p itself, but the line also ends where the loop is left early.
function Progress:iter() return self, nil, nil, self end

-- The iterator: for x, y in progress do.
function Progress:__call()
  if self.closed then return nil end
  tell(self)
  return pass(self, self.f(self.state, self.control))
end

-- ---- Making one ---------------------------------------------------------------------------------------------------

-- A terminal is what the system says has the name of one; without that, stderr is taken for a file.
local function is_terminal(options)
  if options.terminal ~= nil then return options.terminal end
  if options.out then return false end
  return cr._data.is_terminal(2) and os.getenv "TERM" ~= "dumb"
end

local function read_options(label, options)
  if type(label) == "table" and options == nil then label, options = nil, label end
  if label ~= nil and type(label) ~= "string" then fail("the label must be a string, got %s", describe(label)) end
  if options ~= nil and type(options) ~= "table" then
    fail("the options must be a table, got %s", describe(options))
  end
  local o = {}
  for key, value in pairs(options or {}) do
    if not known[key] then
      fail("there is no option %s; there are: every, fields, out, terminal, total, width", describe(key))
    end
    o[key] = value
  end
  return label or "", o
end

--- progress(what, label, { fields = {}, total =, every = 0.1, width = 24, out = io.stderr, terminal = }): what is a
-- loader, a list, a tensor, a count or an iterator. for x, y in cr.progress(loader, "epoch 1") do gives the values of
-- each step; local p = cr.progress(...) is the object: for x in p do p:set { loss = l } end.
function M.progress(what, label, options)
  local o
  label, o = read_options(label, options)
  local f, state, control, closing, total = steps_of(what, o.total)
  local self = setmetatable({ f = f, state = state, control = control, closing = closing, total = total or o.total,
    label = label, fields = {}, done = 0, tenth = 0, next_told = 1, drawn = -math.huge, start = cr.clock(),
    out = o.out or io.stderr, every = o.every or 0.1, width = o.width or 24, terminal = is_terminal(o) }, Progress)
  if o.fields ~= nil then self:set(o.fields) end
  if self.terminal then self:draw() end
  return self, nil, nil, self
end

return M
