-- isa_spec.lua: the level of the instruction set that the vector loops run at, and that it does not change results.

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
    local text = shell.run(("CRESSET_ISA=v9 %s -e %s"):format(shell.runner, shell.quote "print(cr.isa_name())"))
    assert.truthy(text:find(best .. "\n$"))
    assert.truthy(text:find("CRESSET_ISA is 'v9'", 1, true))
  end)
end)

-- What digits.lua prints, as a table from the line's name to its checksum, and the number of lines.
local function digits(environment, device)
  local command = "%s %s spec/support/digits.lua %s"
  local text, status = shell.run(command:format(environment, shell.runner, device or "cpu"))
  assert.are.equal(0, status, text)
  local sums, n = {}, 0
  for name, sum in text:gmatch "([^\n]+) (%S+)\n" do
    sums[name], n = sum, n + 1
  end
  return sums, n
end

-- The names whose checksums differ, but those that a pattern of `other` matches.
local function differing(a, b, other)
  local list = {}
  for name, sum in pairs(a) do
    local known = false
    for _, pattern in ipairs(other or {}) do known = known or name:find(pattern) ~= nil end
    if not known and b[name] ~= sum then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

-- Without an instruction for x y + z rounded once, products of matrices round twice: to emulate it would
-- take ten times as long.
local products = { "^rows matmul ", "^bilinear ", "^conv", "^scaled_dot", "^multi_head", "^rnn", "^lstm", "^gru" }

-- A build with a sanitizer takes minutes for this; it computes by the same text.
if not shell.sanitized then
  describe("every operation of the catalogue, on numbers of every kind in every float dtype,", function()
    local here, count
    setup(function()
      here, count = digits ""
    end)

    it("is there", function() assert.is_true(count > 4000) end)

    it("gives an element the same digits wherever it lies", function()
      for name, sum in pairs(here) do assert.are_not.equal("apart", sum, name) end
    end)

    for _, name in ipairs { "v2", "v3", "v4" } do
      if x86 and name < best then
        it("gives the same digits at the level " .. name, function()
          local there = digits("CRESSET_ISA=" .. name)
          assert.are.same({}, differing(here, there, name == "v2" and products))
        end)
      end
    end

    it("gives the same digits for any number of threads", function()
      assert.are.same({}, differing(here, (digits "OMP_NUM_THREADS=1")))
      assert.are.same({}, differing(here, (digits "OMP_NUM_THREADS=3")))
    end)
  end)
end
