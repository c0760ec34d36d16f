-- isa_spec.lua: the level of the instruction set that the vector loops run at.

local shell = require "spec.support.shell"

local function level(wish)
  return (shell.run(("CRESSET_ISA=%s %s -e %s"):format(wish, shell.runner, shell.quote "io.write(cr.isa_name())")))
end

local best = level ""
local x86 = best:match "^v[234]$" ~= nil

describe("the level of the instruction set", function()
  it("is one that the documentation names", function() assert.is_true(x86 or best == "base") end)

  it("is the one that the environment asks for, where the machine has it", function()
    if not x86 then return assert.are.equal("base", level "base") end
    for _, name in ipairs { "v2", "v3", "v4" } do
      if name <= best then assert.are.equal(name, level(name)) end
    end
  end)

  it("stays the best one where the environment names another, and says so", function()
    local script = "warn '@on' local cr = require 'cresset' print(cr.isa_name())"
    local text = shell.run(("CRESSET_ISA=v9 lua5.4 -e %s"):format(shell.quote(script)))
    assert.truthy(text:find(best .. "\n$"))
    assert.truthy(text:find("CRESSET_ISA is 'v9'", 1, true))
  end)

  it("does not change sums, products and moves of numbers", function()
    local script = shell.quote [[
      cr.manual_seed(3)
      local x, y = cr.randn(1003), cr.randn(1003)
      local m = (x:view(17, 59):t() + y:view(59, 17)):sum(1)
      for _, t in ipairs { x * y + x / y, (x - y):cumsum(1), m, x:sort(), x:sum(), x:sqrt() } do
        for _, v in ipairs(t:reshape(-1):totable()) do io.write(("%a "):format(v)) end
      end]]
    local want
    for _, name in ipairs { "v2", "v3", "v4" } do
      if name <= best then
        local got, status = shell.run(("CRESSET_ISA=%s %s -e %s"):format(name, shell.runner, script))
        assert.are.equal(0, status)
        want = want or got
        assert.are.equal(want, got)
      end
    end
  end)
end)
