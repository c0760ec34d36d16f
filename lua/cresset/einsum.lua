-- einsum.lua: sums of products of tensors, told by letters for their dims.
--
-- Holds true: tensors are multiplied from left to right, two at a time, as a batch of matrices; a letter
-- is summed over as soon as no later tensor and not the result has it. A dim of size 1 is broadcast. All
-- steps are operations, so derivatives of every order come by themselves.

local cr = require "cresset"

local quote = require("cresset.suggest").quote

local M = {}

-- What is wrong with an equation travels as a table, so that it is told from the errors of operations.
local function fail(equation, message, ...)
  error({ message = ("einsum: %s: " .. message):format(quote(equation, '"'), ...) })
end

-- ---- Reading ----------------------------------------------------------------------------------------

-- The labels of one term: letters, and for the dims that "..." stands for the numbers -n .. -1, counted
-- from the right, so that those of all tensors fit together.
local function read_term(equation, term, ellipsis)
  local strange = term:gsub("%.%.%.", "", 1):match "[^%a%s]"
  if strange then fail(equation, "%s is no letter and no \"...\"", quote(strange, '"')) end
  local labels, rest = {}, term:gsub("%s", "")
  local before, after = rest, ""
  local first, last = rest:find("...", 1, true)
  if first then
    before, after = rest:sub(1, first - 1), rest:sub(last + 1)
  end
  local function letters(text)
    for letter in text:gmatch "." do labels[#labels + 1] = letter end
  end
  letters(before)
  for i = -(first and ellipsis or 0), -1 do labels[#labels + 1] = i end
  letters(after)
  return labels
end

-- The terms of the tensors, as lists of labels of their dims.
local function read_inputs(equation, text, operands)
  local terms, lists = {}, {}
  for term in (text .. ","):gmatch "([^,]*)," do terms[#terms + 1] = term end
  if #terms ~= #operands then fail(equation, "names %d tensors, but there are %d", #terms, #operands) end
  for i, term in ipairs(terms) do
    local _, letters = term:gsub("%a", "")
    local dims, open = operands[i]:dim(), term:find("...", 1, true)
    lists[i] = read_term(equation, term, math.max(dims - letters, 0))
    if dims < letters or (dims > letters and not open) then
      fail(equation, "tensor %d has %d dims, but %s names %d", i, dims, quote(term, '"'), letters)
    end
  end
  return lists
end

-- Without "->": the dims of "...", then the letters that stand once, in their order.
local function implied(lists)
  local seen, labels, most = {}, {}, 0
  for _, list in ipairs(lists) do
    for _, label in ipairs(list) do
      if math.type(label) then most = math.max(most, -label) end
      seen[label] = (seen[label] or 0) + 1
    end
  end
  for label, n in pairs(seen) do
    if n == 1 and not math.type(label) then labels[#labels + 1] = label end
  end
  table.sort(labels)
  for i = 1, most do table.insert(labels, 1, -i) end
  return labels
end

local function read_output(equation, text, lists)
  local known, used, most = {}, {}, 0
  for _, list in ipairs(lists) do
    for _, label in ipairs(list) do
      known[label] = true
      if math.type(label) then most = math.max(most, -label) end
    end
  end
  local labels = read_term(equation, text, most)
  for _, label in ipairs(labels) do
    if not known[label] then fail(equation, "no tensor has the \"%s\" of the result", label) end
    if used[label] then fail(equation, "the result has \"%s\" twice", label) end
    used[label] = true
  end
  return labels
end

-- ---- Tensors with labels: { t = tensor, [1] = label of dim 1, ... } -----------------------------------

local function place(x, label)
  for d = 1, #x do
    if x[d] == label then return d end
  end
end

-- Dims with one label become one: their diagonal.
local function without_repeats(equation, number, x)
  for d = #x, 2, -1 do
    local first = place(x, x[d])
    if first < d then
      local n, m = x.t:size(first), x.t:size(d)
      if n ~= m then
        fail(equation, "tensor %d has \"%s\" twice, of sizes %d and %d", number, x[d], n, m)
      end
      local label = table.remove(x, d)
      table.remove(x, first)
      x.t = x.t:diagonal(0, first, d)
      x[#x + 1] = label
    end
  end
  return x
end

-- Sums over the dims whose labels fail `keep`.
local function summed(x, keep)
  local dims, left = {}, { t = x.t }
  for d, label in ipairs(x) do
    if keep(label) then left[#left + 1] = label else dims[#dims + 1] = d end
  end
  if #dims > 0 then left.t = x.t:sum(dims) end
  return left
end

-- x with its dims in the order of labels; those that it lacks have size 1.
local function arranged(x, labels)
  local order, t = {}, x.t
  for _, label in ipairs(labels) do order[#order + 1] = place(x, label) end
  t = t:permute(order)
  for i, label in ipairs(labels) do
    if not place(x, label) then t = t:unsqueeze(i) end
  end
  return t
end

local function joined(...)
  local all = {}
  for _, list in ipairs { ... } do
    for _, label in ipairs(list) do all[#all + 1] = label end
  end
  return all
end

local function count(sizes, labels)
  local n = 1
  for _, label in ipairs(labels) do n = n * sizes[label] end
  return n
end

local function sizes_of(sizes, labels)
  local list = {}
  for i, label in ipairs(labels) do list[i] = sizes[label] end
  return list
end

-- x with the dims of `shared` at their full size.
local function full(x, shared, sizes)
  local shape, wanted = {}, {}
  for _, label in ipairs(shared) do wanted[label] = true end
  for d, label in ipairs(x) do shape[d] = wanted[label] and sizes[label] or x.t:size(d) end
  return { t = x.t:expand(shape), table.unpack(x) }
end

-- The product of two, summed over the labels that fail `keep`.
local function product(a, b, sizes, keep)
  a = summed(a, function(label) return keep(label) or place(b, label) end)
  b = summed(b, function(label) return keep(label) or place(a, label) end)
  local both, gone, left, right = {}, {}, {}, {}
  for _, label in ipairs(a) do
    local list = not place(b, label) and left or keep(label) and both or gone
    list[#list + 1] = label
  end
  for _, label in ipairs(b) do
    if not place(a, label) then right[#right + 1] = label end
  end
  local labels = joined(both, left, right)
  if #gone == 0 then return { t = arranged(a, labels) * arranged(b, labels), table.unpack(labels) } end
  local shared = joined(both, gone)
  local x = arranged(full(a, shared, sizes), joined(both, left, gone))
  local y = arranged(full(b, shared, sizes), joined(both, gone, right))
  local batch, k = count(sizes, both), count(sizes, gone)
  local m, n = count(sizes, left), count(sizes, right)
  local r
  if #both == 0 then
    r = x:reshape(m, k):mm(y:reshape(k, n))
  else
    r = x:reshape(batch, m, k):bmm(y:reshape(batch, k, n))
  end
  return { t = r:reshape(sizes_of(sizes, labels)), table.unpack(labels) }
end

-- ---- The whole ----------------------------------------------------------------------------------------

-- The size of each label; a 1 gives way.
local function find_sizes(equation, list)
  local sizes = {}
  for i, x in ipairs(list) do
    for d, label in ipairs(x) do
      local n = x.t:size(d)
      if sizes[label] and sizes[label] ~= n and sizes[label] ~= 1 and n ~= 1 then
        fail(equation, "\"%s\" has size %d in tensor %d, but %d before", label, n, i, sizes[label])
      end
      if not sizes[label] or sizes[label] == 1 then sizes[label] = n end
    end
  end
  return sizes
end

local function evaluate(equation, operands)
  local arrow = equation:find("->", 1, true)
  local lists = read_inputs(equation, arrow and equation:sub(1, arrow - 1) or equation, operands)
  local wanted = arrow and read_output(equation, equation:sub(arrow + 2), lists) or implied(lists)
  local list, last = {}, {}
  for i, labels in ipairs(lists) do
    list[i] = without_repeats(equation, i, { t = operands[i], table.unpack(labels) })
    for _, label in ipairs(labels) do last[label] = i end
  end
  for _, label in ipairs(wanted) do last[label] = math.huge end
  local sizes = find_sizes(equation, list)
  local result = list[1]
  for i = 2, #list do
    result = product(result, list[i], sizes, function(label) return last[label] > i end)
  end
  return arranged(summed(result, function(label) return last[label] == math.huge end), wanted)
end

local function check_operands(operands, n)
  if n == 0 then cr.raise "einsum: needs at least one tensor" end
  local first = operands[1]
  for i = 1, n do
    local x = operands[i]
    if not cr.is_tensor(x) then
      cr.raise(("einsum: operand %d must be a tensor, got a %s"):format(i, type(x)))
    elseif x.dtype ~= first.dtype then
      cr.raise(("einsum: the tensors must have one dtype, got %s and %s (tensor %d); convert one with x:to(\"%s\")")
        :format(first.dtype, x.dtype, i, first.dtype))
    elseif x.device ~= first.device then
      cr.raise(("einsum: the tensors must be on one device, got %s and %s (tensor %d)")
        :format(first.device, x.device, i))
    end
  end
end

--- The sum of products that the equation tells: cr.einsum("ij,jk->ik", a, b), or with a table of tensors.
-- A letter that the result lacks is summed over; one that a tensor has twice is its diagonal; "..." stands
-- for further dims. Without "->", the result has the letters that stand once, in alphabetical order.
function M.einsum(equation, ...)
  local operands = { ... }
  if type(operands[1]) == "table" and select("#", ...) == 1 then operands = operands[1] end
  if type(equation) ~= "string" then
    cr.raise(("einsum: the equation must be a string, got a %s"):format(type(equation)))
  end
  check_operands(operands, type(operands[1]) == "table" and 1 or math.max(select("#", ...), #operands))
  local ok, result = pcall(evaluate, equation, operands)
  if ok then return result end
  if type(result) == "table" then cr.raise(result.message) end
  error(result, 0)
end

return M
