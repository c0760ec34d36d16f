-- dataset.lua: datasets, which give samples by number: tensors, tables, iterators, and sets made of other sets.
--
-- Holds true: #set is the number of samples, set:get(i) gives the values of one, from 1 to #set, and set[i] the same as
-- one value: a list where there are several. A set may have batch(index), which gives the values of a whole batch at
-- the positions in an int64 tensor; it does no more than get() and collating would, faster.

local cr = require "cresset"

local check = require "cresset.data.check"

local M = {}

local fail, describe = check.fail, check.describe

-- ---- What all datasets have ------------------------------------------------------------------------------

local function pack_values(n, ...)
  if n == 1 then return (...) end
  return { ... }
end

local function index_of(set, i)
  local n, whole = #set, math.type(i) == "float" and math.tointeger(i) or i
  if math.type(whole) ~= "integer" then fail("%s: the index must be an integer, got %s", set.name, describe(i)) end
  if whole < 0 then whole = n + 1 + whole end
  if whole < 1 or whole > n then
    fail("%s: index %d is out of range: there are %d samples", set.name, i, n)
  end
  return whole
end

local classes = setmetatable({}, { __mode = "k" })

--- A class of datasets of that name, to which get(self, i) and len(self) are added; calling it makes an object and
-- calls init(self, ...).
function M.Dataset(name)
  check.string("Dataset", "name", name)
  local class = { name = name }
  classes[class] = true
  function class.__index(self, key)
    local value = class[key]
    if value ~= nil or type(key) ~= "number" then return value end
    local function sample(...) return pack_values(select("#", ...), ...) end
    return sample(self:get(index_of(self, key)))
  end
  function class.__len(self) return self:len() end
  function class.__tostring(self) return ("%s of %s samples"):format(name, self.len and tostring(#self) or "?") end
  function class.map(self, f) return M.MapDataset(self, f) end
  return setmetatable(class, { __call = function(_, ...)
    local self = setmetatable({}, class)
    if class.init then class.init(self, ...) end
    return self
  end })
end

local iterables = setmetatable({}, { __mode = "k" })

--- Whether the loader can take samples from a value: "map" for one with a length and positions, "iterable", or false.
function M.is_dataset(set)
  if type(set) ~= "table" and type(set) ~= "userdata" or cr.is_tensor(set) then return false end
  if type(set) == "table" and iterables[getmetatable(set)] then return "iterable" end
  local meta = getmetatable(set)
  if type(set) == "userdata" and type(meta) ~= "table" then return false end
  local has_length = type(set) == "table" or meta.__len ~= nil
  return has_length and "map" or false
end

-- A plain list of samples counts as one.
local function check_set(op, set)
  local kind = M.is_dataset(set)
  if kind ~= "map" then fail("%s: expected a dataset with a length, got %s", op, kind or describe(set)) end
  if type(set) == "table" and getmetatable(set) == nil then return M.TableDataset(set) end
  return set
end
M.check_set = check_set

-- A method of a set; an __index that is a function is asked only where it is ours.
local function method(set, name)
  local meta = getmetatable(set)
  local found = type(set) == "table" and rawget(set, name)
  if found or type(meta) ~= "table" then return found or nil end
  if type(meta.__index) == "table" or classes[meta] then found = set[name] end
  return type(found) == "function" and found or nil
end

--- The values of sample i of a set, which may be anything with a length: several where it has get().
function M.sample(set, i)
  local get = method(set, "get")
  if get then return get(set, i) end
  local value = set[i]
  return value
end

-- ---- Tensors and tables ---------------------------------------------------------------------------------

local TensorDataset = M.Dataset "TensorDataset"
M.TensorDataset = TensorDataset

--- TensorDataset(x, y, ...): sample i is row i of each tensor. All have as many rows.
function TensorDataset:init(...)
  local n = select("#", ...)
  if n == 0 then fail "TensorDataset: expected at least one tensor" end
  self.tensors = { ... }
  for i = 1, n do
    local x = self.tensors[i]
    if not cr.is_tensor(x) then fail("TensorDataset: argument %d must be a tensor, got %s", i, describe(x)) end
    if x.ndim == 0 then fail("TensorDataset: argument %d is a 0-dim tensor, which has no rows", i) end
    if #x ~= #self.tensors[1] then
      fail("TensorDataset: the tensors must have as many rows; argument 1 has %d and argument %d has %d",
        #self.tensors[1], i, #x)
    end
  end
end
TensorDataset.copies = true -- what batch() gives is nobody else's
function TensorDataset:len() return #self.tensors[1] end

local function each(tensors, f, i)
  if i > #tensors then return end
  return f(tensors[i]), each(tensors, f, i + 1)
end
function TensorDataset:get(i) return each(self.tensors, function(x) return x:select(1, i) end, 1) end
function TensorDataset:batch(index)
  return each(self.tensors, function(x) return x:index_select(1, index) end, 1)
end

local TableDataset = M.Dataset "TableDataset"
M.TableDataset = TableDataset

--- TableDataset(list): sample i is list[i], whatever that is; a list in it counts as the values of the sample.
function TableDataset:init(list)
  if type(list) ~= "table" then fail("TableDataset: expected a table, got %s", describe(list)) end
  self.list = list
end
function TableDataset:len() return #self.list end
function TableDataset:get(i) return self.list[i] end

-- ---- Iterators --------------------------------------------------------------------------------------------

local IterableDataset = { name = "IterableDataset" }
IterableDataset.__index = IterableDataset
IterableDataset.__tostring = function() return "IterableDataset" end
iterables[IterableDataset] = true

--- IterableDataset(f): f(worker, workers) is called for each pass and gives what `for` takes: a function, and perhaps a
-- state and a first value. worker counts from 1, so that each of several workers can take a part of its own.
function M.IterableDataset(f)
  check.callable("IterableDataset", "f", f)
  if f == nil then fail "IterableDataset: f must be a function, got nil" end
  return setmetatable({ f = f }, IterableDataset)
end

--- The triple for `for`: for x, y in set:iter() do.
function IterableDataset:iter(worker, workers) return self.f(worker or 1, workers or 1) end

-- ---- Sets of sets -----------------------------------------------------------------------------------------

local MapDataset = M.Dataset "MapDataset"
M.MapDataset = MapDataset

--- MapDataset(set, f): the values of each sample go through f, when they are asked for. set:map(f) is the same.
function MapDataset:init(set, f)
  self.set = check_set("MapDataset", set)
  if f == nil then fail "MapDataset: f must be a function, got nil" end
  self.f = check.callable("MapDataset", "f", f)
end
function MapDataset:len() return #self.set end
function MapDataset:get(i) return self.f(M.sample(self.set, i)) end

-- Positions as an int64 tensor, checked against the length of the set.
local function positions(op, name, list, n)
  local index = list
  if type(list) == "table" and #list == 0 then index = cr.zeros({ 0 }, { dtype = "int64" })
  elseif type(list) == "table" then index = cr.tensor(list) end
  if not cr.is_tensor(index) or index.ndim ~= 1 or index.dtype ~= "int64" then
    fail("%s: %s must be a list of positions or an int64 tensor of one dim, got %s", op, name, describe(list))
  end
  if #index > 0 then
    local least, most = index:amin():item(), index:amax():item()
    if least < 1 or most > n then
      fail("%s: position %d is out of range: there are %d samples", op, least < 1 and least or most, n)
    end
  end
  return index
end
M.positions = positions

local Subset = M.Dataset "Subset"
M.Subset = Subset

--- Subset(set, positions): those samples of a set, in that order; positions from 1, a table or an int64 tensor.
function Subset:init(set, list)
  self.set = check_set("Subset", set)
  self.positions = positions("Subset", "positions", list, #self.set)
end
function Subset:len() return #self.positions end
function Subset:get(i) return M.sample(self.set, self.positions:select(1, i):item()) end
function Subset:batcher()
  return M.batcher(self.set) and function(index) return M.batcher(self.set)(self.positions:index_select(1, index)) end
end

local ConcatDataset = M.Dataset "ConcatDataset"
M.ConcatDataset = ConcatDataset

--- ConcatDataset { a, b, ... }: the samples of one set after those of another.
function ConcatDataset:init(sets)
  if type(sets) ~= "table" or #sets == 0 then
    fail("ConcatDataset: expected a list of datasets, got %s", describe(sets))
  end
  self.sets, self.ends = {}, {}
  for i, set in ipairs(sets) do
    self.sets[i] = check_set("ConcatDataset", set)
    self.ends[i] = (self.ends[i - 1] or 0) + #self.sets[i]
  end
end
function ConcatDataset:len() return self.ends[#self.ends] end
function ConcatDataset:get(i)
  local low, high = 1, #self.ends -- the first set that ends at i or behind it
  while low < high do
    local middle = (low + high) // 2
    if self.ends[middle] < i then low = middle + 1 else high = middle end
  end
  return M.sample(self.sets[low], i - (self.ends[low - 1] or 0))
end

local StackDataset = M.Dataset "StackDataset"
M.StackDataset = StackDataset

--- StackDataset { a, b } or { image = a, label = b }: sample i has sample i of each set, by its place or its name.
function StackDataset:init(sets)
  if type(sets) ~= "table" or next(sets) == nil then
    fail("StackDataset: expected a table of datasets, got %s", describe(sets))
  end
  self.sets = {}
  for key, set in pairs(sets) do
    self.sets[key] = cr.is_tensor(set) and TensorDataset(set) or check_set("StackDataset", set)
    self.count = self.count or #self.sets[key]
    if #self.sets[key] ~= self.count then
      fail("StackDataset: the sets must have as many samples; one has %d and another %d", self.count, #self.sets[key])
    end
  end
end
function StackDataset:len() return self.count end
function StackDataset:get(i)
  local sample = {}
  for key, set in pairs(self.sets) do
    local function one(...) return pack_values(select("#", ...), ...) end
    sample[key] = one(M.sample(set, i))
  end
  return sample
end

--- The function that gives whole batches of a set at positions in a tensor, or nil where it has none.
function M.batcher(set)
  local make, batch = method(set, "batcher"), method(set, "batch")
  if make then return make(set) end
  return batch and function(index) return batch(set, index) end
end

-- ---- Splitting ----------------------------------------------------------------------------------------------

-- Counts from fractions: each rounded down, the rest given to the first parts, one each.
local function counts_of(parts, n)
  local sum, whole = 0, true
  for i, part in ipairs(parts) do
    if type(part) ~= "number" or part < 0 or part ~= part then
      fail("random_split: part %d must be a number of samples or a fraction, got %s", i, describe(part))
    end
    whole = whole and math.type(part) == "integer"
    sum = sum + part
  end
  if whole then
    if sum ~= n then fail("random_split: the parts have %d samples together, and the set has %d", sum, n) end
    return parts
  end
  if math.abs(sum - 1) > 1e-9 then fail("random_split: the fractions make %g; they must make 1", sum) end
  local counts, left = {}, n
  for i, part in ipairs(parts) do
    counts[i] = math.floor(n * part + 1e-9)
    left = left - counts[i]
  end
  for i = 1, left do
    local at = (i - 1) % #parts + 1
    counts[at] = counts[at] + 1
  end
  return counts
end

--- random_split(set, { 0.8, 0.2 } or { 800, 200 }, { seed = }): as many subsets, which share no sample. The seed is
-- drawn from the random generator if none is given.
function M.random_split(set, parts, options)
  local o = check.options("random_split", options, { "seed" })
  set = check_set("random_split", set)
  if type(parts) ~= "table" or #parts == 0 then
    fail("random_split: the parts must be a list of fractions or counts, got %s", describe(parts))
  end
  local counts = counts_of(parts, #set)
  local seed = o.seed == nil and check.draw_seed() or check.integer("random_split", "seed", o.seed, math.mininteger)
  local order = check.seeded(seed, cr.randperm, #set)
  local subsets, at = {}, 1
  for i, count in ipairs(counts) do
    subsets[i] = Subset(set, order:narrow(1, at, count))
    at = at + count
  end
  return table.unpack(subsets)
end

return M
