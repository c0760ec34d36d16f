-- manual_spec.lua: what the manual shows of each operation is so.

package.path = package.path .. ";./src/catalogue/?.lua"
local cr = require "cresset"
local catalogue = require "catalogue"
local examples = require "examples"

describe("the manual's example runs as it stands, and prints a result, of", function()
  for _, e in ipairs(catalogue.load("src/ops").entries) do
    if examples.is_called(e) then
      it(e.name, function()
        local printed = examples.run((examples.program(e, cr)), cr)
        assert.is_truthy(printed:find "%[%w+ .*tensor.*%]" or printed == "true" or printed == "false", printed)
      end)
    end
  end
end)
