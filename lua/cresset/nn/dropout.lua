-- dropout.lua: modules that drop elements or channels in training, and do nothing in evaluation.

local cr = require "cresset"
local simple = require "cresset.nn.simple"

local M = {}

for name, op in pairs { Dropout = "dropout", Dropout1d = "dropout1d", Dropout2d = "dropout2d", Dropout3d = "dropout3d",
  AlphaDropout = "alpha_dropout", FeatureAlphaDropout = "feature_alpha_dropout" } do
  local pure = cr[op]
  M[name] = simple(name, "p: probability = 0.5, inplace: bool = false", function(self, x)
    if not self.training then return x end
    local y = pure(x, self.p, true)
    return self.inplace and x:copy_(y) or y
  end, "p")
end

return M
