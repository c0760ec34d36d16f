-- loader.lua: the Loader, which gives a dataset's samples in batches, pass after pass.
--
-- Holds true: the order of a pass, and what is drawn while its batches are made, depend on the loader's seed and the
-- number of the pass alone, not on the number of workers. A loop is known by the batch that it has got last, so loops
-- over one loader may be nested, and one that is left ends its threads when it is collected, or by close().

local cr = require "cresset"

local check = require "cresset.data.check"
local dataset = require "cresset.data.dataset"
local fetch = require "cresset.data.fetch"

local M = {}

local fail, describe = check.fail, check.describe

local known = { "batch_size", "shuffle", "seed", "drop_last", "sampler", "batch_sampler", "collate_fn", "num_workers",
  "prefetch_factor", "transform" }

local Loader = {}
Loader.__index = Loader

-- ---- A pass ---------------------------------------------------------------------------------------------------

local Pass = {}
Pass.__index = Pass

-- The positions of batch i of a pass, as a tensor.
function Pass:index(i)
  if self.batches then return self.batches[i] end
  local size = self.loader.batch_size or 1
  local first = (i - 1) * size + 1
  local n = math.min(size, self.count - first + 1)
  if not self.order then return cr.arange(first, first + n, { dtype = "int64" }) end
  return self.order:narrow(1, first, n)
end

function Pass:seed(i) return fetch.seed(self.seed0, self.epoch, i) end

-- The next batch without workers.
function Pass:fetch_here(i)
  if self.stream then return table.pack(self.stream(self:seed(i))) end
  local seed = fetch.may_draw(self.loader.source) and self:seed(i) or nil
  local index <close> = self:index(i)
  return table.pack(fetch.batch(self.loader.source, index, seed))
end

-- Sends tasks until enough are on their way; an iterator that has ended gets none.
function Pass:send_ahead()
  local pool = self.pool
  while pool:waiting() < self.ahead and #self.rotation > 0 and self.sent < self.last do
    self.sent = self.sent + 1
    local turn = (self.turn - 1) % #self.rotation + 1
    pool:send(self.rotation[turn], self:seed(self.sent), not self.stream_setup and self:index(self.sent) or nil)
    self.turn = turn + 1
  end
end

function Pass:fetch_there()
  while true do
    self:send_ahead()
    if self.pool:waiting() == 0 then return nil end
    local values, which = self.pool:receive()
    if values then return values end
    for i, worker in ipairs(self.rotation) do -- it has ended: the others take its turns
      if worker == which then
        table.remove(self.rotation, i)
        if self.turn > i then self.turn = self.turn - 1 end
        break
      end
    end
  end
end

function Pass:close()
  if self.pool then self.pool:close() end
  self.pool, self.ended = nil, true
end
Pass.__gc, Pass.__close = Pass.close, Pass.close

function Pass:step()
  local i = self.at + 1
  local values
  if not self.ended and (i <= self.last) then
    values = self.pool and self:fetch_there() or not self.pool and self:fetch_here(i)
  end
  if not values or values.n == 0 or values[1] == nil then
    if values and values.n > 0 and not self.iterable then
      self:close()
      fail("Loader: batch %d is nil; collate_fn and transform must give a value", i)
    end
    self:close()
    self.progress.epoch, self.progress.position = self.epoch + 1, 0
    return nil
  end
  self.at, self.progress.position = i, i
  return table.unpack(values, 1, values.n)
end

-- ---- Beginning a pass -------------------------------------------------------------------------------------------

local function seed_of(self)
  self.seed = self.seed or check.draw_seed()
  return self.seed
end

