-- nn_module_spec.lua: what a module is: parts found by assignment, their names, modes, casts, clones, text, errors.

local cr = require "cresset"
local nn = cr.nn
local values = require "spec.support.values"

local fails, message_of = values.assert_fails, values.message_of

local function names(iterator)
  local list = {}
  for name in iterator do list[#list + 1] = name end
  return table.concat(list, " ")
end

local Block = nn.class "Block"
function Block:init(n)
  self.fc = nn.Linear(n, n)
  self.scale = nn.Parameter(cr.ones(n))
  self:register_buffer("seen", cr.zeros { 1 })
  self.out = nn.Linear(n, 1, { bias = false })
  self.width = n
end
function Block:forward(x) return self.out(self.fc(x) * self.scale) end

local function keys(dict)
  local list = {}
  for key in pairs(dict) do list[#list + 1] = key end
  table.sort(list)
  return table.concat(list, " ")
end

describe("a class of modules", function()
  it("calls init with the arguments of its call, and forward with those of a module's", function()
    local m = Block(3)
    assert.equal(3, m.width)
    assert.same({ 2, 1 }, { table.unpack(m(cr.ones(2, 3)).shape) })
  end)

  it("needs no init", function()
    local Twice = nn.class "Twice"
    function Twice.forward(_, x, y) return x * 2, y end
    local a, b = Twice()(3, "y")
    assert.equal(6, a)
    assert.equal("y", b)
  end)

  it("has what its parent has, and may call what it hides", function()
    local Wide = nn.class("Wide", Block)
    function Wide:init(n)
      Block.init(self, n)
      self.more = nn.Linear(n, n)
    end
    function Wide:forward(x) return Wide.super.forward(self, self.more(x)) end
    local w = Wide(2)
    assert.equal("scale fc.weight fc.bias out.weight more.weight more.bias", names(w:named_parameters()))
    assert.same({ 1, 1 }, { table.unpack(w(cr.ones(1, 2)).shape) })
    assert.equal("Wide", w.class_name)
  end)

  it("may come from a built-in class", function()
    local Tied = nn.class("Tied", nn.Linear)
    function Tied:forward(x) return cr.linear(x, self.weight:t(), self.bias) end
    assert.same({ 2, 3 }, { table.unpack(Tied(3, 3)(cr.ones(2, 3)).shape) })
  end)

  it("can be asked for", function()
    local Wide = nn.class("Wide", Block)
    assert.is_true(nn.is_module(Wide(1)) and nn.is_module(Wide(1), Wide) and nn.is_module(Wide(1), Block))
    assert.is_true(nn.is_module(Wide(1), nn.Module))
    assert.is_false(nn.is_module(Block(1), Wide) or nn.is_module(Wide) or nn.is_module {} or nn.is_module(3, Wide))
  end)

  it("is refused without a name, and with a parent that is no class", function()
    fails(function() nn.class() end, "class: the name must be a word")
    fails(function() nn.class "a b" end, "'a b'")
    fails(function() nn.class("A", {}) end, "the parent of 'A' must be a class")
    fails(function() nn.class("A", Block(1)) end, "got a module")
  end)

  it("says that it has no forward", function()
    fails(function() return nn.class "Empty"()(1) end, "Empty: this class has no forward")
  end)
end)

describe("nn", function()
  it("answers a name that it lacks with the nearest one", function()
    fails(function() return nn.Lineer end, "cresset.nn has no 'Lineer'; did you mean 'nn.Linear'?")
    fails(function() return nn.sequential end, "did you mean 'nn.Sequential'?")
  end)

  it("is the module cresset.nn", function() assert.equal(nn, require "cresset.nn") end)
end)

describe("a parameter", function()
  it("is a leaf over the memory of the tensor that it was made of", function()
    local t = cr.ones(2)
    local p = nn.Parameter(t)
    assert.is_true(p.requires_grad and p.is_leaf and p:shares_storage(t) and nn.is_parameter(p))
    assert.is_false(t.requires_grad or nn.is_parameter(t))
    assert.is_false(nn.Parameter(t, false).requires_grad)
    assert.is_false(nn.Parameter(t, { requires_grad = false }).requires_grad)
  end)

  it("is a tensor of floats, or has no gradient", function()
    fails(function() nn.Parameter(3) end, "Parameter: the data must be a tensor", "number")
    fails(function() nn.Parameter(cr.tensor { 1 }) end, "int64", "nn.Parameter(t, false)")
    assert.equal("int64", nn.Parameter(cr.tensor { 1 }, false).dtype)
  end)
end)

describe("assignment to a field", function()
  it("makes parts of parameters, buffers and modules, and of nothing else", function()
    local m = Block(2)
    m.plain = cr.ones(2)
    m.leaf = cr.ones({ 2 }, { requires_grad = true })
    m.table = { nn.Linear(1, 1) }
    m.kept = nn.Buffer(cr.ones(2))
    m.passing = nn.Buffer(cr.ones(2), { persistent = false })
    assert.equal("scale fc.weight fc.bias out.weight", names(m:named_parameters()))
    assert.equal("seen kept passing", names(m:named_buffers()))
    assert.equal("fc out", names(m:named_children()))
    assert.is_nil(m:state_dict().passing)
    assert.is_truthy(m:state_dict().kept)
  end)

  it("replaces a part at its place", function()
    local m, fc = Block(2), nn.Linear(2, 2, { bias = false })
    m.fc = fc
    assert.equal(fc, m.fc)
    assert.equal("scale fc.weight out.weight", names(m:named_parameters()))
    m.fc = nil
    assert.is_nil(m.fc)
    assert.equal("out", names(m:named_children()))
    m.fc = fc
    assert.equal("fc out", names(m:named_children()))
  end)

  it("refuses what would silently stop being a part", function()
    local m = Block(2)
    fails(function() m.scale = cr.ones(2) end, "Block: 'scale' is a parameter", "nn.Parameter(t)", "a plain tensor")
    fails(function() m.fc = 3 end, "'fc' is a submodule", "a number")
    fails(function() m.fc = cr.ones(2) end, "'fc' is a submodule")
    fails(function() m.seen = "x" end, "'seen' is a buffer", "a string")
    m.seen = cr.ones(2)
    assert.equal(2, m:get_buffer("seen"):numel())
  end)

  it("refuses names that are methods, or that no key could have", function()
    local m = Block(2)
    fails(function() m.parameters = nn.Linear(1, 1) end, "'parameters' cannot name a module")
    fails(function() m["a.b"] = nn.Linear(1, 1) end, "'a.b' cannot name a module", "no dots")
    fails(function() m[""] = nn.Parameter(cr.ones(1)) end, "cannot name a parameter")
    fails(function() m[1] = nn.Linear(1, 1) end, "a module needs a name", "nn.ModuleList")
  end)

  it("refuses a module as part of itself", function()
    local a, b = Block(1), Block(1)
    a.b = b
    fails(function() b.a = a end, "would become part of itself")
    fails(function() a.a = a end, "would become part of itself", "self.a = { module }")
    b.owner = { a }
    assert.equal(5, #a:modules() - 1)
  end)

  it("takes all other values as fields, which pairs gives", function()
    local m, seen = Block(2), {}
    m.note, m[7] = "hi", 3
    for key, value in pairs(m) do seen[key] = value end
    assert.equal("hi", seen.note)
    assert.equal(3, seen[7])
    assert.equal(m.fc, seen.fc)
    assert.is_true(seen.training)
  end)
end)

describe("registration by name", function()
  it("takes parameters, buffers, modules and nil", function()
    local m = nn.Module()
    m:register_parameter("p", nn.Parameter(cr.ones(1)))
    m:register_parameter("none", nil)
    m:register_buffer("b", cr.ones(1))
    m:register_buffer("hidden", cr.ones(1), false)
    m:add_module("child", nn.Identity())
    m:register_module("other", nn.Identity())
    assert.equal("p", names(m:named_parameters()))
    assert.equal("b hidden", names(m:named_buffers()))
    assert.equal("child other", names(m:named_children()))
    assert.equal("b p", keys(m:state_dict()))
    fails(function() m.none = cr.ones(1) end, "'none' is a parameter")
    m.none = nn.Parameter(cr.ones(1))
    assert.equal("p none", names(m:named_parameters()))
  end)

  it("refuses other values, and names that are taken", function()
    local m = nn.Module()
    m.taken = 3
    fails(function() m:register_parameter("p", cr.ones(1)) end, "register_parameter takes nn.Parameter(t) or nil")
    fails(function() m:register_buffer("b", 3) end, "register_buffer takes a tensor or nil")
    fails(function() m:add_module("m", 3) end, "add_module takes a module or nil")
    fails(function() m:register_buffer("taken", cr.ones(1)) end, "'taken' cannot name a buffer: it is a field already")
  end)
end)

describe("the parts of a module", function()
  local net = nn.Sequential { Block(2), nn.Sequential { nn.Linear(1, 3), nn.Identity() } }

  it("have PyTorch's names", function()
    assert.equal("0.scale 0.fc.weight 0.fc.bias 0.out.weight 1.0.weight 1.0.bias", names(net:named_parameters()))
    assert.equal(" 0 0.fc 0.out 1 1.0 1.1", names(net:named_modules()))
    assert.equal("0.seen", names(net:named_buffers()))
    assert.equal("net.0.scale", (net:named_parameters "net")())
    assert.equal("", names(net:named_parameters { recurse = false }))
    assert.equal("scale", names(net[1]:named_parameters("", false)))
  end)

  it("come as lists", function()
    assert.equal(6, #net:parameters())
    assert.equal(1, #net:buffers())
    assert.equal(2, #net:children())
    assert.equal(7, #net:modules())
    assert.equal(net[1].scale, net:parameters()[1])
  end)

  it("come once where they are shared, and have all their keys", function()
    local a = nn.Linear(2, 2)
    local twice = nn.Sequential { a, a }
    assert.equal("0.weight 0.bias", names(twice:named_parameters()))
    assert.equal(2, #twice:modules())
    assert.equal(1, #twice:children())
    assert.equal("0.bias 0.weight 1.bias 1.weight", keys(twice:state_dict()))
    assert.equal(" 0 1", names(twice:named_modules { remove_duplicate = false }))
    local tied = nn.Sequential { nn.Linear(2, 2), nn.Linear(2, 2) }
    tied[2].weight = tied[1].weight
    assert.equal(3, #tied:parameters())
  end)

  it("are found by their names", function()
    assert.equal(net[1].fc, net:get_submodule "0.fc")
    assert.equal(net, net:get_submodule "")
    assert.equal(net[1].fc.bias, net:get_parameter "0.fc.bias")
    local other = net:clone()
    local id = nn.Identity()
    other:set_submodule("0.fc", id)
    other:set_submodule("1", nn.Linear(1, 1))
    assert.equal(id, other[1].fc)
    assert.equal("Linear", other[2].class_name)
    fails(function() other:set_submodule("0.fd", id) end, "no submodule 'fd'")
    fails(function() other:set_submodule("1", 3) end, "takes a module for '1'")
    assert.equal(net[1].seen, net:get_buffer "0.seen")
    fails(function() net:get_submodule "0.fd" end, "no submodule 'fd'")
    fails(function() net:get_parameter "0.seen" end, "no parameter '0.seen'")
  end)
end)

describe("all parts together", function()
  it("are trained and evaluated, by methods that a class may replace", function()
    local net = nn.Sequential { Block(2) }
    assert.is_true(net.training and net[1].fc.training)
    assert.equal(net, net:eval())
    assert.is_false(net.training or net[1].training or net[1].fc.training)
    net:train()
    assert.is_true(net[1].fc.training)
    local Frozen = nn.class("Frozen", nn.Linear)
    function Frozen:train() return nn.Linear.train(self, false) end
    local f = nn.Sequential { Frozen(1, 1) }
    assert.is_false(f:train()[1].training)
    fails(function() net:train(1) end, "train takes true or false")
  end)

  it("are visited from below by apply", function()
    local seen = {}
    local net = nn.Sequential { Block(2) }
    assert.equal(net, net:apply(function(m) seen[#seen + 1] = m.class_name end))
    assert.equal("Linear Linear Block Sequential", table.concat(seen, " "))
    fails(function() net:apply(3) end, "apply takes a function")
  end)

  it("lose their gradients, or have them set to zero", function()
    local m = nn.Linear(2, 1)
    m(cr.ones(1, 2)):sum():backward()
    local g = m.weight.grad
    m:zero_grad(false)
    assert.equal(g, m.weight.grad)
    assert.same({ { 0, 0 } }, g:totable())
    m:zero_grad()
    assert.is_nil(m.weight.grad)
  end)

  it("are frozen by requires_grad_", function()
    local m = nn.Linear(2, 1):requires_grad_(false)
    assert.is_false(m.weight.requires_grad or m.bias.requires_grad)
    assert.equal(2, #m:parameters())
    assert.is_true(m:requires_grad_().bias.requires_grad)
  end)
end)

describe("a module in another dtype", function()
  it("keeps its parameters as objects, with their gradients, and the buffers that are no floats", function()
    local m = Block(2)
    m:register_buffer("count", cr.tensor(3))
    local p = m.scale
    m(cr.ones(1, 2)):sum():backward()
    assert.equal(m, m:to "float64")
    assert.equal(p, m.scale)
    assert.equal("float64", p.dtype)
    assert.equal("float64", p.grad.dtype)
    assert.equal("float64", m.seen.dtype)
    assert.equal("int64", m.count.dtype)
    m(cr.ones({ 1, 2 }, { dtype = "float64" })):sum():backward()
    assert.equal("float64", p.grad.dtype)
  end)

  it("is made by several names", function()
    local m = nn.Linear(1, 1)
    for name, dtype in pairs { half = "float16", float = "float32", double = "float64", bfloat16 = "bfloat16" } do
      assert.equal(dtype, m[name](m).weight.dtype)
    end
    assert.equal("float64", m:type("float64").weight.dtype)
    assert.equal("float32", m:to(cr.ones(1)).weight.dtype)
    assert.equal("float64", m:to("cpu", "float64").weight.dtype)
    assert.equal("float32", m:to({ device = "cpu", dtype = "float32" }).weight.dtype)
  end)

  it("is one of floats", function()
    local m = nn.Linear(1, 1)
    fails(function() m:to "int64" end, "Linear: to takes a floating dtype", "int64")
    fails(function() m:to(true) end, "to takes a dtype, a device")
    fails(function() m:to "float65" end, "float65")
    assert.equal("float32", m.weight.dtype)
  end)

  it("cannot be reached by a backward pass that began before", function()
    local m = nn.Linear(2, 2)
    local x = cr.ones({ 1, 2 }, { requires_grad = true })
    local y = m(x):sum()
    m:double()
    fails(function() y:backward() end, "modified")
    assert.is_nil(m.weight.grad)
  end)
end)

describe("a clone", function()
  it("shares no memory, but holds together what is shared within", function()
    local net = nn.Sequential { nn.Linear(2, 2), nn.Linear(2, 2) }
    net[2].weight = net[1].weight
    net.note = { 1, t = cr.ones(1) }
    net[1](cr.ones(1, 2)):sum():backward()
    local c = net:clone()
    assert.equal(c[1].weight, c[2].weight)
    assert.is_true(c[1].weight:equal(net[1].weight) and c[1].weight.grad:equal(net[1].weight.grad))
    assert.is_false(c[1].weight:shares_storage(net[1].weight) or c[1].weight.grad:shares_storage(net[1].weight.grad))
    assert.is_false(c.note == net.note or c.note.t:shares_storage(net.note.t))
    assert.equal(3, #c:parameters())
    c[1].weight = nil
    assert.is_truthy(net[1].weight)
    c:eval()
    assert.is_true(net.training)
  end)

  it("is of the same class, frozen where the original is, and has its buffers", function()
    local m = Block(2):requires_grad_(false):eval()
    local c = nn.clone(m)
    assert.equal("Block", c.class_name)
    assert.is_false(c.scale.requires_grad or c.training or c.seen:shares_storage(m.seen))
    assert.same({ 1, 1 }, { table.unpack(c(cr.ones(1, 2)).shape) })
    fails(function() nn.clone(3) end, "clone: the argument must be a module")
  end)
end)

describe("the text of a module", function()
  it("has PyTorch's layout, with shapes and counts", function()
    local net = nn.Sequential { Block(2), nn.Identity() }
    net[1].out:requires_grad_(false)
    assert.equal(table.concat({
      "Sequential(",
      "  (0): Block(",
      "    (fc): Linear(in_features=2, out_features=2, bias=true)  [6 parameters: weight 2x2, bias 2]",
      "    (out): Linear(in_features=2, out_features=1, bias=false)  [2 parameters, frozen: weight 1x2]",
      "  )  [10 parameters, 2 frozen, own: scale 2]",
      "  (1): Identity()",
      ")  [10 parameters, 2 frozen]" }, "\n"), tostring(net))
    assert.equal("Linear(in_features=1000, out_features=2000, bias=true)  [2,002,000 parameters: weight 2000x1000, "
      .. "bias 2000]", tostring(nn.Linear(1000, 2000)))
  end)

  it("has what extra_repr gives", function()
    local Named = nn.class "Named"
    function Named.extra_repr() return "k=3" end
    assert.equal("Named(k=3)", tostring(Named()))
  end)
end)

describe("an error inside a module", function()
  local x = cr.ones(2, 3)

  it("names the module that was called", function()
    local message = message_of(function() return nn.Linear(4, 4)(x) end)
    assert.is_truthy(message:find "^in Linear: linear: the input's last dim")
  end)

  it("names the way to it, in PyTorch's names and in Lua's", function()
    local net = nn.Sequential { nn.Identity(), Block(3) }
    net[2].out = nn.Linear(5, 1)
    fails(function() return net(x) end, "in net.1.out (Linear), which is net[2].out: linear: the input's last dim")
    fails(function() return net[2](x) end, "in net.out (Linear): linear:")
    assert.equal(net[2].out, net:get_submodule "1.out")
  end)

  it("names the place of the call of a shared module", function()
    local shared = nn.Linear(4, 4)
    local A, B = nn.class "A", nn.class "B"
    function A:init() self.fc = shared end
    function A.forward(_, y) return y end
    function B:init() self.fc = shared end
    function B:forward(y) return self.fc(y) end
    local net = nn.Sequential { A(), B() }
    fails(function() return net(x) end, "in net.1.fc (Linear)")
  end)

  it("is told of modules in plain tables, too, and after tail calls", function()
    local Odd = nn.class "Odd"
    function Odd:init() self.list = { nn.Sequential { nn.Linear(4, 4) } } end
    function Odd:forward(y) return self.list[1](y) end
    fails(function() return Odd()(x) end, "in net.0 (Linear)")
  end)

  it("keeps errors of the program as they are", function()
    local Bad = nn.class "Bad"
    function Bad.forward(_, y) error({ y }) end
    local ok, e = pcall(Bad(), 3)
    assert.is_false(ok)
    assert.same({ 3 }, e)
  end)

  it("is found inside a coroutine", function()
    local net = nn.Sequential { nn.Linear(4, 4) }
    local _, message = coroutine.resume(coroutine.create(function() return net(x) end))
    assert.is_truthy(message:find("in net.0 (Linear)", 1, true))
  end)
end)

describe("modules", function()
  it("yield and are resumed within forward", function()
    local Yields = nn.class "Yields"
    function Yields.forward(_, x) return coroutine.yield(x + 1) * 2 end
    local net = nn.Sequential { Yields(), Yields() }
    local co = coroutine.wrap(function() return net(1) end)
    assert.equal(2, co())
    assert.equal(7, co(3))
    assert.equal(10, co(5))
  end)

  it("are collected with their parameters, and leave nothing after many calls", function()
    local function objects()
      for _ = 1, 4 do collectgarbage() end -- a graph that a finalizer frees lets go of its hooks
      return cr.memory.stats().objects, collectgarbage "count"
    end
    local before = objects()
    local weak = setmetatable({}, { __mode = "k" })
    local function use()
      local net = nn.Sequential { Block(4), nn.Linear(1, 1) }
      net[1].owner = { net }
      weak[net] = true
      net:register_forward_hook(function() return nil end)
      net[1]:register_full_backward_hook(function() return nil end)
      for _ = 1, 20 do net(cr.ones({ 2, 4 }, { requires_grad = true })):sum():backward() end
    end
    use()
    local after = objects()
    assert.is_nil(next(weak))
    assert.equal(before, after)
    local fc, x = nn.Linear(4, 4), cr.ones(4, 4)
    for _ = 1, 100 do fc(x) end
    local tensors, kilobytes = objects()
    for _ = 1, 10000 do fc(x) end
    local tensors_after, kilobytes_after = objects()
    assert.equal(tensors, tensors_after)
    assert(kilobytes_after - kilobytes < 1, kilobytes_after - kilobytes)
  end)
end)
