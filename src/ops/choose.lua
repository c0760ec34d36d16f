-- choose.lua: choices between elements.
--
-- Holds true: an element of the result is one of the elements given, and the gradient goes to the one
-- that was chosen. A number that the dtype cannot hold: as a bound of clamp it is the nearest one that
-- fits; where it would be in the result (where, masked_fill, the larger side of maximum) it is an error.

op "maximum(self: operand, other: operand)" {
  doc = "The larger of two elements; NaN if either is. Ties share the gradient evenly.",
  pointwise = "maximum(x, y)", numbers = "largest", dtypes = "float int bool", inplace = true,
  grad = {
    self = function(g, v) return ops.winner_d(g, v.self, v.other) end,
    other = function(g, v) return ops.winner_d(g, v.other, v.self) end,
  },
  samples = { uneven = { -2, 2 } },
}

op "minimum(self: operand, other: operand)" {
  doc = "The smaller of two elements; NaN if either is. Ties share the gradient evenly.",
  pointwise = "minimum(x, y)", numbers = "smallest", dtypes = "float int bool", inplace = true,
  grad = {
    self = function(g, v) return ops.winner_d(g, v.other, v.self) end,
    other = function(g, v) return ops.winner_d(g, v.self, v.other) end,
  },
  samples = { uneven = { -2, 2 } },
}

op "winner_d(grad: tensor, large: operand, small: operand)" {
  doc = "grad, halved where large and small are equal, 0 where large is smaller.",
  pointwise = "y < z ? 0 : y == z ? x / 2 : x", dtypes = "float", hidden = true,
  grad = { grad = function(g, v) return ops.winner_d(g, v.large, v.small) end },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2) } } end,
}

op "fmax(self: operand, other: operand)" {
  doc = "The larger of two elements; a number wins over NaN.",
  pointwise = "fmax(x, y)", numbers = "largest", dtypes = "float int bool",
  grad = {
    self = function(g, v) return ops.fmax_d(g, v.self, v.other) end,
    other = function(g, v) return g - ops.fmax_d(g, v.self, v.other) end,
  },
  samples = { uneven = { -2, 2 } },
}

op "fmin(self: operand, other: operand)" {
  doc = "The smaller of two elements; a number wins over NaN.",
  pointwise = "fmin(x, y)", numbers = "smallest", dtypes = "float int bool",
  grad = {
    self = function(g, v) return ops.fmin_d(g, v.self, v.other) end,
    other = function(g, v) return g - ops.fmin_d(g, v.self, v.other) end,
  },
  samples = { uneven = { -2, 2 } },
}

local one_of_two = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2) } } end

op "fmax_d(grad: tensor, self: operand, other: operand)" {
  doc = "grad where self >= other or other is NaN, else 0.",
  pointwise = "y >= z || isnan(z) ? x : 0", dtypes = "float", hidden = true,
  grad = { grad = function(g, v) return ops.fmax_d(g, v.self, v.other) end },
  samples = one_of_two,
}

op "fmin_d(grad: tensor, self: operand, other: operand)" {
  doc = "grad where self <= other or other is NaN, else 0.",
  pointwise = "y <= z || isnan(z) ? x : 0", dtypes = "float", hidden = true,
  grad = { grad = function(g, v) return ops.fmin_d(g, v.self, v.other) end },
  samples = one_of_two,
}

op "clamp(self: tensor, min: scalar?, max: scalar?)" {
  aliases = "clip",
  doc = [[Every element brought into [min, max], either of which may be nil; NaN stays. Where min > max, the
    result is max. A bound beyond an integer dtype is as far as the dtype goes. The derivative is 1 inside and on
    the edges, 0 outside.]],
  run = "clamp", composite = true, inplace = true,
  samples = function(s)
    return { { s.t({ 2, 3 }, -2, 2), -1.05, 0.55 }, { s.t({ 3 }, -2, 2), s.none, 0.55 }, { s.t({ 0 }, -2, 2), 0 } }
  end,
}

