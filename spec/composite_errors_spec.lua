-- composite_errors_spec.lua: what goes wrong inside a composite is told in the composite's own words.
--
-- Each composite gets its samples with one argument after the other made wrong in several ways. What it
-- then says must begin with its own name, and must not speak of a parameter that it does not have.

local cr = require "cresset"
local samples = require "spec.support.samples"
local values = require "spec.support.values"

-- Parameters whose names are plain words that any sentence may have.
local plain_words = {}
for word in ([[a b base condition copy decimals delta device dim dims dtype eps first grad high index indices k last
  length low max mean min mode n norm offset other p pad right scale shape size sizes sorted start std steps step stop
  stride to train value values weight alpha beta from replacement stable out result fill by factor bias query key
  target targets input window unbiased positive negative largest side sum source nan end name tensors classes elements
  range x y weights bins groups row samples numbers training dropout]]):gmatch "%S+" do
  plain_words[word] = true
end

local every_parameter = {}
for _, e in ipairs(samples.catalogue().entries) do
  for _, p in ipairs(e.params) do every_parameter[p.name] = true end
end

-- Other values for an argument of a type.
local wrong = {
  tensor = { function() return cr.zeros(5, 7, 2) end, function() return cr.zeros(3) end,
    function() return cr.tensor(1) end,
    function() return cr.zeros({ 2, 3 }, { dtype = "bool" }) end,
    function() return cr.zeros({ 2, 3 }, { dtype = "int16" }) end, function() return cr.zeros(0, 4) end },
  int = { -7, 0, 99 }, dim = { 0, 9, -9 }, dims = { { 0 }, { 9, 1 }, { 1, 1 } },
  shape = { { 5, 7 }, { -3 }, { -1, -1 } },
  ints = { { 3, -3, 9 }, { 1 } }, string = { "nonsense" }, dtype = { "int8", "bool" }, scalar = { 1.5, true },
  float = { -1.0, cr.nan }, floats = { { -1.0 }, { cr.nan, 2.0, 0.5 } },
}
wrong.operand = wrong.tensor
wrong.tensors = { function() return { cr.zeros(2), cr.zeros(3, 3) } end, function() return {} end }

local function spoilt(e, args)
  local list = {}
  for i, p in ipairs(e.params) do
    for _, value in ipairs(wrong[p.type] or {}) do
      local copy = { n = math.max(args.n, i) }
      for j = 1, args.n do copy[j] = args[j] end
      copy[i] = type(value) == "function" and value() or value
      list[#list + 1] = copy
    end
  end
  return list
end

local function foreign_word(e, sentence)
  for word in sentence:gsub('"[^"]*"', ""):gmatch "%f[%w_][%a_][%w_]*" do
    if every_parameter[word] and not plain_words[word] and not e.by_name[word] then return word end
  end
end

-- What is wrong with the error of a call, or nil.
local function problem_of(e, name, f, ...)
  local ok, message = pcall(f, ...)
  -- A device tells of bad positions later, in the words of its kernel: not in those of the next call.
  if values.device ~= "cpu" then pcall(cr.cuda.synchronize) end
  if ok then return nil end
  message = tostring(message):gsub("^[^\n]-:%d+: ", "", 1)
  local sentence = message:match "^(.-); usage:" or message
  if sentence:find("out of memory", 1, true) then return nil end
  if sentence:sub(1, #name + 2) ~= name .. ": " then return "speaks of another: " .. message end
  local asks = sentence:find("name a float dtype", 1, true)
  if asks and not e.by_name.dtype then return "asks for a dtype: " .. sentence end
  local word = foreign_word(e, sentence)
  if word then return ("speaks of '%s': %s"):format(word, sentence) end
end

describe("an error inside a composite is told in the words of", function()
  local function wanted(e) return e.composite end
  samples.specify(it, wanted, function(problems, e, k, args)
    for _, bad in ipairs(spoilt(e, args)) do
      problems[#problems + 1] = problem_of(e, e.lua, samples.call, e, bad)
      if e.inplace and e.inplace ~= "header" and cr.is_tensor(bad[1]) then
        local self = bad[1]:clone()
        problems[#problems + 1] = problem_of(e, e.lua .. "_", self[e.lua .. "_"], self, table.unpack(bad, 2, bad.n))
      end
    end
    if #problems > 6 then samples.report({ table.unpack(problems, 1, 6), "sample " .. k }) end
  end)
end)

describe("an error speaks of", function()
  it("the composite's own parameters", function()
    local x = cr.zeros(2, 2)
    values.assert_fails(function() x:swapaxes(1, 9) end, "swapaxes: axis1 9 is out of range")
    values.assert_fails(function() x:swapaxes_(9, 1) end, "swapaxes_: axis0 9 is out of range")
    values.assert_fails(function() cr.vecdot(cr.zeros(2), cr.zeros(3)) end, "vecdot: shapes 2 and 3 do not broadcast")
    values.assert_fails(function() x:softmin(5) end, "softmin: dim 5 is out of range")
    values.assert_fails(function() cr.outer(cr.zeros(2), x) end, "outer: vec2 must be a vector")
  end)

  it("the operation, whatever it is made of", function()
    values.assert_fails(function() cr.zeros(3):unique { dim = 4 } end, "unique: dim 4 is out of range")
    values.assert_fails(function() cr.searchsorted(cr.zeros(3), cr.zeros(2), { sorter = cr.tensor { 1, 2, 9 } }) end,
      "searchsorted: position 9")
  end)

  it("what a hook of the caller's has called, not of what the hook serves", function()
    local x = cr.ones({ 2, 2 }, { requires_grad = true })
    local message = values.message_of(function()
      local _ <close> = cr.saved_tensors_hooks(function(t) return t:mm(cr.zeros(7, 7)) end, function(t) return t end)
      return x:softmin(1)
    end)
    assert(message:find("^mm: "), message)
  end)
end)
