-- embedding.lua: Embedding and EmbeddingBag: rows of a table by their numbers, which count from 1.

local cr = require "cresset"
local arguments = require "cresset.nn.arguments"
local initial = require "cresset.nn.initial"
local module = require "cresset.nn.module"
local parameter = require "cresset.nn.parameter"

local M = {}

local class, fail = module.class, module.fail

-- The number of the padding row, counted from 1.
local function padding_of(self, a)
  local i = a.padding_idx
  if i == nil then return nil end
  local row = i < 0 and a.num_embeddings + 1 + i or i
  if row < 1 or row > a.num_embeddings then
    fail(self, "padding_idx %d is no row of %d (they count from 1, or from -1 backwards)", i, a.num_embeddings)
  end
  return row
end

local function fill(self)
  self.weight:normal_()
  if self.padding_idx then self.weight[self.padding_idx]:zero_() end
end

-- The common fields, and the weight: a tensor that was given, or a new one.
local function prepare(self, a)
  for _, name in ipairs { "num_embeddings", "embedding_dim", "max_norm", "norm_type", "scale_grad_by_freq" } do
    self[name] = a[name]
  end
  self.padding_idx = padding_of(self, a)
  if a._weight then
    if a._weight.shape ~= cr.empty(a.num_embeddings, a.embedding_dim).shape then
      fail(self, "_weight must have the shape %dx%d, got %s", a.num_embeddings, a.embedding_dim,
        tostring(a._weight.shape))
    end
    self.weight = parameter.Parameter(a._weight, not a._freeze)
  else
    self.weight = initial.empty(a, a.num_embeddings, a.embedding_dim)
    self:reset_parameters()
    if a._freeze then self.weight:requires_grad_(false) end
  end
end

local function reset(self) cr.no_grad(fill, self) end

-- The class's from_pretrained(embeddings, { freeze = true, ... }).
local function pretrained(of)
  return function(embeddings, options)
    if not cr.is_tensor(embeddings) or embeddings.ndim ~= 2 then
      cr.raise(("%s.from_pretrained: the embeddings must be a tensor of 2 dims, got %s"):format(of.class_name,
        cr.is_tensor(embeddings) and "one of shape " .. tostring(embeddings.shape) or "a " .. type(embeddings)))
    end
    local a = { num_embeddings = embeddings:size(1), embedding_dim = embeddings:size(2), _weight = embeddings,
      _freeze = true }
    for key, value in next, options or {} do
      if key == "freeze" then a._freeze = value else a[key] = value end
    end
    return of(a)
  end
end

local function describe(self)
  local parts = { self.num_embeddings, self.embedding_dim }
  local function add(name, usual)
    if self[name] ~= nil and self[name] ~= usual then parts[#parts + 1] = name .. "=" .. tostring(self[name]) end
  end
  add "padding_idx"
  add "max_norm"
  add("norm_type", 2.0)
  add("scale_grad_by_freq", false)
  add "mode"
  return table.concat(parts, ", ")
end

-- ---- Embedding -------------------------------------------------------------------------------------------

local Embedding = class "Embedding"
M.Embedding = Embedding

local takes = arguments.signature [[num_embeddings: count, embedding_dim: count, padding_idx: int?,
  max_norm: number?, norm_type: number = 2.0, scale_grad_by_freq: bool = false, _weight: tensor?, _freeze: bool = false,
  device: device?, dtype: dtype?]]

--- Embedding(num_embeddings, embedding_dim, { padding_idx =, max_norm =, norm_type = 2, scale_grad_by_freq = false }).
-- Embedding.from_pretrained(t, { freeze = true }) makes one of a tensor.
function Embedding:init(...) prepare(self, arguments.read("Embedding", takes, ...)) end

Embedding.reset_parameters = reset
Embedding.from_pretrained = pretrained(Embedding)
Embedding.extra_repr = describe

function Embedding:forward(index)
  return cr.embedding(self.weight, index, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)
end

-- ---- EmbeddingBag ----------------------------------------------------------------------------------------

local Bag = class "EmbeddingBag"
M.EmbeddingBag = Bag

local takes_bag = arguments.signature [[num_embeddings: count, embedding_dim: count, max_norm: number?,
  norm_type: number = 2.0, scale_grad_by_freq: bool = false, mode: sum|mean|max = "mean", _weight: tensor?,
  include_last_offset: bool = false, padding_idx: int?, _freeze: bool = false, device: device?, dtype: dtype?]]

--- EmbeddingBag(num_embeddings, embedding_dim, { mode = "mean" }): sums, means or maxima of rows. m(index,
-- offsets, per_sample_weights): the bags are the rows of index, or begin at offsets (from 1).
function Bag:init(...)
  local a = arguments.read("EmbeddingBag", takes_bag, ...)
  prepare(self, a)
  self.mode, self.include_last_offset = a.mode, a.include_last_offset
end

Bag.reset_parameters = reset
Bag.from_pretrained = pretrained(Bag)
Bag.extra_repr = describe

function Bag:forward(index, offsets, per_sample_weights)
  if type(offsets) == "table" then offsets, per_sample_weights = offsets.offsets, offsets.per_sample_weights end
  return cr.embedding_bag(self.weight, index, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq,
    self.mode, per_sample_weights, self.include_last_offset, self.padding_idx)
end

return M
