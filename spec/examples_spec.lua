-- examples_spec.lua: the examples run and print the numbers that they promise.

local shell = require "spec.support.shell"

local function has(text, ...)
  for _, words in ipairs { ... } do
    assert(text:find(words, 1, true), ("lacks '%s' in:\n%s"):format(words, text))
  end
end

-- Asserts that the text has the blocks in this order.
local function has_in_order(text, list)
  local at = 1
  for _, words in ipairs(list) do
    local first, last = text:find(words, at, true)
    assert(first, ("lacks '%s' after character %d of:\n%s"):format(words, at, text))
    at = last
  end
end

local function vector(...)
  return "1.00000e-02 *\n  " .. table.concat({ ... }, "\n  "):gsub("  %-", " -") .. "\n[float32"
end

describe("examples/losses.lua", function()
  local text, status
  setup(function() text, status = shell.cresset "examples/losses.lua" end)

  it("runs", function() assert.equal(0, status, text) end)

  it("computes the three losses of both guesses", function()
    has_in_order(text, { "0.5196", "0.2700", "0.6931", "0.1732", "0.0300", "0.1054" })
  end)

  it("finds the change of the loss in the simulated step", function() has(text, "4.7500e-02") end)

  it("passes it back to the guess, through both squares", function()
    has_in_order(text, {
      vector("0.0095", "-4.2750", "0.9500", "0.9500"),
      vector("0.0101", "-4.5315", "1.0070", "1.0070"),
      vector("0.0095", "-4.2750", "0.9500", "0.9500"),
    })
  end)

  it("accumulates two and three passes", function()
    has_in_order(text, { vector("0.0201", "-9.0630", "2.0140", "2.0140"), "-0.1359" })
  end)

  it("explains the difference by the factor 2x", function()
    has_in_order(text, { "0.4717", "0.9434" })
    has(text, "to the last bit: true")
  end)
end)

describe("examples/flowers.lua", function()
  it("classifies at least 93 % of the test flowers for every seed from 1 to 10, with both models", function()
    local last = shell.sanitized and 2 or 10
    local text, status = shell.cresset("examples/flowers.lua 1 " .. last)
    assert.equal(0, status, text)
    local runs = 0
    for seed, percent in text:gmatch "seed (%d+),[^\n]*test part (%d+%.%d) %%" do
      runs = runs + 1
      assert(tonumber(percent) >= 93, ("seed %s: %s %%"):format(seed, percent))
    end
    assert.equal(2 * last, runs)
  end)

  it("draws the loss curve as text", function() has((shell.cresset "examples/flowers.lua 3"), "█") end)

  it("gives the same numbers for the same seed", function()
    assert.equal((shell.cresset "examples/flowers.lua 4"), (shell.cresset "examples/flowers.lua 4"))
  end)

  it("has 150 flowers to learn from", function()
    local n = 0
    for _ in io.lines "examples/data/iris.csv" do n = n + 1 end
    assert.equal(151, n)
  end)
end)

describe("examples/torch7.lua", function()
  it("tells the points of two spirals apart", function()
    local text, status = shell.cresset "examples/torch7.lua"
    assert.equal(0, status, text)
    has(text, "1218 parameters", "of 200 points 200 are told right")
  end)
end)

describe("examples/embed.c", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() os.execute("rm -rf " .. folder) end)

  it("has fewer than 100 lines", function()
    local n = 0
    for _ in io.lines "examples/embed.c" do n = n + 1 end
    assert(n < 100, n .. " lines")
  end)

  if not shell.sanitized then
    it("builds against an installed prefix with pkg-config alone, and runs #compiles", function()
      local prefix = folder .. "/prefix"
      local text, status = shell.run("env -u MAKEFLAGS -u MAKELEVEL make -s install PREFIX=" .. prefix)
      assert.equal(0, status, text)
      text, status = shell.run(([[export PKG_CONFIG_PATH=%s/lib/pkgconfig; cc -Wall -Wextra -Werror examples/embed.c \
        -o %s/embed $(pkg-config --cflags --libs cresset-lua lua5.4)]]):format(prefix, folder))
      assert.equal(0, status, text)
      text, status = shell.run(("cd / && env -u LUA_PATH -u LUA_CPATH %s/embed"):format(folder))
      assert.equal(0, status, text)
      has(text, "y = 1.9", "mistake", "3", "8", "xs is the host's alone again")
      local loss = tonumber(text:match "step 200: loss ([%d%.]+)")
      assert(loss < 0.1, text)
    end)
  end
end)
