-- fetch.lua: how one batch is made, in a worker and without.
--
-- Holds true: what comes out depends on the source, the positions and the seed alone, wherever it runs.

local check = require "cresset.data.check"
local dataset = require "cresset.data.dataset"
local default_collate = require("cresset.data.collate").default_collate

local M = {}

local function as_one(n, ...)
  if n == 1 then return (...) end
  return { ... }
end
local function one(...) return as_one(select("#", ...), ...) end

-- A batch is several values where it is a list, as a sample of several values is one.
local function spread(batch)
  if type(batch) == "table" and getmetatable(batch) == nil and #batch > 0 then
    return table.unpack(batch)
  end
  return batch
end

local function gather(source, samples)
  if source.collate then return source.collate(samples) end
  return spread(default_collate(samples))
end

local function samples_at(set, index)
  local samples = index:totable()
  for i, position in ipairs(samples) do samples[i] = one(dataset.sample(set, position)) end
  return samples
end

-- A source is what a loader hands to those who make its batches: { set =, collate =, transform =, single = }.
local function make(source, index)
  local batcher = not source.collate and not source.single and dataset.batcher(source.set)
  if batcher then return batcher(index) end
  if source.single then return spread(one(dataset.sample(source.set, index:item()))) end
  return gather(source, samples_at(source.set, index))
end

--- Whether making a batch may draw random numbers, so that it needs a seed of its own.
function M.may_draw(source)
  return source.transform ~= nil or source.collate ~= nil or not dataset.batcher(source.set)
end

--- Whether the tensors of a batch are nobody else's: a set's own batch() may give what it keeps.
function M.owns(source)
  if source.collate or source.transform or source.single then return false end
  local set = source.set
  while getmetatable(set) == dataset.Subset do set = set.set end
  return not dataset.batcher(set) or set.copies == true
end

--- The values of the batch at the positions of the index tensor.
function M.batch(source, index, seed)
  local function work()
    if source.transform then return source.transform(make(source, index)) end
    return make(source, index)
  end
  if seed and M.may_draw(source) then return check.seeded(seed, work) end
  return work()
end

--- A function that gives the values of one batch of an iterable set after another, and nothing at its end.
function M.stream(source, worker, workers, size, drop_last)
  local f, state, control = source.set:iter(worker, workers)
  if not require "cresset.callable"(f) then
    check.fail("IterableDataset: f must give an iterator, got %s", check.describe(f))
  end
  local function next_sample()
    local values = table.pack(f(state, control))
    control = values[1]
    if control == nil then return nil end
    return values
  end
  local ended = false
  local function work()
    local samples = {}
    while #samples < (size or 1) and not ended do
      local values = next_sample()
      if not values then ended = true break end
      samples[#samples + 1] = as_one(values.n, table.unpack(values, 1, values.n))
    end
    if #samples == 0 or (drop_last and size and #samples < size) then return nil end
    local function finish(...)
      if source.transform then return source.transform(...) end
      return ...
    end
    if not size then return finish(spread(samples[1])) end
    return finish(gather(source, samples))
  end
  return function(seed) return check.seeded(seed, work) end
end

--- The seed of a batch.
function M.seed(seed, epoch, batch) return check.mix(seed, epoch, batch) end

return M
