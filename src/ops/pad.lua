-- pad.lua: tensors with more elements around them.
--
-- Holds true: dims are counted from the last one, as PyTorch does.

op [[pad(self: tensor, pad: ints, mode: "constant" | "reflect" | "replicate" | "circular" = "constant",
  value: scalar = 0)]] {
  doc = [[self with more elements around it: pad lists how many before and after, of the last dim first. They are
    `value`, or copies: "replicate" of the edge, "reflect" of what lies beyond it, "circular" of the other end. A
    negative number takes elements away.]],
  stores = true, run = "pad", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), { 1, 2 } }, { s.t({ 2, 3 }), { -1, 1, 2, 0 }, "constant", 1.5 },
      { s.t({ 2, 3 }), { 2, 1 }, "reflect" }, { s.t({ 1, 2, 3 }), { 1, 0, 0, 2 }, "replicate" },
      { s.t({ 2, 3 }), { 3, 1 }, "circular" } }
  end,
}
