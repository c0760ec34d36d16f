-- collate.lua: samples as a batch.
--
-- Holds true: tensors are stacked, numbers and booleans become a tensor, strings a list; lists and named tables are
-- gathered by their keys, to any depth. Samples that do not fit each other are refused with their numbers.

local cr = require "cresset"

local check = require "cresset.data.check"

local M = {}

local fail, describe = check.fail, check.describe

local collate

local function kind_of(value)
  return cr.is_tensor(value) and "tensor" or type(value)
end

local function stack(samples, way)
  for i = 2, #samples do
    if samples[i].shape ~= samples[1].shape then
      fail("collate: samples 1 and %d of the batch have shapes %s and %s%s; give the loader a collate_fn", i,
        samples[1].shape, samples[i].shape, way)
    end
  end
  return cr.stack(samples)
end

local function gather(samples, way)
  local batch = {}
  for key in pairs(samples[1]) do
    local column = {}
    for i, sample in ipairs(samples) do
      if sample[key] == nil then
        fail("collate: sample %d of the batch has no %s%s, and sample 1 has", i, describe(key), way)
      end
      column[i] = sample[key]
    end
    batch[key] = collate(column, (" at %s%s"):format(describe(key), way))
  end
  return batch
end

function collate(samples, way)
  local kind = kind_of(samples[1])
  for i = 2, #samples do
    local other = kind_of(samples[i])
    if other ~= kind then
      fail("collate: sample 1 of the batch is %s and sample %d is %s%s", describe(samples[1]), i,
        describe(samples[i]), way)
    end
  end
  if kind == "tensor" then return stack(samples, way) end
  if kind == "number" or kind == "boolean" then return cr.tensor(samples) end
  if kind == "string" then return samples end
  if kind == "table" then return gather(samples, way) end
  fail("collate: a batch cannot be made of values such as %s%s; give the loader a collate_fn", describe(samples[1]),
    way)
end

--- default_collate(list): the samples of the list as one batch.
function M.default_collate(samples)
  if type(samples) ~= "table" or #samples == 0 then
    fail("collate: expected a list of samples, got %s", describe(samples))
  end
  return collate(samples, "")
end

return M
