-- cuda_missing_spec.lua: what happens, on any machine, where no CUDA device can be used.

local cr = require "cresset"
local device = require "spec.support.device"
local shell = require "spec.support.shell"
local values = require "spec.support.values"
local fails = values.assert_fails

-- Runs a chunk in a process of its own; the chunk's first line is `local cr = require "cresset"`.
local function child(environment, chunk)
  return shell.run(("%s %s -e %s"):format(environment, shell.runner, shell.quote(chunk)))
end

describe("without a usable CUDA device", function()
  local ask = [[print(cr.cuda.is_available(), cr.cuda.device_count() == 0)
    print(select(2, cr.cuda.device_count()))
    print(select(2, pcall(cr.zeros, { 2 }, { device = "cuda" })))
    print(select(2, pcall(cr.cuda.set_device, 0)))
    print(select(2, pcall(function() return cr.ones(2):pin_memory() end)))
    print(cr.ones(3):sum():item())]]

  local function says(environment, ...)
    local text, status = child(environment, ask)
    assert.equal(0, status, text)
    assert.truthy(text:find("false\ttrue", 1, true), text)
    for _, words in ipairs { ... } do
      local _, n = text:gsub(words:gsub("%p", "%%%0"), "")
      assert(n >= 4, ("lacks '%s' four times in:\n%s"):format(words, text))
    end
    assert.truthy(text:find "\n3%.0\n", text)
  end

  it("a missing plug-in is named", function()
    says("CRESSET_CUDA=/nowhere/plugin.so", "/nowhere/plugin.so", "not there")
  end)

  it("a file that is no library says so", function()
    says("CRESSET_CUDA=./README.md", "cannot be loaded", "README.md")
  end)

  it("a plug-in that was cut short says so", function()
    local folder = shell.folder()
    local whole = shell.read(shell.build .. "/lib/libcresset.so")
    for _, size in ipairs { 60, 200, 5000, 100000 } do
      shell.write(folder .. "/plugin.so", whole:sub(1, size))
      says("CRESSET_CUDA=" .. folder .. "/plugin.so", "plugin.so")
    end
    says("CRESSET_CUDA=" .. folder .. "/plugin.so", "cut short")
  end)

  it("a library that is no plug-in says so", function()
    says("CRESSET_CUDA=./" .. shell.build .. "/lib/libcresset.so", "no plug-in")
  end)

  it("a value that means nothing says what would do", function() says("CRESSET_CUDA=yes", "yes", "emulate") end)

  if device.emulated then
    it("a machine without devices says so", function() says("CRESSET_EMULATE_DEVICES=0", "no CUDA device") end)
    it("a driver that is too old says so", function()
      says("CRESSET_EMULATE_DEVICES=0 CRESSET_EMULATE_DRIVER=11080", "11.8")
    end)
    it("a missing driver says so", function()
      says("CRESSET_EMULATE_DEVICES=0 CRESSET_EMULATE_DRIVER=0", "driver, which is not installed")
    end)
  end

  it("a device that is none is refused by name", function()
    fails(function() cr.cuda.set_device "cpu" end, "cuda.set_device", "cpu")
    fails(function() cr.cuda.set_device(-1) end, "cuda.set_device", "-1")
    fails(function() cr.cuda.set_device() end, "cuda.set_device", "missing")
    fails(function() cr.cuda.synchronize {} end, "cuda.synchronize", "table")
  end)
end)