-- The order in which a pass takes the samples: nothing for their own, else as the sampler says.
local function set_order(self, pass)
  local source = self.sampler
  if self.batch_sampler then
    local given = self.batch_sampler
    local list = type(given) == "function" and given(pass.epoch) or type(given.batches) == "function"
      and given:batches(pass.epoch, seed_of(self)) or given
    pass.batches = {}
    for i, positions in ipairs(list) do
      pass.batches[i] = dataset.positions("Loader", "a batch of batch_sampler", positions, #self.dataset)
    end
    pass.last = #pass.batches
    return
  end
  if type(source) == "function" then source = source(pass.epoch) end
  if type(source) == "table" and type(source.positions) == "function" then
    source = source:positions(pass.epoch, source.random and not source.seed and seed_of(self) or nil)
  end
  if source ~= nil then pass.order = dataset.positions("Loader", "sampler", source, #self.dataset) end
  pass.count = pass.order and #pass.order or #self.dataset
  local size = self.batch_size or 1
  pass.last = self.drop_last and pass.count // size or (pass.count + size - 1) // size
end

local function start_workers(self, pass, skip)
  local n = self.num_workers
  pass.pool = require("cresset.data.worker").pool(n, { source = self.source, iterable = pass.iterable,
    size = self.batch_size or nil, drop_last = self.drop_last })
  pass.stream_setup = pass.iterable
  pass.ahead = n * self.prefetch_factor
  pass.rotation = {}
  for i = 1, n do pass.rotation[i] = i end
  pass.turn, pass.sent = skip % n + 1, skip
end

-- Passes over what an iterable gives have no other way than to take it.
local function skip_batches(pass, skip)
  if not pass.iterable then
    pass.at = math.min(skip, pass.last)
    return
  end
  for _ = 1, skip do
    if pass:step() == nil then return end
  end
end

local function begin(self)
  local pass = setmetatable({ loader = self, at = 0, progress = self.progress, last = math.maxinteger,
    iterable = self.kind == "iterable" }, Pass)
  pass.epoch = self.progress.epoch
  if self.progress.started and self.progress.position > 0 then pass.epoch = pass.epoch + 1 end
  local skip = self.progress.started and 0 or self.progress.position
  if not pass.iterable then set_order(self, pass) end
  if pass.iterable or self.num_workers > 0 or fetch.may_draw(self.source) then pass.seed0 = seed_of(self) end
  self.progress = { epoch = pass.epoch, position = 0, started = true }
  pass.progress = self.progress
  if self.num_workers > 0 and pass.last > 0 then
    start_workers(self, pass, pass.iterable and 0 or skip)
  elseif pass.iterable then
    pass.stream = fetch.stream(self.source, 1, 1, self.batch_size or nil, self.drop_last)
  end
  self.passes[pass] = true
  skip_batches(pass, skip)
  self.progress.position = pass.at
  return pass
end

-- ---- What users see ----------------------------------------------------------------------------------------------

local function remember(self, pass, first, ...)
  if first ~= nil then self.loops[first] = pass end
  return first, ...
end

--- for x, y in loader do: a pass.
function Loader:__call(_, last)
  local pass
  if last == nil then
    pass = begin(self)
  else
    pass = self.loops[last]
    if not pass then fail "Loader: this loop has been ended by close(), or its first variable was changed" end
    self.loops[last] = nil
  end
  return remember(self, pass, pass:step())
end

--- for x, y in loader:iter() do: a pass whose threads end with the loop, also when it is left early.
function Loader:iter()
  local pass = begin(self)
  return function() return pass:step() end, nil, nil, pass
end

--- Ends the threads of every loop that has not come to its end.
function Loader:close()
  for pass in pairs(self.passes) do pass:close() end
  self.loops = setmetatable({}, { __mode = "k" })
end
Loader.__close = Loader.close

--- #loader: how many batches a pass has.
function Loader:__len()
  if self.kind == "iterable" then fail "Loader: an IterableDataset has no length" end
  local given = self.batch_sampler
  if given then
    if type(given) == "function" then fail "Loader: a batch_sampler that is a function has no length" end
    return #given
  end
  if type(self.sampler) == "function" then fail "Loader: a sampler that is a function has no length" end
  local n, size = self.sampler and #self.sampler or #self.dataset, self.batch_size or 1
  return self.drop_last and n // size or (n + size - 1) // size
end

function Loader:__tostring()
  return ("Loader of %s, %s"):format(tostring(self.dataset),
    self.batch_size and ("batch_size %d"):format(self.batch_size) or "sample by sample")
end

--- Plain data for a checkpoint: the seed, the pass that goes on (or comes next) and how many batches of it were given.
function Loader:state()
  local p = self.progress
  return { seed = seed_of(self), epoch = p.epoch, position = p.position }
end

--- Takes back what state() gave: the next loop goes on behind the batches that were given before.
function Loader:load_state(state)
  local op = "load_state"
  if type(state) ~= "table" then fail("%s: expected a table from state(), got %s", op, describe(state)) end
  local seed = check.integer(op, "seed", state.seed, math.mininteger)
  local epoch = check.integer(op, "epoch", state.epoch, 1)
  local position = check.integer(op, "position", state.position, 0)
  self.seed, self.progress = seed, { epoch = epoch, position = position }
end

--- The number of the next pass, from 1.
function Loader:set_epoch(epoch)
  self.progress = { epoch = check.integer("set_epoch", "epoch", epoch, 1), position = 0 }
end

-- ---- Making one ----------------------------------------------------------------------------------------------------

local function check_together(o, kind)
  local function refuse(a, b) fail("Loader: %s and %s cannot both be given", a, b) end
  if o.batch_sampler ~= nil then
    for _, name in ipairs { "batch_size", "shuffle", "sampler", "drop_last" } do
      if o[name] then refuse("batch_sampler", name) end
    end
  end
  if o.sampler ~= nil and o.shuffle then refuse("sampler", "shuffle") end
  if kind ~= "iterable" then return end
  for _, name in ipairs { "shuffle", "sampler", "batch_sampler" } do
    if o[name] then fail("Loader: an IterableDataset has an order of its own; %s cannot be given", name) end
  end
end

local function sampler_option(name, value)
  if value == nil or type(value) == "function" or type(value) == "table" or cr.is_tensor(value) then return value end
  fail("Loader: %s must be a sampler, a list of positions or a function, got %s", name, describe(value))
end

--- Loader(set, { batch_size = 1, shuffle = false, seed =, drop_last = false, sampler =, batch_sampler =, collate_fn =,
-- num_workers = 0, prefetch_factor = 2, transform = }).
function M.Loader(set, options)
  local o = check.options("Loader", options, known)
  local kind = dataset.is_dataset(set)
  if not kind then fail("Loader: expected a dataset, got %s", describe(set)) end
  if kind == "map" then set = dataset.check_set("Loader", set) end
  check_together(o, kind)
  local self = { dataset = set, kind = kind, progress = { epoch = 1, position = 0 },
    loops = setmetatable({}, { __mode = "k" }), passes = setmetatable({}, { __mode = "k" }) }
  self.batch_size = o.batch_size ~= false and check.integer("Loader", "batch_size", o.batch_size, 1, 1)
  self.drop_last = check.boolean("Loader", "drop_last", o.drop_last, false)
  self.num_workers = check.integer("Loader", "num_workers", o.num_workers, 0, 0)
  self.prefetch_factor = check.integer("Loader", "prefetch_factor", o.prefetch_factor, 1, 2)
  if o.seed ~= nil then self.seed = check.integer("Loader", "seed", o.seed, math.mininteger) end
  self.sampler, self.batch_sampler = sampler_option("sampler", o.sampler),
    sampler_option("batch_sampler", o.batch_sampler)
  if check.boolean("Loader", "shuffle", o.shuffle, false) then
    self.sampler = require("cresset.data.sampler").RandomSampler(set)
  end
  self.source = { set = set, collate = check.callable("Loader", "collate_fn", o.collate_fn),
    transform = check.callable("Loader", "transform", o.transform), single = not self.batch_size }
  return setmetatable(self, Loader)
end

return M
