-- guest_spec.lua: the module is a good guest of the program that loads it.

local cr = require "cresset"
local shell = require "spec.support.shell"
local values = require "spec.support.values"

-- Runs a script in a new process and returns what it printed.
local function fresh(script, prefix)
  local path = os.tmpname()
  shell.write(path, script)
  local text, status = shell.run((prefix or "") .. shell.runner .. " " .. path)
  os.remove(path)
  return text, status
end

describe("the clock", function()
  it("counts seconds and only goes forward", function()
    local start, seconds = cr.clock(), os.time()
    while os.time() - seconds < 2 do assert.is_true(cr.clock() >= start) end
    local passed = cr.clock() - start
    assert.is_true(passed > 1 and passed < 60, tostring(passed))
  end)
end)

describe("loading the module", function()
  it("makes no global and prints nothing", function()
    local text, status = fresh [[
      local before = {}
      for k in pairs(_G) do before[k] = true end
      local cr = require "cresset"
      for _, name in ipairs { "gradcheck", "checkpoint", "help", "register_multi_grad_hook" } do assert(cr[name]) end
      local x = cr.ones({ 2 }, { requires_grad = true });
      (x * x):sum():backward()
      for k in pairs(_G) do assert(before[k], k) end]]
    assert.equal("", text)
    assert.equal(0, status)
  end)

  it("works inside a coroutine, which may then be gone", function()
    local text = fresh [[
      local cr = coroutine.wrap(function() return require "cresset" end)()
      collectgarbage()
      print((cr.ones(2) + 1):sum():item())]]
    assert.equal("4.0\n", text)
  end)

  it("twice gives the same table", function()
    package.loaded["cresset.core"] = nil
    local core = require "cresset.core"
    assert.is_true(rawequal(core.zeros, cr.zeros))
  end)

  it("changes no library of Lua's", function()
    local text, status = fresh [[
      local function copy(t) local c = {} for k, v in pairs(t) do c[k] = v end return c end
      local before = { string = copy(string), table = copy(table), math = copy(math), debug = copy(debug) }
      local meta = getmetatable("").__index
      require "cresset"
      for name, t in pairs(before) do
        for k, v in pairs(_G[name]) do assert(t[k] == v, name .. "." .. k) end
      end
      assert(getmetatable("").__index == meta)]]
    assert.equal("", text)
    assert.equal(0, status)
  end)
end)

describe("the end of a program", function()
  it("is quiet whatever is still alive: tensors, graphs, hooks, open scopes", function()
    local text, status = fresh [[
      cr = require "cresset"
      x = cr.ones({ 3 }, { requires_grad = true })
      y = (x * x):sum()
      x:register_hook(function(g) return g * 2 end)
      F = cr.Function { name = "F", forward = function(ctx, t) ctx.t = t return t * 2 end,
        backward = function(_, g) return g end }
      z = F(x)
      scope = cr.no_grad()
      co = coroutine.wrap(function() local _ <close> = cr.enable_grad() coroutine.yield() end)
      co()]]
    assert.equal("", text)
    assert.equal(0, status)
  end)

  it("by os.exit inside a callback is quiet too", function()
    local text, status = fresh([[
      local cr = require "cresset"
      local x = cr.ones({ 3 }, { requires_grad = true })
      x:register_hook(function() os.exit(3, true) end)
      x:sum():backward()]], "ASAN_OPTIONS=detect_leaks=0 ") -- what the call still held is the system's to free
    assert.equal("", text)
    assert.equal(3, status)
  end)
end)

describe("a long chain of nodes", function()
  it("of a million is built, run and freed on a small stack", function()
    local text, status = fresh([[
      local cr = require "cresset"
      local x = cr.ones({}, { requires_grad = true })
      local y = x
      for _ = 1, 1000000 do y = y * 1 end
      y:backward()
      print(x.grad:item())
      y = nil
      collectgarbage()
      local z = x
      for _ = 1, 1000000 do z = z + 1 end
      z = nil
      collectgarbage()]], shell.sanitized and "" or "ulimit -s 256; ")
    assert.equal("1.0\n", text)
    assert.equal(0, status)
  end)
end)

describe("a process that the system keeps small", function()
  local script = [[
      local cr = require "cresset"
      cr.set_num_threads(64)
      local x = cr.ones(700, 700)
      print((x:matmul(x) + 1):sum():item())]]

  -- Room for one thread's stack after the other is soon used up; what a sanitizer maps has no room at all.
  it("works with as many threads as fit into its memory", function()
    if shell.sanitized then return end
    local text, status = fresh(script, "ulimit -v 45000; ")
    assert.equal("343489984.0\n", text)
    assert.equal(0, status)
  end)

  it("works without any where no more processes are allowed", function()
    if not shell.exists "prlimit" then return end
    local text, status = fresh(script, "prlimit --nproc=1 ") -- which does not bind the administrator
    assert.equal("343489984.0\n", text)
    assert.equal(0, status)
  end)
end)

describe("a deadline", function()
  after_each(function() cr.set_deadline(0) end)

  it("that has passed stops the next call with a sentence, until it is lifted", function()
    cr.set_deadline(1e-9)
    values.assert_fails(function()
      local x = cr.ones(10)
      for _ = 1, 1e7 do x = x + 1 end
    end, "deadline")
    cr.set_deadline(0)
    assert.equal(10, (cr.ones(10)):sum():item())
  end)

  it("stops a backward pass, after which the engine works again", function()
    local x = cr.ones({ 10 }, { requires_grad = true })
    local y = x
    for _ = 1, 1000 do y = y * 1 end
    cr.set_deadline(1e-9)
    assert.is_false((pcall(function() y:sum():backward() end)))
    cr.set_deadline(0);
    (x * 2):sum():backward()
    values.assert_values(x.grad, { 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 })
  end)

  it("far away is no hindrance", function()
    cr.set_deadline(1000)
    assert.equal(10, cr.ones(10):sum():item())
  end)
end)
