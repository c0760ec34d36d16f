-- check.lua: what the files of cr.data ask of their arguments, and the random numbers that they draw.
--
-- Holds true: a refusal is one sentence that begins with the name of the function and blames the caller's line.

local cr = require "cresset"

local M = {}

--- What a message calls a value: "a number", "a tensor (2x3 float32)".
function M.describe(value)
  if cr.is_tensor(value) then return ("a tensor (%s %s)"):format(value.shape, value.dtype) end
  local kind = type(value)
  if kind == "string" then return require("cresset.suggest").quote(value) end
  if kind == "number" or kind == "boolean" then return tostring(value) end
  return kind == "nil" and "nil" or "a " .. kind
end

--- Raises at the line of who called the library.
function M.fail(message, ...)
  if select("#", ...) > 0 then message = message:format(...) end
  cr.raise(message)
end
local fail, describe = M.fail, M.describe

--- The options as a table of their own; an unknown one is refused with the names that there are.
function M.options(op, options, known)
  if options == nil then return {} end
  if type(options) ~= "table" then fail("%s: the options must be a table, got %s", op, describe(options)) end
  local copy = {}
  for key, value in next, options do
    local found = false
    for _, name in ipairs(known) do found = found or name == key end
    if not found then
      fail("%s: there is no option %s; there are: %s", op, describe(key), table.concat(known, ", "))
    end
    copy[key] = value
  end
  return copy
end

--- An integer of at least `least`; `default` for nil.
function M.integer(op, name, value, least, default)
  if value == nil then value = default end
  local n = math.type(value) == "float" and math.tointeger(value) or value
  if math.type(n) ~= "integer" or n < least then
    fail("%s: %s must be an integer of at least %d, got %s", op, name, least, describe(value))
  end
  return n
end

function M.boolean(op, name, value, default)
  if value == nil then return default end
  if type(value) ~= "boolean" then fail("%s: %s must be true or false, got %s", op, name, describe(value)) end
  return value
end

function M.string(op, name, value)
  if type(value) ~= "string" then fail("%s: %s must be a string, got %s", op, name, describe(value)) end
  return value
end

function M.callable(op, name, value)
  if value ~= nil and not require "cresset.callable"(value) then
    fail("%s: %s must be a function, got %s", op, name, describe(value))
  end
  return value
end

-- A round of splitmix64, whose outputs differ in half their bits where the inputs differ in one.
local function scatter(z)
  z = z + 0x9E3779B97F4A7C15
  z = (z ~ (z >> 30)) * 0xBF58476D1CE4E5B9
  z = (z ~ (z >> 27)) * 0x94D049BB133111EB
  return z ~ (z >> 31)
end

--- One seed made of several integers: other integers, another seed.
function M.mix(...)
  local z = 0
  for i = 1, select("#", ...) do z = scatter(z ~ (select(i, ...))) end
  return z
end

local back = { __close = function(self) cr.set_rng_state(self.state) end }

--- Calls f(...) with the random generator at `seed`, and puts the generator back to where it was. An error in f passes
-- as it is, with its traceback.
function M.seeded(seed, f, ...)
  local _ <close> = setmetatable({ state = cr.get_rng_state() }, back)
  cr.manual_seed(seed)
  return f(...)
end

--- A seed drawn from the random generator.
function M.draw_seed() return cr.randint(0, math.maxinteger, { 1 }):item() end

return M
