-- options.lua: what optimizers and schedules are given: checked, with one sentence for what is wrong.
--
-- Holds true: nothing is kept of a table of options that has a mistake in it. A check is a function of a value that
-- returns nil, or what the value must be.

local cr = require "cresset"

local M = {}

local function quoted(text, mark) return require("cresset.suggest").quote(text, mark) end

--- What a value is, in words: "the number 3", "a tensor of shape 2x3".
function M.describe(value)
  local kind = type(value)
  if value == nil or kind == "boolean" then return tostring(value) end
  if kind == "number" then return value ~= value and "the number nan" or ("the number %.14g"):format(value) end
  if kind == "string" then return "the string " .. quoted(value, '"') end
  if cr.is_tensor(value) then return "a tensor of shape " .. tostring(value.shape) end
  return "a " .. kind
end

--- Raises "OWNER: message" at the caller's line.
function M.fail(owner, message, ...)
  cr.raise(owner .. ": " .. message:format(...))
end

local check = {}
M.check = check

function check.number(x) return type(x) ~= "number" and "a number" or nil end

function check.nonnegative(x) return not (type(x) == "number" and x >= 0) and "a number of at least 0" or nil end

function check.positive(x) return not (type(x) == "number" and x > 0) and "a number above 0" or nil end

function check.share(x)
  return not (type(x) == "number" and x >= 0 and x <= 1) and "a number from 0 to 1" or nil
end

-- A learning rate may be a tensor of one element, so that it can be changed in place.
function check.rate(x)
  local value = cr.is_tensor(x) and x:numel() == 1 and x:item() or x
  return not (type(value) == "number" and value >= 0) and "a number of at least 0 (or a tensor of one)" or nil
end

function check.flag(x) return type(x) ~= "boolean" and "true or false" or nil end

function check.count(x) return not (math.type(x) == "integer" and x > 0) and "a whole number above 0" or nil end

function check.whole(x) return not (math.type(x) == "integer" and x >= 0) and "a whole number of at least 0" or nil end

function check.callable(x) return not require "cresset.callable"(x) and "a function" or nil end

--- A list of so many values, each of which passes.
function check.list(n, each, what)
  return function(x)
    if type(x) ~= "table" or #x ~= n then return what end
    for i = 1, n do
      if each(x[i]) then return what end
    end
  end
end

--- One of these words.
function check.words(...)
  local words, set = { ... }, {}
  for i, word in ipairs(words) do
    set[word] = true
    words[i] = ('"%s"'):format(word)
  end
  local what = table.concat(words, " or ")
  return function(x) return not set[x] and what or nil end
end

check.betas = check.list(2, function(x) return not (type(x) == "number" and x >= 0 and x < 1) end,
  "a list of two numbers from 0 to below 1")

-- Steps write in place, outside every graph.
function check.undifferentiable(x) return x ~= false and "false: a step is not recorded for backward" or nil end

--- A value that is not shared: lists are copied.
function M.copy(value)
  if type(value) ~= "table" or getmetatable(value) then return value end
  local made = {}
  for k, v in next, value do made[k] = v end
  return made
end

--- A number as PyTorch keeps it beside the parameters: float32, or float64 where that is the default dtype.
function M.kept(x)
  if cr.is_tensor(x) then return x:float() end
  return cr.get_default_dtype() == "float64" and x or string.unpack("f", string.pack("f", x))
end

--- Raises an error about an option that is not known.
function M.unknown(owner, name, known)
  if type(name) ~= "string" then M.fail(owner, "options have names, got %s", M.describe(name)) end
  local near = require("cresset.suggest").nearest(name, known)
  M.fail(owner, "there is no option %s%s", quoted(name), near and ("; did you mean '%s'?"):format(near) or "")
end

--- The value of an option, checked, or its default.
function M.value(owner, name, value, known)
  local entry = known[name]
  if value == nil then return entry[1] end
  local must = entry[2](value)
  if must then M.fail(owner, "%s must be %s, got %s", name, must, M.describe(value)) end
  return value
end

--- A table of all options with their defaults: { name = { default, check } } says which there are. A table
-- that is given is copied.
function M.read(owner, given, known)
  if given == nil then given = {} end
  if type(given) ~= "table" or getmetatable(given) then
    M.fail(owner, "the options must be a table such as { lr = 0.1 }, got %s", M.describe(given))
  end
  for name in next, given do
    if not known[name] then M.unknown(owner, name, known) end
  end
  local options = {}
  for name in next, known do
    options[name] = M.copy(M.value(owner, name, given[name], known))
  end
  return options
end

--- A number that may be in a tensor.
function M.number_of(x) return type(x) == "number" and x or x:item() end

return M
