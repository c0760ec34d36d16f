-- sampler.lua: in which order samples are taken, and which of them together.
--
-- Holds true: a sampler gives positions, from 1. positions(epoch, seed) depends on its arguments and on the sampler's
-- own seed, if it has one, alone; iter() is a pass by itself, another one each time.

local cr = require "cresset"

local check = require "cresset.data.check"

local M = {}

local fail, describe = check.fail, check.describe

-- A class of samplers; draw(self) gives a tensor of positions, with the random generator as it has been set.
local function sampler(name, draw, random)
  local class = { name = name, random = random }
  class.__index = class
  function class.__len(self) return self.count end
  function class.__tostring(self) return ("%s of %d positions"):format(name, self.count) end
  function class:positions(epoch, seed)
    if not random then return draw(self) end
    return check.seeded(check.mix(self.seed or seed or check.draw_seed(), epoch or 1), draw, self)
  end
  function class:iter()
    self.passes = (self.passes or 0) + 1
    local order, i = self:positions(self.passes), 0
    return function()
      i = i + 1
      if i <= #order then return order:select(1, i):item() end
    end
  end
  return class
end

local function count_of(op, set)
  if type(set) == "number" then return check.integer(op, "the number of samples", set, 0) end
  if not require("cresset.data.dataset").is_dataset(set) and not cr.is_tensor(set) then
    fail("%s: expected a dataset or a number of samples, got %s", op, describe(set))
  end
  return #set
end

local function seed_of(op, o)
  return o.seed ~= nil and check.integer(op, "seed", o.seed, math.mininteger) or nil
end

local Sequential = sampler("SequentialSampler", function(self)
  return cr.arange(1, self.count + 1, { dtype = "int64" })
end)

--- SequentialSampler(set): 1, 2, ... #set.
function M.SequentialSampler(set)
  return setmetatable({ count = count_of("SequentialSampler", set) }, Sequential)
end

local Random = sampler("RandomSampler", function(self)
  if self.count == 0 then return cr.zeros({ 0 }, { dtype = "int64" }) end
  if self.replacement then return cr.randint(1, self.of + 1, { self.count }, { dtype = "int64" }) end
  local rounds = {}
  for i = 1, (self.count + self.of - 1) // self.of do rounds[i] = cr.randperm(self.of) end
  return cr.cat(rounds):narrow(1, 1, self.count)
end, true)

--- RandomSampler(set, { replacement = false, num_samples =, seed = }): every position once, in a random order; with
-- replacement, num_samples independent draws. More than #set without replacement: several orders, one after another.
function M.RandomSampler(set, options)
  local o = check.options("RandomSampler", options, { "replacement", "num_samples", "seed" })
  local n = count_of("RandomSampler", set)
  local count = check.integer("RandomSampler", "num_samples", o.num_samples, 0, n)
  if n == 0 and count > 0 then fail("RandomSampler: num_samples is %d, and there are no samples", count) end
  return setmetatable({ of = n, count = count, seed = seed_of("RandomSampler", o),
    replacement = check.boolean("RandomSampler", "replacement", o.replacement, false) }, Random)
end

local SubsetRandom = sampler("SubsetRandomSampler", function(self)
  return self.of:index_select(1, cr.randperm(self.count))
end, true)

--- SubsetRandomSampler(positions, { seed = }): these positions in a random order.
function M.SubsetRandomSampler(list, options)
  local o = check.options("SubsetRandomSampler", options, { "seed" })
  local of = require("cresset.data.dataset").positions("SubsetRandomSampler", "positions", list, math.maxinteger)
  return setmetatable({ of = of, count = #of, seed = seed_of("SubsetRandomSampler", o) }, SubsetRandom)
end

local Weighted = sampler("WeightedRandomSampler", function(self)
  return cr.multinomial(self.weights, self.count, { replacement = self.replacement })
end, true)

--- WeightedRandomSampler(weights, num_samples, { replacement = true, seed = }): positions drawn in proportion to their
-- weights, a list or a tensor of numbers of at least 0.
function M.WeightedRandomSampler(weights, num_samples, options)
  local op = "WeightedRandomSampler"
  local o = check.options(op, options, { "replacement", "seed" })
  local w = type(weights) == "table" and cr.tensor(weights) or weights
  if not cr.is_tensor(w) or w.ndim ~= 1 or #w == 0 then
    fail("%s: weights must be a list or a tensor of one dim, got %s", op, describe(weights))
  end
  w = w:to "float64"
  if not (w:ge(0):all():item() and w:isfinite():all():item() and w:sum():item() > 0) then
    fail("%s: weights must be finite, at least 0, and not all 0", op)
  end
  local count = check.integer(op, "num_samples", num_samples, 1)
  local replacement = check.boolean(op, "replacement", o.replacement, true)
  if not replacement and count > w:gt(0):sum():item() then
    fail("%s: without replacement there are only %d positions to draw, and num_samples is %d", op,
      w:gt(0):sum():item(), count)
  end
  return setmetatable({ weights = w, count = count, replacement = replacement, seed = seed_of(op, o) }, Weighted)
end

local Batch = { name = "BatchSampler" }
Batch.__index = Batch

--- BatchSampler(sampler, batch_size, { drop_last = false }): the positions of a sampler in groups.
function M.BatchSampler(inner, batch_size, options)
  local o = check.options("BatchSampler", options, { "drop_last" })
  if type(inner) ~= "table" or type(inner.positions) ~= "function" then
    fail("BatchSampler: expected a sampler, got %s", describe(inner))
  end
  return setmetatable({ sampler = inner, batch_size = check.integer("BatchSampler", "batch_size", batch_size, 1),
    drop_last = check.boolean("BatchSampler", "drop_last", o.drop_last, false) }, Batch)
end
function Batch:__len()
  local n, k = #self.sampler, self.batch_size
  return self.drop_last and n // k or (n + k - 1) // k
end
function Batch:batches(epoch, seed)
  local order, list = self.sampler:positions(epoch, seed), {}
  for i = 1, #self do
    local first = (i - 1) * self.batch_size + 1
    list[i] = order:narrow(1, first, math.min(self.batch_size, #order - first + 1))
  end
  return list
end
function Batch:iter()
  self.passes = (self.passes or 0) + 1
  local list, i = self:batches(self.passes), 0
  return function()
    i = i + 1
    return list[i] and list[i]:totable()
  end
end

return M
