-- distance.lua: CosineSimilarity and PairwiseDistance.

local cr = require "cresset"
local simple = require "cresset.nn.simple"

local M = {}

M.CosineSimilarity = simple("CosineSimilarity", "dim: int = 2, eps: number = 1e-8",
  function(self, x1, x2) return cr.cosine_similarity(x1, x2, self.dim, self.eps) end, "dim eps")

M.PairwiseDistance = simple("PairwiseDistance", "p: number = 2.0, eps: number = 1e-6, keepdim: bool = false",
  function(self, x1, x2) return cr.pairwise_distance(x1, x2, self.p, self.eps, self.keepdim) end, "p eps keepdim")

return M
