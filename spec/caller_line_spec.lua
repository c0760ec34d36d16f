-- caller_line_spec.lua: an error is blamed on the line that called, never on a file of the module.
--
-- Every function that is written in Lua is called with all kinds of wrong arguments; so are functions of
-- the core from inside them.

local cr = require "cresset"

local here = debug.getinfo(1, "S").short_src .. ":"

local kinds = {
  function() return nil end, function() return 5 end, function() return -1.5 end, function() return "text" end,
  function() return true end, function() return {} end, function() return { 1, 2 } end,
  function() return { option = 1 } end, function() return print end, function() return cr.ones(2) end,
  function() return cr.ones({ 2 }, { requires_grad = true }) end, function() return { cr.ones(2) } end,
  function() return setmetatable({}, { __metatable = "locked" }) end,
  function() return setmetatable({}, { __call = 5 }) end,
}

-- Functions that the module's Lua files define, by name.
local function written_in_lua()
  local list = {}
  for name in pairs(getmetatable(cr).lazy) do
    if type(cr[name]) == "function" then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

-- print is silenced, since it is among the arguments.
local function quietly(f)
  local old = print
  _G.print = function() end
  local ok, problem = pcall(f)
  _G.print = old
  if not ok then error(problem, 0) end
end

local function check(name, ...)
  local ok, message = pcall(function(...)
    local result = cr[name](...)
    return result
  end, ...)
  if ok or type(message) ~= "string" then return ok end
  assert(message:sub(1, #here) == here, name .. ": " .. message)
  assert(not message:find("attempt to", 1, true) and not message:find("bad argument", 1, true), name .. ": " .. message)
  return false
end

describe("a mistake in calling", function()
  for _, name in ipairs(written_in_lua()) do
    it(name .. " is blamed on the caller", function()
      local raised = 0
      quietly(function()
        for _, a in ipairs(kinds) do
          for _, b in ipairs(kinds) do
            for _, c in ipairs(kinds) do
              if not check(name, a(), b(), c()) then raised = raised + 1 end
            end
          end
        end
      end)
      assert(raised > 0 or name == "help", "no call fails")
    end)
  end
end)

-- Asserts that f, which calls mark on the line of the mistake, fails with that line in its message.
local function blames(f)
  local marked
  local function mark() marked = tostring(debug.getinfo(2, "l").currentline) end
  local ok, message = pcall(f, mark)
  assert(not ok, "no error was raised")
  assert.equal(marked, tostring(message):match "^.-:(%d+): ", message)
end

describe("an error blames the caller", function()
  it("of a function of the module that calls another one", function()
    local a = cr.ones(2, 2)
    blames(function(mark) mark() local y = cr.einsum("ij,jk->ik", a, a:to "float64") return y end)
    blames(function(mark) mark() local y = cr.checkpoint(function() end, a, { use_reentrant = 5 }) return y end)
  end)

  it("of gradcheck for a wrong derivative, and of f for its own errors", function()
    local x = cr.ones({ 2 }, { dtype = "float64", requires_grad = true })
    local wrong = cr.Function { name = "Wrong", forward = function(_, t) return t * 2 end,
      backward = function(_, g) return g end }
    blames(function(mark) mark() local y = cr.gradcheck(wrong, x) return y end)
    blames(function(mark)
      local y = cr.gradcheck(function() mark() error "mine" end, x)
      return y
    end)
  end)

  it("of ipairs, sort and other functions in C between", function()
    blames(function(mark)
      mark() for _, row in ipairs(cr.tensor(5)) do print(row) end
    end)
    blames(function(mark) mark() table.sort { cr.ones(3), cr.ones(2) } end)
  end)

  it("of a misspelt name", function()
    blames(function(mark) mark() local f = cr.nonsense return f end)
  end)

  it("also inside a coroutine", function()
    blames(function(mark)
      local co = coroutine.create(function() mark() local y = cr.einsum(5) return y end)
      error(select(2, coroutine.resume(co)), 0)
    end)
  end)
end)
