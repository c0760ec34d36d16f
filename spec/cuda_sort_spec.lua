-- cuda_sort_spec.lua: sorts on a CUDA device around the sizes of its tiles (4096), warps' shares (512) and warps (32).

local cr = require "cresset"
local device = require "spec.support.device"

-- Few different numbers, so that the order of equal ones shows.
local function few(shape, dtype)
  cr.manual_seed(11)
  return cr.randint(-20, 20, shape):to(dtype)
end

local function assert_sorted(x, dim, descending)
  local values, positions = x:sort(dim, descending)
  local there, from = x:to "cuda":sort(dim, descending)
  assert.is_true(there:cpu():equal(values))
  assert.is_true(from:cpu():equal(positions))
end

device.only(describe)("a sort on a device gives what one on the CPU gives, equal elements in their order,", function()
  for _, n in ipairs { 1, 31, 32, 33, 511, 512, 513, 4095, 4096, 4097 } do
    it("of " .. n .. " elements", function()
      assert_sorted(few({ n }, "float32"), 1, false)
      assert_sorted(few({ n }, "int16"), 1, true)
    end)
  end

  it("of many lines, in one tile or more", function()
    assert_sorted(few({ 300, 3 }, "float64"), 2, false)
    assert_sorted(few({ 300, 17 }, "float32"), 2, true)
    assert_sorted(few({ 17, 300 }, "int64"), 1, false)
  end)
end)
