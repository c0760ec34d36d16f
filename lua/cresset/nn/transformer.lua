-- transformer.lua: TransformerEncoderLayer, TransformerDecoderLayer, stacks of them, and Transformer (Vaswani et al.
-- 2017; norm_first as Xiong et al. 2020).
--
-- Holds true: children have PyTorch's names and order. In masks of bools, true hides. A stack holds clones of its
-- layer, which begin alike.

local cr = require "cresset"
local arguments = require "cresset.nn.arguments"
local attention = require "cresset.nn.attention"
local container = require "cresset.nn.container"
local dropout = require "cresset.nn.dropout"
local init = require "cresset.nn.initializers"
local linear = require "cresset.nn.linear"
local module = require "cresset.nn.module"
local normalization = require "cresset.nn.normalization"

local M = {}

local class, fail = module.class, module.fail

local layer_takes = [[d_model: positive, nhead: positive, dim_feedforward: positive = 2048,
  dropout: probability = 0.1, activation: activation = "relu", layer_norm_eps: number = 1e-05,
  batch_first: bool = false, norm_first: bool = false, bias: bool = true, device: device?, dtype: dtype?]]
local takes_layer = arguments.signature(layer_takes)

local function attend(a)
  return attention.MultiheadAttention(a.d_model, a.nhead, { dropout = a.dropout, bias = a.bias,
    batch_first = a.batch_first, device = a.device, dtype = a.dtype })
end

-- The parts that both kinds of layers have behind their attentions; `norms` of them.
local function make_rest(self, a, norms)
  local options = { bias = a.bias, device = a.device, dtype = a.dtype }
  self.linear1 = linear.Linear(a.d_model, a.dim_feedforward, options)
  self.dropout = dropout.Dropout(a.dropout)
  self.linear2 = linear.Linear(a.dim_feedforward, a.d_model, options)
  self.norm_first = a.norm_first
  options.eps = a.layer_norm_eps
  for i = 1, norms do self["norm" .. i] = normalization.LayerNorm(a.d_model, options) end
  for i = 1, norms do self["dropout" .. i] = dropout.Dropout(a.dropout) end
  if module.is_module(a.activation) then self.activation = a.activation
  else self.activation = type(a.activation) == "string" and cr[a.activation] or a.activation end
end

local function feed(self, x, drop)
  return drop(self.linear2(self.dropout(self.activation(self.linear1(x)))))
end

-- x and what a block makes of it, normed before or after.
local function residual(self, x, norm, block)
  if self.norm_first then return x + block(norm(x)) end
  return norm(x + block(x))
end

-- ---- Encoder ---------------------------------------------------------------------------------------------

local EncoderLayer = class "TransformerEncoderLayer"
M.TransformerEncoderLayer = EncoderLayer

--- TransformerEncoderLayer(d_model, nhead, { dim_feedforward = 2048, dropout = 0.1, activation = "relu",
-- layer_norm_eps = 1e-5, batch_first = false, norm_first = false, bias = true }): m(src, { src_mask =,
-- src_key_padding_mask =, is_causal = }).
function EncoderLayer:init(...)
  local a = arguments.read("TransformerEncoderLayer", takes_layer, ...)
  self.self_attn = attend(a)
  make_rest(self, a, 2)
end

local encode = arguments.signature "src_mask: tensor?, src_key_padding_mask: tensor?, is_causal: bool = false"

function EncoderLayer:forward(src, ...)
  local o = arguments.read("TransformerEncoderLayer", encode, ...)
  local masks = { attn_mask = o.src_mask, key_padding_mask = o.src_key_padding_mask, need_weights = false,
    is_causal = o.is_causal }
  local x = residual(self, src, self.norm1, function(y) return self.dropout1((self.self_attn(y, y, y, masks))) end)
  return residual(self, x, self.norm2, function(y) return feed(self, y, self.dropout2) end)
end

-- A stack of clones of a layer.
local function make_stack(self, layer, n, norm)
  if not module.is_module(layer) then fail(self, "the layer must be a module, got %s", arguments.describe(layer)) end
  self.layers = container.ModuleList()
  for _ = 1, n do self.layers:append(layer:clone()) end
  self.num_layers = n
  self:add_module("norm", norm)
end

local Encoder = class "TransformerEncoder"
M.TransformerEncoder = Encoder

local takes_encoder = arguments.signature "encoder_layer: module, num_layers: positive, norm: module?"

--- TransformerEncoder(encoder_layer, num_layers, { norm = }): m(src, { mask =, src_key_padding_mask =, is_causal = }).
function Encoder:init(...)
  local a = arguments.read("TransformerEncoder", takes_encoder, ...)
  make_stack(self, a.encoder_layer, a.num_layers, a.norm)
end

local encode_all = arguments.signature "mask: tensor?, src_key_padding_mask: tensor?, is_causal: bool = false"

function Encoder:forward(src, ...)
  local o = arguments.read("TransformerEncoder", encode_all, ...)
  local masks = { src_mask = o.mask, src_key_padding_mask = o.src_key_padding_mask, is_causal = o.is_causal }
  for _, layer in ipairs(self.layers) do src = layer(src, masks) end
  return self.norm and self.norm(src) or src
end

-- ---- Decoder ---------------------------------------------------------------------------------------------

local DecoderLayer = class "TransformerDecoderLayer"
M.TransformerDecoderLayer = DecoderLayer

