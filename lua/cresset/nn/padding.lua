-- padding.lua: modules that put elements around the last one, two or three dims.

local cr = require "cresset"
local simple = require "cresset.nn.simple"

local M = {}

local modes = { Constant = "constant", Zero = "constant", Reflection = "reflect", Replication = "replicate",
  Circular = "circular" }

for kind, mode in pairs(modes) do
  for n = 1, 3 do
    local name = ("%sPad%dd"):format(kind, n)
    local takes = ("padding: sides%d"):format(n) .. (kind == "Constant" and ", value: number" or "")
    --- ReflectionPad2d(padding): a number for all sides, or a table { left, right, top, bottom, front, back }.
    M[name] = simple(name, takes, function(self, x)
      return cr.pad(x, self.padding, mode, self.value or 0)
    end, kind == "Constant" and "padding value" or "padding")
  end
end

return M
