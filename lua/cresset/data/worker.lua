-- worker.lua: threads that make batches ahead of who uses them, each with a Lua state of its own.
--
-- Holds true: batches come in the order of their tasks, whichever worker is faster, and are what one thread would have
-- made. A failure in a worker reaches who waits for that batch, with the worker's traceback. close() ends the threads
-- and waits for them; so do the collector and the end of a scope.

local cr = require "cresset"

local check = require "cresset.data.check"
local crossing = require "cresset.data.crossing"
local dataset = require "cresset.data.dataset"
local fetch = require "cresset.data.fetch"

local M = {}

local fail = check.fail

-- ---- In a worker ---------------------------------------------------------------------------------------------

local function all_tensors(values)
  for i = 1, values.n do
    if not cr.is_tensor(values[i]) then return false end
  end
  return true
end

local function reply(send, values, owned)
  if values[1] == nil then return send "D" end
  if all_tensors(values) then
    send("T", table.unpack(values, 1, values.n))
  else
    local text, tensors = crossing.encode(values, "the batch")
    if not text then error(("%s, which cannot leave the worker"):format(tensors), 0) end
    send("V" .. text, table.unpack(tensors))
  end
  if owned then
    for i = 1, values.n do
      if cr.is_tensor(values[i]) then values[i]:close() end
    end
  end
end

local function serve(setup, send, maker, text, index)
  local batch_seed = string.unpack("<i8", text)
  math.randomseed(batch_seed)
  reply(send, table.pack(maker(index, batch_seed)), setup.owned)
  if index then index:close() end
end

--- What a worker does: gets a setup, and then task after task.
function M.run(receive, send)
  local first = table.pack(receive())
  if first.n == 0 then return end
  local setup, maker
  local good, problem = xpcall(function()
    setup = crossing.decode(first[1], { table.unpack(first, 2, first.n) })
    local source = setup.source
    setup.owned = fetch.owns(source)
    maker = function(index, seed) return fetch.batch(source, index, seed) end
    if setup.iterable then
      local stream = fetch.stream(source, setup.worker, setup.workers, setup.size, setup.drop_last)
      maker = function(_, seed) return stream(seed) end
    end
  end, debug.traceback)
  while true do
    local text, index = receive()
    if not text then return end
    if good then
      local done, failure = xpcall(serve, debug.traceback, setup, send, maker, text, index)
      if not done then send("E" .. tostring(failure)) end
    else
      send("E" .. tostring(problem))
    end
  end
end

-- ---- The owner's side ----------------------------------------------------------------------------------------

local Pool = {}
Pool.__index = Pool

local code = [[local receive, send = ...
require("cresset.data.worker").run(receive, send)]]

--- A pool of `n` workers with the same setup: { source =, iterable =, size =, drop_last = }.
function M.pool(n, setup)
  local self = setmetatable({ workers = {}, sent = 0, received = 0, turns = {}, head = 1 }, Pool)
  for i = 1, n do
    setup.worker, setup.workers = i, n
    local text, tensors = crossing.encode(setup, "Loader")
    if not text then
      self:close()
      local what = tensors:gsub("^Loader%.source%.", ""):gsub("^set", "the dataset")
      fail("Loader: %s, which cannot go to a worker; make it there, in a WorkerDataset, or set num_workers to 0", what)
    end
    self.workers[i] = cr._data.worker(code)
    self.workers[i]:send(text, table.unpack(tensors))
  end
  self.live = n
  return self
end

--- Hands a task to worker number `which`.
function Pool:send(which, seed, index)
  self.turns[#self.turns + 1] = which
  local task = string.pack("<i8", seed)
  if index then self.workers[which]:send(task, index) else self.workers[which]:send(task) end
end

local function failed(self, which, text)
  self:close()
  fail("Loader: worker %d failed: %s", which, text)
end

--- The values of the oldest task's batch, packed, and the number of its worker; nil where its iterator has ended.
function Pool:receive()
  local which = table.remove(self.turns, 1)
  local message = table.pack(self.workers[which]:receive())
  local text = message[1]
  if not text then failed(self, which, message[2]) end
  local tag = text:sub(1, 1)
  if tag == "E" then failed(self, which, text:sub(2)) end
  if tag == "D" then return nil, which end
  if tag == "T" then return table.pack(table.unpack(message, 2, message.n)), which end
  return crossing.decode(text:sub(2), { table.unpack(message, 2, message.n) }), which
end

--- How many tasks are on their way.
function Pool:waiting() return #self.turns end

function Pool:close()
  for i, worker in ipairs(self.workers) do
    worker:close()
    self.workers[i] = nil
  end
end
Pool.__gc, Pool.__close = Pool.close, Pool.close

-- ---- Datasets that each worker makes for itself ----------------------------------------------------------------

local WorkerDataset = dataset.Dataset "WorkerDataset"
M.WorkerDataset = WorkerDataset

local made = setmetatable({}, { __mode = "k" }) -- does not cross: what it holds may be open files

--- WorkerDataset("module", ...): the dataset that require("module")(...) makes, in each worker anew. The arguments are
-- plain data or tensors.
function WorkerDataset:init(module, ...)
  self.module, self.arguments = check.string("WorkerDataset", "module", module), table.pack(...)
end
local function own(self)
  if not made[self] then
    local set = require(self.module)(table.unpack(self.arguments, 1, self.arguments.n))
    if not dataset.is_dataset(set) then
      fail("WorkerDataset: the module %s gave %s, not a dataset", self.module, check.describe(set))
    end
    made[self] = set
  end
  return made[self]
end
function WorkerDataset:len() return #own(self) end
function WorkerDataset:get(i) return dataset.sample(own(self), i) end
function WorkerDataset:batcher() return dataset.batcher(own(self)) end

return M