--- TransformerDecoderLayer(d_model, nhead, options of TransformerEncoderLayer): m(tgt, memory, { tgt_mask =,
-- memory_mask =, tgt_key_padding_mask =, memory_key_padding_mask =, tgt_is_causal =, memory_is_causal = }).
function DecoderLayer:init(...)
  local a = arguments.read("TransformerDecoderLayer", takes_layer, ...)
  self.self_attn = attend(a)
  self.multihead_attn = attend(a)
  make_rest(self, a, 3)
end

local decode_takes = [[tgt_mask: tensor?, memory_mask: tensor?, tgt_key_padding_mask: tensor?,
  memory_key_padding_mask: tensor?, tgt_is_causal: bool = false, memory_is_causal: bool = false]]
local decode = arguments.signature(decode_takes)

function DecoderLayer:forward(tgt, memory, ...)
  local o = arguments.read("TransformerDecoderLayer", decode, ...)
  local own = { attn_mask = o.tgt_mask, key_padding_mask = o.tgt_key_padding_mask, need_weights = false,
    is_causal = o.tgt_is_causal }
  local other = { attn_mask = o.memory_mask, key_padding_mask = o.memory_key_padding_mask, need_weights = false,
    is_causal = o.memory_is_causal }
  local x = residual(self, tgt, self.norm1, function(y) return self.dropout1((self.self_attn(y, y, y, own))) end)
  x = residual(self, x, self.norm2, function(y)
    return self.dropout2((self.multihead_attn(y, memory, memory, other)))
  end)
  return residual(self, x, self.norm3, function(y) return feed(self, y, self.dropout3) end)
end

local Decoder = class "TransformerDecoder"
M.TransformerDecoder = Decoder

local takes_decoder = arguments.signature "decoder_layer: module, num_layers: positive, norm: module?"

--- TransformerDecoder(decoder_layer, num_layers, { norm = }): m(tgt, memory, options of the layer's call).
function Decoder:init(...)
  local a = arguments.read("TransformerDecoder", takes_decoder, ...)
  make_stack(self, a.decoder_layer, a.num_layers, a.norm)
end

function Decoder:forward(tgt, memory, ...)
  local o = arguments.read("TransformerDecoder", decode, ...)
  for _, layer in ipairs(self.layers) do tgt = layer(tgt, memory, o) end
  return self.norm and self.norm(tgt) or tgt
end

-- ---- Both ------------------------------------------------------------------------------------------------

local Transformer = class "Transformer"
M.Transformer = Transformer

local takes_all = arguments.signature [[d_model: positive = 512, nhead: positive = 8, num_encoder_layers: positive = 6,
  num_decoder_layers: positive = 6, dim_feedforward: positive = 2048, dropout: probability = 0.1,
  activation: activation = "relu", custom_encoder: module?, custom_decoder: module?, layer_norm_eps: number = 1e-05,
  batch_first: bool = false, norm_first: bool = false, bias: bool = true, device: device?, dtype: dtype?]]

--- Transformer { d_model = 512, nhead = 8, num_encoder_layers = 6, num_decoder_layers = 6, dim_feedforward = 2048 }:
-- m(src, tgt, { src_mask =, tgt_mask =, memory_mask =, src_key_padding_mask =, tgt_key_padding_mask =,
-- memory_key_padding_mask =, src_is_causal =, tgt_is_causal =, memory_is_causal = }).
function Transformer:init(...)
  local a = arguments.read("Transformer", takes_all, ...)
  local layer = {}
  for _, name in ipairs { "d_model", "nhead", "dim_feedforward", "dropout", "activation", "layer_norm_eps",
    "batch_first", "norm_first", "bias", "device", "dtype" } do layer[name] = a[name] end
  local function norm()
    return normalization.LayerNorm(a.d_model, { eps = a.layer_norm_eps, bias = a.bias, device = a.device,
      dtype = a.dtype })
  end
  self.encoder = a.custom_encoder or Encoder(EncoderLayer(layer), a.num_encoder_layers, norm())
  self.decoder = a.custom_decoder or Decoder(DecoderLayer(layer), a.num_decoder_layers, norm())
  self.d_model, self.nhead, self.batch_first = a.d_model, a.nhead, a.batch_first
  self:reset_parameters()
end

function Transformer:reset_parameters()
  for _, p in ipairs(self:parameters()) do
    if p.ndim > 1 then init.xavier_uniform_(p) end
  end
end

local translate = arguments.signature("src_mask: tensor?, src_key_padding_mask: tensor?, src_is_causal: bool = false, "
  .. decode_takes)

function Transformer:forward(src, tgt, ...)
  local o = arguments.read("Transformer", translate, ...)
  local memory = self.encoder(src, { mask = o.src_mask, src_key_padding_mask = o.src_key_padding_mask,
    is_causal = o.src_is_causal })
  return self.decoder(tgt, memory, { tgt_mask = o.tgt_mask, memory_mask = o.memory_mask,
    tgt_key_padding_mask = o.tgt_key_padding_mask, memory_key_padding_mask = o.memory_key_padding_mask,
    tgt_is_causal = o.tgt_is_causal, memory_is_causal = o.memory_is_causal })
end

--- Transformer.generate_square_subsequent_mask(n, { device =, dtype = }): n x n, 0 where a row may look, -inf after it.
function Transformer.generate_square_subsequent_mask(n, options)
  local o = options or {}
  return cr.full({ n, n }, -math.huge, o.dtype, o.device):triu(1)
end

return M
