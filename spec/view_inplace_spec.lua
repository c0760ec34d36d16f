-- view_inplace_spec.lua: squeeze_, unsqueeze_, transpose_, t_ and their like change what a tensor is seen
-- as, and leave its memory alone.

local cr = require "cresset"
local values = require "spec.support.values"
local samples = require "spec.support.samples"

local function shape(t) return values.shape_text(t.shape) end

describe("a view taken in place", function()
  local function wanted(e) return e.inplace == "header" end

  it("exists for the views that PyTorch has it for", function()
    local names = {}
    for _, e in ipairs(samples.public()) do
      if wanted(e) then names[#names + 1] = e.lua .. "_" end
    end
    table.sort(names)
    assert.same({ "as_strided_", "squeeze_", "swapaxes_", "swapdims_", "t_", "transpose_", "unsqueeze_" }, names)
  end)

  for _, e in ipairs(samples.public()) do
    if wanted(e) then
      it("gives the same tensor what the pure form shows: " .. e.lua .. "_", function()
        for _, args in ipairs(samples.of(e)) do
          local self = args[1]
          local memory = self:detach()
          local pure = self[e.lua](self, table.unpack(args, 2, args.n))
          assert.is_true(rawequal(self, self[e.lua .. "_"](self, table.unpack(args, 2, args.n))))
          assert.are.equal(shape(pure), shape(self))
          assert.same(pure:stride(), self:stride())
          assert.is_nil(values.tensors_differ(self, pure))
          memory:fill_(7)
          assert.is_true(self:eq(7):all():item())
        end
      end)

      it("passes the gradient that the pure form passes: " .. e.lua .. "_", function()
        for _, args in ipairs(samples.of(e)) do
          local x = args[1]:clone():requires_grad_()
          local pure = x:clone()[e.lua](x * 1, table.unpack(args, 2, args.n))
          local weights = values.generate(pure.shape, -1, 1, "float64", 5)
          local want = cr.grad((pure:exp() * weights):sum(), x)
          local y = x * 1
          y[e.lua .. "_"](y, table.unpack(args, 2, args.n))
          assert.is_nil(values.tensors_differ(cr.grad((y:exp() * weights):sum(), x), want))
        end
      end)
    end
  end

  it("grows a header beyond the dims that it was made for", function()
    local x = cr.tensor { 1, 2 }
    for _ = 1, 12 do x:unsqueeze_(1) end
    assert.are.equal(13, x:dim())
    assert.same({ 1, 2 }, x:squeeze_():totable())
  end)

  it("does not change tensors that share the memory", function()
    local x = cr.arange(6):view(2, 3)
    local row = x[2]
    x:t_()
    assert.same({ 3, 2 }, x.shape)
    assert.same({ 3, 4, 5 }, row:totable())
    x[{ 1, 2 }] = 9
    assert.same({ 9, 4, 5 }, row:totable())
  end)

  it("takes expanded tensors, since it writes nothing", function()
    assert.same({ 2, 3 }, cr.zeros(1):expand(3, 2):t_().shape)
  end)

  it("leaves the tensor as it is when it fails", function()
    local x = cr.zeros(2, 3, 4)
    assert.has_error(function() x:t_() end, nil)
    assert.has_error(function() x:transpose_(1, 4) end, nil)
    assert.same({ 2, 3, 4 }, x.shape)
  end)
end)

describe("in a graph, a view taken in place", function()
  local function refused(pattern, f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    assert.is_truthy(message:find(pattern, 1, true), message)
  end

  it("is refused on a leaf that requires grad, and on a view of one", function()
    local x = cr.zeros({ 1, 3 }, { requires_grad = true })
    refused("squeeze_: self is a leaf that requires grad", x.squeeze_, x)
    local view = x:view(3)
    refused("unsqueeze_: self is a view of a leaf", view.unsqueeze_, view, 1)
  end)

  it("is refused on one of several views, and on a view made under no_grad", function()
    local x = cr.zeros({ 2, 3 }, { requires_grad = true }) * 1
    local first = x:unbind(1)
    refused("one of several views", first.unsqueeze_, first, 1)
    local quiet = cr.no_grad(function() return x[1] end)
    refused("made under no_grad", quiet.unsqueeze_, quiet, 1)
  end)

  it("is refused outside inference mode on a tensor made in it", function()
    local x = cr.inference_mode(function() return cr.zeros(2, 3) end)
    refused("made in inference mode", x.t_, x)
  end)

  it("changes a leaf under no_grad, whose gradient has the new shape", function()
    local x = cr.zeros({ 1, 3 }, { requires_grad = true })
    cr.no_grad(x.squeeze_, x)
    assert.is_true(x.is_leaf)
    ;(x * 2):sum():backward()
    assert.same({ 2, 2, 2 }, x.grad:totable())
  end)

  it("passes the gradient on even if it was taken under no_grad", function()
    local w = cr.tensor({ { 1.0, 2.0 }, { 3.0, 4.0 } }, { requires_grad = true })
    local x = w * 1
    cr.no_grad(x.t_, x)
    ;(x * cr.tensor { { 1.0, 2.0 }, { 3.0, 4.0 } }):sum():backward()
    assert.same({ { 1, 3 }, { 2, 4 } }, w.grad:totable())
  end)

  it("counts as a write: what saved the tensor before cannot be differentiated", function()
    local x = cr.ones({ 2, 2 }, { requires_grad = true }) * 1
    local y = x * x
    x:t_()
    assert.are.equal(1, x._version)
    refused("t", y:sum().backward, y:sum())
  end)

  it("keeps the views of the tensor right, and writes through them", function()
    local w = cr.ones({ 2, 3 }, { requires_grad = true })
    local x = w * 1
    local row = x[1]
    x:t_()
    x:mul_(2)
    ;(row * cr.tensor { 1.0, 2.0, 3.0 }):sum():backward()
    assert.same({ { 2, 4, 6 }, { 0, 0, 0 } }, w.grad:totable())
  end)

  it("keeps a view a view: writing to it reaches the base's gradient", function()
    local w = cr.ones({ 2, 3 }, { requires_grad = true })
    local x = w * 1
    local row = x[1]:unsqueeze_(1)
    row:mul_(2)
    ;(x:sum() + row:sum()):backward()
    assert.same({ { 4, 4, 4 }, { 1, 1, 1 } }, w.grad:totable())
  end)

  it("keeps the gradient that the tensor retains, in its new shape", function()
    local x = cr.ones({ 2, 3 }, { requires_grad = true }) * 1
    x:retain_grad()
    x:t_()
    ;(x * 2):sum():backward()
    assert.same({ 3, 2 }, x.grad.shape)
  end)
end)
