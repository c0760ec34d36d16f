-- data.lua: cr.data, the datasets, samplers and the loader; each family is loaded at its first use.
--
-- Holds true: a name that is not there is an error that says what is near it.

local M = {}

local families = {
  dataset = { "Dataset", "TensorDataset", "TableDataset", "IterableDataset", "MapDataset", "Subset", "ConcatDataset",
    "StackDataset", "random_split", "is_dataset" },
  idx = { "idx", "fashion_mnist" },
  csv = { "csv" },
  files = { "npy", "images", "lines" },
  image = { "read_image", "write_image" },
  sampler = { "SequentialSampler", "RandomSampler", "SubsetRandomSampler", "WeightedRandomSampler", "BatchSampler" },
  collate = { "default_collate" },
  loader = { "Loader" },
  worker = { "WorkerDataset" },
}

local family_of = {}
for family, names in pairs(families) do
  for _, name in ipairs(names) do family_of[name] = family end
end
family_of.transforms = "transforms"

return setmetatable(M, {
  names = function() return family_of end, -- for completion, and for what an error finds near
  __index = function(_, name)
    local value
    if family_of[name] then
      local family = require("cresset.data." .. family_of[name])
      value = name == "transforms" and family or family[name]
    elseif type(name) ~= "string" or name:sub(1, 1) == "_" then
      return nil
    else
      require("cresset.suggest").no_member("data", name)
    end
    rawset(M, name, value)
    return value
  end,
})
