-- activation.lua: the functions between layers, as modules.

local cr = require "cresset"
local initial = require "cresset.nn.initial"
local module = require "cresset.nn.module"
local arguments = require "cresset.nn.arguments"
local simple = require "cresset.nn.simple"

local M = {}

-- Those without settings, but perhaps in place.
local function plain(name, op, in_place)
  local pure, twin = cr[op], in_place and cr.methods()[op .. "_"]
  M[name] = simple(name, in_place and "inplace: bool = false" or "", twin and function(self, x)
    if self.inplace then return twin(x) end
    return pure(x)
  end or function(self, x)
    if self.inplace then return x:copy_(pure(x)) end
    return pure(x)
  end)
end

for name, op in pairs { ReLU = "relu", ReLU6 = "relu6", Hardsigmoid = "hardsigmoid", Hardswish = "hardswish",
  SELU = "selu", SiLU = "silu", Mish = "mish" } do plain(name, op, true) end
for name, op in pairs { Sigmoid = "sigmoid", Tanh = "tanh", LogSigmoid = "logsigmoid", Softsign = "softsign",
  Tanhshrink = "tanhshrink" } do plain(name, op, false) end

-- Those whose settings are arguments of their operation, in its order.
local function set(name, op, takes, shown)
  local names = {}
  for key in (shown or ""):gmatch "%S+" do names[#names + 1] = key end
  local pure, twin = cr[op], cr.methods()[op .. "_"]
  local a, b = names[1], names[2]
  M[name] = simple(name, takes, function(self, x)
    local f = pure
    if self.inplace then f = twin end
    if b then return f(x, self[a], self[b]) end
    return f(x, self[a])
  end, shown)
end

set("LeakyReLU", "leaky_relu", "negative_slope: number = 0.01, inplace: bool = false", "negative_slope")
set("ELU", "elu", "alpha: number = 1.0, inplace: bool = false", "alpha")
set("CELU", "celu", "alpha: number = 1.0, inplace: bool = false", "alpha")
set("Hardtanh", "hardtanh", "min_val: number = -1.0, max_val: number = 1.0, inplace: bool = false", "min_val max_val")
set("Threshold", "threshold", "threshold: number, value: number, inplace: bool = false", "threshold value")
set("Softplus", "softplus", "beta: number = 1.0, threshold: number = 20.0", "beta threshold")
set("Hardshrink", "hardshrink", "lambd: number = 0.5", "lambd")
set("Softshrink", "softshrink", "lambd: number = 0.5", "lambd")
set("GLU", "glu", "dim: int = -1", "dim")
set("GELU", "gelu", 'approximate: none|tanh = "none"', "approximate")
set("Softmax", "softmax", "dim: int", "dim")
set("Softmin", "softmin", "dim: int", "dim")
set("LogSoftmax", "log_softmax", "dim: int", "dim")

--- Softmax2d(): softmax over the channels at each place of (N, C, H, W) or (C, H, W).
M.Softmax2d = simple("Softmax2d", "", function(self, x)
  if x.ndim ~= 3 and x.ndim ~= 4 then
    module.fail(self, "takes 3 or 4 dims (N, C, H, W), got a tensor of shape %s", tostring(x.shape))
  end
  return x:softmax(-3)
end)

--- RReLU(lower, upper): negative elements times a random slope in training, the mean slope in evaluation.
M.RReLU = simple("RReLU", "lower: number = 0.125, upper: number = 0.3333333333333333, inplace: bool = false",
  function(self, x)
    local f = self.inplace and cr.methods().rrelu_ or cr.rrelu
    return f(x, self.lower, self.upper, self.training)
  end, "lower upper")

-- ---- PReLU -----------------------------------------------------------------------------------------------

local PReLU = module.class "PReLU"
M.PReLU = PReLU

local takes = arguments.signature [[num_parameters: positive = 1, init: number = 0.25, device: device?, dtype: dtype?]]

--- PReLU(num_parameters, { init = 0.25 }): negative elements times a slope that is learned, of each channel or of all.
function PReLU:init(...)
  local a = arguments.read("PReLU", takes, ...)
  self.num_parameters = a.num_parameters
  self.initial = a.init
  self.weight = initial.empty(a, a.num_parameters)
  self:reset_parameters()
end

function PReLU:reset_parameters()
  cr.no_grad(function() self.weight:fill_(self.initial) end)
end

function PReLU:forward(x) return cr.prelu(x, self.weight) end

function PReLU:extra_repr() return "num_parameters=" .. self.num_parameters end

return M