op "clamp_tensor(self: tensor, min: tensor?, max: tensor?)" {
  doc = "Every element brought between two tensors, either of which may be nil.",
  lua = "clamp", run = "clamp_tensor", composite = true, inplace = true,
  samples = function(s)
    return {
      { s.t({ 2, 3 }, -2, 2), s.t({ 3 }, -2, -1), s.t({ 2, 1 }, 1, 2) }, { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2) },
      { s.t({ 3 }, -2, 2), s.none, s.t({ 3 }, -2, 2) },
    }
  end,
}

op "clamp_min(self: tensor, min: operand)" {
  doc = "Elements below min become min.",
  pointwise = "maximum(x, y)", numbers = "bound", inplace = true,
  grad = {
    self = function(g, v) return ops.where(v.self:ge(v.min), g, 0) end,
    min = function(g, v) return ops.where(v.self:lt(v.min), g, 0) end,
  },
  samples = { uneven = { -2, 2 } },
}

op "clamp_max(self: tensor, max: operand)" {
  doc = "Elements above max become max.",
  pointwise = "minimum(x, y)", numbers = "bound", inplace = true,
  grad = {
    self = function(g, v) return ops.where(v.self:le(v.max), g, 0) end,
    max = function(g, v) return ops.where(v.self:gt(v.max), g, 0) end,
  },
  samples = { uneven = { -2, 2 } },
}

op "clamp_both(self: tensor, min: operand, max: operand)" {
  doc = "Every element brought into [min, max].",
  lua = "clamp", pointwise = "clamp(x, y, z)", numbers = "bound", hidden = true, inplace = true,
  grad = {
    self = function(g, v) return ops.within_d(g, v.self, v.min, v.max) end,
    min = function(g, v) return ops.where(v.self:lt(v.min):logical_and(v.min:lt(v.max)), g, 0) end,
    max = function(g, v) return ops.where(v.self:gt(v.max):logical_or(v.max:lt(v.min)), g, 0) end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, -1), s.t({ 3 }, 1, 2) } } end,
}

op "within_d(grad: tensor, self: operand, min: operand, max: operand)" {
  doc = "grad where min <= self <= max, else 0.",
  pointwise = "y >= z && y <= w ? x : 0", dtypes = "float", hidden = true,
  grad = { grad = function(g, v) return ops.within_d(g, v.self, v.min, v.max) end },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), -1.05, 1.05 } } end,
}

op "where(condition: tensor, self: operand, other: operand)" {
  doc = "self where the condition (a bool tensor) holds, else other. What is not selected gets no gradient.",
  pointwise = "x ? y : z", mask = "condition", numbers = "stored", dtypes = "float int bool",
  grad = {
    self = function(g, v) return ops.where(v.condition, g, 0) end,
    other = function(g, v) return ops.where(v.condition, 0, g) end,
  },
  samples = function(s)
    return {
      { s.b({ 2, 3 }), s.t({ 2, 3 }, -2, 2), s.t({ 3 }, -2, 2) }, { s.b({ 3 }), s.t({ 2, 1 }, -2, 2), 2.5 },
      { s.b({ 3 }), 1.5, s.t({ 3 }, -2, 2) }, { s.b({ 0 }), s.t({ 0 }, -2, 2), s.t({ 1 }, -2, 2) },
    }
  end,
}

op "masked_fill(self: tensor, mask: tensor, value: operand)" {
  doc = [[self with value, a number or a 0-dim tensor that fits its dtype, wherever the mask, a bool tensor,
    holds.]],
  pointwise = "y ? z : x", promote = "self", mask = "mask", numbers = "stored", dtypes = "float int bool",
  check = "masked_fill", inplace = true,
  grad = {
    self = function(g, v) return g:masked_fill(v.mask, 0) end,
    value = function(g, v) return ops.where(v.mask, g, 0) end,
  },
  samples = function(s)
    return {
      { s.t({ 2, 3 }, -2, 2), s.b({ 3 }), 0.5 }, { s.t({ 2, 3 }, -2, 2), s.b({ 2, 1 }), s.t({}, -2, 2) },
      { s.t({ 0 }, -2, 2), s.b({ 0 }), 1 },
    }
  end,
}
