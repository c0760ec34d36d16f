-- attention.lua: MultiheadAttention.
--
-- Holds true: parameters have PyTorch's names: in_proj_weight has the three projections one below the other, or there
-- are q_proj_weight, k_proj_weight and v_proj_weight where keys or values have another width.

local cr = require "cresset"
local arguments = require "cresset.nn.arguments"
local initial = require "cresset.nn.initial"
local init = require "cresset.nn.initializers"
local linear = require "cresset.nn.linear"
local module = require "cresset.nn.module"

local M = {}

local fail = module.fail

local Attention = module.class "MultiheadAttention"
M.MultiheadAttention = Attention

local takes = arguments.signature [[embed_dim: positive, num_heads: positive, dropout: probability = 0.0,
  bias: bool = true, add_bias_kv: bool = false, add_zero_attn: bool = false, kdim: positive?, vdim: positive?,
  batch_first: bool = false, device: device?, dtype: dtype?]]

local function make_projections(self, a)
  local width = a.embed_dim
  self.same_widths = self.kdim == width and self.vdim == width
  local function own(n) return not self.same_widths and initial.empty(a, width, n) or nil end
  self:register_parameter("q_proj_weight", own(width))
  self:register_parameter("k_proj_weight", own(self.kdim))
  self:register_parameter("v_proj_weight", own(self.vdim))
  self:register_parameter("in_proj_weight", self.same_widths and initial.empty(a, 3 * width, width) or nil)
  self:register_parameter("in_proj_bias", a.bias and initial.empty(a, 3 * width) or nil)
  self.out_proj = linear.Linear(width, width, { bias = a.bias, device = a.device, dtype = a.dtype })
  self:register_parameter("bias_k", a.add_bias_kv and initial.empty(a, 1, 1, width) or nil)
  self:register_parameter("bias_v", a.add_bias_kv and initial.empty(a, 1, 1, width) or nil)
end

--- MultiheadAttention(embed_dim, num_heads, { dropout = 0, bias = true, add_bias_kv = false, add_zero_attn = false,
-- kdim =, vdim =, batch_first = false }): m(query, key, value, { key_padding_mask =, need_weights = true, attn_mask =,
-- average_attn_weights = true, is_causal = false }) gives the output, and the weights of the keys or nil. In masks of
-- bools, true hides.
function Attention:init(...)
  local a = arguments.read("MultiheadAttention", takes, ...)
  if a.embed_dim % a.num_heads ~= 0 then
    fail(self, "embed_dim (%d) must be divisible by num_heads (%d)", a.embed_dim, a.num_heads)
  end
  for _, name in ipairs { "embed_dim", "num_heads", "dropout", "batch_first", "add_zero_attn" } do
    self[name] = a[name]
  end
  self.kdim, self.vdim = a.kdim or a.embed_dim, a.vdim or a.embed_dim
  self.head_dim = a.embed_dim // a.num_heads
  make_projections(self, a)
  self:reset_parameters()
end

function Attention:reset_parameters()
  for _, name in ipairs { "in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight" } do
    if self[name] then init.xavier_uniform_(self[name]) end
  end
  if self.in_proj_bias then
    init.zeros_(self.in_proj_bias)
    init.zeros_(self.out_proj.bias)
  end
  for _, name in ipairs { "bias_k", "bias_v" } do
    if self[name] then init.xavier_normal_(self[name]) end
  end
end

local options = arguments.signature [[key_padding_mask: tensor?, need_weights: bool = true, attn_mask: tensor?,
  average_attn_weights: bool = true, is_causal: bool = false]]

local function swapped(x) return x:transpose(1, 2) end

-- Time before the batch; what is one tensor stays one, so that one product projects it.
local function by_time(query, key, value)
  local q = swapped(query)
  local k = rawequal(key, query) and q or swapped(key)
  local v = rawequal(value, key) and k or rawequal(value, query) and q or swapped(value)
  return q, k, v
end

function Attention:forward(query, key, value, ...)
  for i, x in ipairs { query, key, value } do
    if not cr.is_tensor(x) then
      fail(self, "%s must be a tensor, got %s", ({ "query", "key", "value" })[i], arguments.describe(x))
    end
  end
  if not value then fail(self, "takes query, key and value") end
  local o = arguments.read("MultiheadAttention", options, ...)
  local swap = self.batch_first and query.ndim == 3
  if swap then query, key, value = by_time(query, key, value) end
  local y, weights = cr.multi_head_attention_forward(query, key, value, self.embed_dim, self.num_heads,
    self.in_proj_weight, self.in_proj_bias, self.bias_k, self.bias_v, self.add_zero_attn, self.dropout,
    self.out_proj.weight, self.out_proj.bias, { training = self.training, key_padding_mask = o.key_padding_mask,
      need_weights = o.need_weights, attn_mask = o.attn_mask, average_attn_weights = o.average_attn_weights,
      is_causal = o.is_causal, use_separate_proj_weight = not self.same_widths, q_proj_weight = self.q_proj_weight,
      k_proj_weight = self.k_proj_weight, v_proj_weight = self.v_proj_weight })
  return swap and swapped(y) or y, weights
end

function Attention:extra_repr()
  local text = ("embed_dim=%d, num_heads=%d"):format(self.embed_dim, self.num_heads)
  if self.dropout > 0 then text = text .. ", dropout=" .. self.dropout end
  if self.batch_first then text = text .. ", batch_first=true" end
  return text
end

return M
