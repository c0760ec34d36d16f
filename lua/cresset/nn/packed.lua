-- packed.lua: sequences of different lengths: packed for recurrent layers, padded, and back.
--
-- Holds true: a packed sequence is the rows of all sequences at their first step, then those at the second, and so on,
-- longest sequence first; batch_sizes has how many there are at each step. What is done to tensors is recorded like
-- any other work, in as many steps as there are different lengths. Sequences are numbered from 1.

local cr = require "cresset"

local M = {}

local Packed = {}
Packed.__index = Packed
Packed.__name = "PackedSequence"

local function fail(name, message, ...) cr.raise(name .. ": " .. message:format(...)) end

local function kind(x) return cr.is_tensor(x) and ("a %s tensor"):format(x.dtype) or "a " .. type(x) end

local function quote(x) return require("cresset.suggest").quote(tostring(x)) end

-- ---- Arguments --------------------------------------------------------------------------------------

-- The options, with defaults; each value has the type of its default, or that of `types`.
local function read_options(name, options, defaults, types)
  local o = options == nil and {} or options
  if type(o) ~= "table" then fail(name, "the options must be a table, got %s", kind(o)) end
  local read, known = {}, {}
  for key, default in pairs(defaults) do read[key], known[#known + 1] = default, key end
  for key in pairs(types or {}) do known[#known + 1] = key end
  table.sort(known)
  for key, value in next, o do
    local wanted = types and types[key] or math.type(defaults[key]) and "number" or type(defaults[key])
    if wanted == "nil" then
      fail(name, "there is no option %s; there are: %s", quote(key), table.concat(known, ", "))
    end
    if wanted == "integer" and math.type(value) ~= "integer" or wanted ~= "integer" and type(value) ~= wanted then
      fail(name, "%s must be a %s, got %s", key, wanted == "integer" and "whole number" or wanted, kind(value))
    end
    read[key] = value
  end
  return read
end

local function check_tensor(name, what, x, least)
  if not cr.is_tensor(x) then fail(name, "%s must be a tensor, got %s", what, kind(x)) end
  if x:dim() < least then fail(name, "%s must have at least %d dims, got shape %s", what, least, tostring(x.shape)) end
end

-- A list of whole numbers, from a table or an integer tensor.
local function read_lengths(name, lengths, count)
  local list = lengths
  if cr.is_tensor(lengths) then
    if lengths:dim() ~= 1 or not lengths.dtype:find "int" then
      fail(name, "lengths must be a vector of integers, got %s of shape %s", kind(lengths), tostring(lengths.shape))
    end
    list = lengths:totable()
  elseif type(lengths) ~= "table" then
    fail(name, "lengths must be a list of numbers or a tensor, got %s", kind(lengths))
  end
  if #list ~= count then fail(name, "lengths has %d numbers for %d sequences", #list, count) end
  for i, n in ipairs(list) do
    if not math.tointeger(n) then fail(name, "length %d is %s; it must be a whole number", i, tostring(n)) end
  end
  return list
end

local function check_lengths(name, list, steps)
  for i, n in ipairs(list) do
    if n < 1 or n > steps then
      fail(name, "length %d is %d; lengths from 1 to the %d steps of input are possible", i, n, steps)
    end
  end
end

local function read_list(name, sequences)
  if type(sequences) ~= "table" then fail(name, "sequences must be a list of tensors, got %s", kind(sequences)) end
  if #sequences == 0 then fail(name, "sequences is empty; at least one is needed") end
  local lengths, first = {}, sequences[1]
  for i, x in ipairs(sequences) do
    check_tensor(name, ("sequence %d"):format(i), x, 1)
    local fits = x:dim() == first:dim()
    for d = 2, x:dim() do fits = fits and x:size(d) == first:size(d) end
    if not fits then
      fail(name, "sequences of shapes %s and %s (sequence %d) differ in more than their lengths", tostring(first.shape),
        tostring(x.shape), i)
    end
    lengths[i] = x:size(1)
  end
  return lengths
end

local function is_packed(x) return type(x) == "table" and getmetatable(x) == Packed end

local function check_packed(name, x)
  if not is_packed(x) then
    fail(name, "needs a packed sequence, as pack_padded_sequence gives it, got %s", kind(x))
  end
end

-- ---- Packed sequences --------------------------------------------------------------------------------

local function inverse(list)
  local back = {}
  for i, k in ipairs(list) do back[k] = i end
  return back
end

--- The positions that put back what `permutation`, a vector of positions from 1, has taken.
function M.invert_permutation(permutation)
  if permutation == nil then return nil end
  check_tensor("invert_permutation", "permutation", permutation, 1)
  return cr.tensor(inverse(permutation:totable()), { dtype = "int64", device = permutation.device })
end

--- A packed sequence of rows `data` and batch_sizes (int64, on the cpu), as a layer gives them back; sorted_indices
-- says which sequence stands where, unsorted_indices where each stands.
function M.PackedSequence(data, batch_sizes, sorted_indices, unsorted_indices)
  check_tensor("PackedSequence", "data", data, 1)
  check_tensor("PackedSequence", "batch_sizes", batch_sizes, 1)
  if unsorted_indices == nil then unsorted_indices = M.invert_permutation(sorted_indices) end
  return setmetatable({ data = data, batch_sizes = batch_sizes, sorted_indices = sorted_indices,
    unsorted_indices = unsorted_indices }, Packed)
end

--- Whether x is a packed sequence.
M.is_packed = is_packed

--- The same with data of another dtype or on another device; batch_sizes stay on the cpu.
function Packed:to(...)
  local data = self.data:to(...)
  local function there(indices) return indices and indices:to(data.device) end
  return M.PackedSequence(data, self.batch_sizes, there(self.sorted_indices), there(self.unsorted_indices))
end

function Packed:__tostring()
  local sizes = self.batch_sizes:totable()
  local shown = table.concat(sizes, ", ", 1, math.min(#sizes, 10)) .. (#sizes > 10 and ", ..." or "")
  local order = self.sorted_indices and (", sorted_indices = {%s}"):format(
    table.concat(self.sorted_indices:totable(), ", ")) or ""
  return ("PackedSequence(data = %s tensor of shape %s, batch_sizes = {%s}%s)"):format(self.data.dtype,
    tostring(self.data.shape), shown, order)
end

-- Steps with equally many sequences, one run after the other: calls f(first step, steps, sequences).
local function each_run(sizes, f)
  local first = 1
  for t = 1, #sizes do
    if sizes[t + 1] ~= sizes[t] then
      f(first, t - first + 1, sizes[t])
      first = t + 1
    end
  end
end

-- The numbers of sequences from the longest to the shortest, of equal ones in their order.
local function by_length(lengths)
  local order = {}
  for i = 1, #lengths do order[i] = i end
  table.sort(order, function(a, b)
    if lengths[a] ~= lengths[b] then return lengths[a] > lengths[b] end
    return a < b
  end)
  return order
end

-- How many of the lengths, which fall, reach each step.
local function sizes_of(lengths)
  local sizes, n = {}, #lengths
  for t = 1, lengths[1] do
    while lengths[n] < t do n = n - 1 end
    sizes[t] = n
  end
  return sizes
end

local function check_sorted(name, lengths)
  for i = 2, #lengths do
    if lengths[i] > lengths[i - 1] then
      fail(name, "lengths must not rise, but %d follows %d; { enforce_sorted = false } sorts them", lengths[i],
        lengths[i - 1])
    end
  end
end

-- input: time x batch x ...
local function pack(name, input, lengths, sorted)
  local order
  if sorted then
    check_sorted(name, lengths)
  else
    local list, fallen = by_length(lengths), {}
    for i, k in ipairs(list) do fallen[i] = lengths[k] end
    lengths = fallen
    order = cr.tensor(list, { dtype = "int64", device = input.device })
    input = input:index_select(2, order)
  end
  local sizes, parts, shape = sizes_of(lengths), {}, { -1 }
  for d = 3, input:dim() do shape[d - 1] = input:size(d) end
  each_run(sizes, function(first, steps, n)
    local part = input:narrow(1, first, steps):narrow(2, 1, n)
    shape[1] = steps * n
    parts[#parts + 1] = part:reshape(shape)
  end)
  local data = #parts == 1 and parts[1]:clone() or cr.cat(parts)
  return M.PackedSequence(data, cr.tensor(sizes, { dtype = "int64" }), order)
end

--- The rows of padded sequences, input (time x batch x ..., or with batch_first batch x time x ...), as far as their
-- lengths (a list or a tensor of integers) reach. Options: batch_first (false), enforce_sorted (true: lengths must not
-- rise; false: sequences are sorted, and sorted_indices and unsorted_indices say how).
function M.pack_padded_sequence(input, lengths, options)
  local name = "pack_padded_sequence"
  check_tensor(name, "input", input, 2)
  local o = read_options(name, options, { batch_first = false, enforce_sorted = true })
  if o.batch_first then input = input:transpose(1, 2) end
  if input:size(2) == 0 then fail(name, "input has no sequences; at least one is needed") end
  local list = read_lengths(name, lengths, input:size(2))
  check_lengths(name, list, input:size(1))
  return pack(name, input, list, o.enforce_sorted)
end

--- Packs a list of sequences (length x ...). Options: enforce_sorted (true).
function M.pack_sequence(sequences, options)
  local name = "pack_sequence"
  local o = read_options(name, options, { enforce_sorted = true })
  local lengths = read_list(name, sequences)
  for i, n in ipairs(lengths) do
    if n == 0 then fail(name, "sequence %d is empty", i) end
  end
  return pack(name, M.pad_sequence(sequences), lengths, o.enforce_sorted)
end

-- ---- Padding -----------------------------------------------------------------------------------------

-- x with n more positions of a value behind (or before) those of dim d.
local function padded(x, d, n, value, left)
  if n <= 0 then return x end
  local shape = { table.unpack(x.shape) }
  shape[d] = n
  local more = cr.full(shape, value, { dtype = x.dtype, device = x.device })
  return cr.cat(left and { more, x } or { x, more }, d)
end

-- The lengths that batch_sizes tell of, in the order of the rows.
local function lengths_of(sizes)
  local lengths = {}
  for t = #sizes, 1, -1 do
    for i = #lengths + 1, sizes[t] do lengths[i] = t end
  end
  return lengths
end

local function chosen(list, positions)
  local new = {}
  for i, k in ipairs(positions) do new[i] = list[k] end
  return new
end

--- The sequences of a packed one, padded: time x batch x ... (batch x time x ... with batch_first), and their lengths,
-- in the order that they had before they were packed. Options: batch_first (false), padding_value (0.0), total_length
-- (so many steps, at least as many as the longest has).
function M.pad_packed_sequence(sequence, options)
  local name = "pad_packed_sequence"
  check_packed(name, sequence)
  local o = read_options(name, options, { batch_first = false, padding_value = 0.0 }, { total_length = "integer" })
  local sizes, data = sequence.batch_sizes:totable(), sequence.data
  local most, steps = sizes[1], o.total_length or #sizes
  if steps < #sizes then
    fail(name, "total_length is %d, less than the %d steps of the longest sequence", steps, #sizes)
  end
  local parts, row = {}, 1
  each_run(sizes, function(_, count, n)
    local shape = { count, n }
    for d = 2, data:dim() do shape[d + 1] = data:size(d) end
    parts[#parts + 1] = padded(data:narrow(1, row, count * n):reshape(shape), 2, most - n, o.padding_value)
    row = row + count * n
  end)
  local all = padded(#parts == 1 and parts[1]:clone() or cr.cat(parts), 1, steps - #sizes, o.padding_value)
  local lengths = lengths_of(sizes)
  if sequence.unsorted_indices then
    all = all:index_select(2, sequence.unsorted_indices)
    lengths = chosen(lengths, sequence.unsorted_indices:totable())
  end
  if o.batch_first then all = all:transpose(1, 2) end
  return all, cr.tensor(lengths, { dtype = "int64" })
end

--- A list of sequences (length x ...) as one tensor, longest x batch x ... (batch x longest x ... with batch_first).
-- Options: batch_first (false), padding_value (0.0), padding_side ("right", or "left": the padding comes first).
function M.pad_sequence(sequences, options)
  local name = "pad_sequence"
  local o = read_options(name, options, { batch_first = false, padding_value = 0.0, padding_side = "right" })
  if o.padding_side ~= "right" and o.padding_side ~= "left" then
    fail(name, 'padding_side must be "right" or "left", got %s', quote(o.padding_side))
  end
  local lengths, parts = read_list(name, sequences), {}
  local longest = 0
  for _, n in ipairs(lengths) do longest = math.max(longest, n) end
  for i, x in ipairs(sequences) do
    parts[i] = padded(x, 1, longest - lengths[i], o.padding_value, o.padding_side == "left")
  end
  return cr.stack(parts, o.batch_first and 1 or 2)
end

--- The sequences of a padded tensor (time x batch x ..., or with batch_first batch x time x ...) as a list, each as
-- long as lengths says. Options: batch_first (false).
function M.unpad_sequence(padded_sequences, lengths, options)
  local name = "unpad_sequence"
  check_tensor(name, "padded_sequences", padded_sequences, 2)
  local o = read_options(name, options, { batch_first = false })
  local x = o.batch_first and padded_sequences or padded_sequences:transpose(1, 2)
  local list, parts = read_lengths(name, lengths, x:size(1)), {}
  for i, n in ipairs(list) do
    if n < 0 or n > x:size(2) then fail(name, "length %d is %d; there are %d steps", i, n, x:size(2)) end
    parts[i] = x:select(1, i):narrow(1, 1, n)
  end
  return parts
end

--- The sequences of a packed one as a list, in the order that they had before they were packed.
function M.unpack_sequence(packed_sequences)
  check_packed("unpack_sequence", packed_sequences)
  local all, lengths = M.pad_packed_sequence(packed_sequences, { batch_first = true })
  return M.unpad_sequence(all, lengths, { batch_first = true })
end

return M
