-- nn_container_spec.lua: modules and parameters in lists and tables.

local cr = require "cresset"
local nn = cr.nn
local values = require "spec.support.values"

local fails = values.assert_fails

local function names(iterator)
  local list = {}
  for name in iterator do list[#list + 1] = name end
  return table.concat(list, " ")
end

local function add(n)
  local Add = nn.class("Add" .. n)
  function Add.forward(_, x, ...) return x + n, ... end
  return Add()
end

describe("a Sequential", function()
  it("is made of a list, of arguments, or of named members", function()
    for _, net in ipairs { nn.Sequential { add(1), add(2) }, nn.Sequential(add(1), add(2)),
      nn.Sequential { { "one", add(1) }, { "two", add(2) } } } do
      assert.equal(2, #net)
      assert.equal(13, (net(10)))
    end
    assert.equal("one two", names(nn.Sequential { { "one", add(1) }, { "two", add(2) } }:named_children()))
    assert.equal(10, nn.Sequential()(10))
    assert.equal(10, nn.Sequential {}(10))
  end)

  it("hands on all that a member gives", function()
    local a, b = nn.Sequential { add(1), add(2) }(1, "state")
    assert.equal(4, a)
    assert.equal("state", b)
  end)

  it("counts positions from 1 and names from 0", function()
    local a, b = add(1), add(2)
    local net = nn.Sequential { a, b }
    assert.equal(a, net[1])
    assert.equal(b, net[-1])
    assert.is_nil(net[0])
    assert.is_nil(net[3])
    assert.equal("0 1", names(net:named_children()))
    local seen = {}
    for i, m in ipairs(net) do seen[i] = m end
    assert.same({ a, b }, seen)
    for i, m in pairs(net) do assert.equal(seen[i], m) end
  end)

  it("may be changed", function()
    local net = nn.Sequential { add(1) }
    assert.equal(net, net:append(add(10)))
    net:insert(1, add(100))
    net[4] = add(1000)
    assert.equal(1111, (net(0)))
    assert.equal("0 1 2 3", names(net:named_children()))
    assert.equal("Add1", net:remove(2).class_name)
    assert.equal("0 1 2", names(net:named_children()))
    net[1] = nil
    net[1] = add(20)
    assert.equal(1020, (net(0)))
    net:extend { add(3), add(4) }
    assert.equal(1027, (net(0)))
    assert.equal(7, (net:slice(3)(0)))
    assert.equal(7, (net:slice(-2, -1)(0)))
    assert.equal("Add4", net:pop().class_name)
  end)

  it("keeps the names of members when others go", function()
    local net = nn.Sequential { { "a", add(1) }, { "b", add(2) }, { "c", add(4) } }
    net:remove(2)
    assert.equal("a c", names(net:named_children()))
    net.a = add(8)
    assert.equal(12, (net(0)))
    net.a = nil
    assert.equal(1, #net)
    assert.equal(4, (net(0)))
  end)

  it("takes nothing but modules", function()
    fails(function() nn.Sequential { add(1), 3 } end, "Sequential: its members are modules, got a number")
    fails(function() nn.Sequential { a = add(1) } end, "takes a list")
    fails(function() nn.Sequential { { "a" } } end, "entry 1 must be a member or a pair")
    fails(function() nn.Sequential { add(1), nil, add(2) } end, "takes a list")
    local net = nn.Sequential { add(1) }
    fails(function() net[5] = add(1) end, "no position 5 in a list of 1")
    fails(function() net:insert("x", add(1)) end, "insert takes a position")
    fails(function() net[1] = cr.ones(1) end, "its members are modules, got a tensor")
    assert.equal(2, (net(1)))
  end)

  it("is cloned as a list", function()
    local net = nn.Sequential { nn.Linear(2, 2), nn.Linear(2, 2) }
    local c = net:clone()
    assert.is_true(c(cr.ones(1, 2)):equal(net(cr.ones(1, 2))))
    c[1] = nn.Identity()
    assert.equal("Linear", net[1].class_name)
  end)

  it("may be the parent of a class, which may add members to itself", function()
    local Net = nn.class("Net", nn.Sequential)
    function Net:init()
      nn.Sequential.init(self, add(1))
      self.last = add(5)
    end
    assert.equal(6, (Net()(0)))
  end)
end)

describe("a ModuleList", function()
  it("registers its members and has no forward", function()
    local list = nn.ModuleList { nn.Linear(1, 1), nn.Linear(1, 1) }
    assert.equal("0.weight 0.bias 1.weight 1.bias", names(list:named_parameters()))
    fails(function() return list(1) end, "ModuleList: this class has no forward")
    fails(function() nn.ModuleList { { "a", nn.Identity() } } end, "nn.ModuleDict")
  end)
end)

describe("a ModuleDict", function()
  it("has members by name", function()
    local d = nn.ModuleDict { right = nn.Identity(), left = nn.Linear(1, 1) }
    assert.same({ "left", "right" }, d:keys())
    assert.equal("left right", names(d:items()))
    assert.equal("left right", names(pairs(d)))
    assert.equal(d.left, d:values()[1])
    assert.equal(2, #d)
    d.up = nn.Identity()
    d:set("down", nn.Identity())
    assert.same({ "left", "right", "up", "down" }, d:keys())
    assert.is_true(d:contains "up")
    d:pop "up"
    assert.is_false(d:contains "up")
    assert.equal(2, #d:parameters())
    fails(function() d:pop "up" end, "no member 'up'")
    fails(function() d:set("x", 3) end, "takes a module or nil")
    fails(function() nn.ModuleDict { to = nn.Identity() } end, "'to' cannot name a module")
  end)

  it("keeps the order of pairs", function()
    local d = nn.ModuleDict { { "z", nn.Identity() }, { "a", nn.Identity() } }
    assert.same({ "z", "a" }, d:keys())
  end)
end)

describe("parameters in containers", function()
  it("have positions or names", function()
    local list = nn.ParameterList { cr.ones(2), nn.Parameter(cr.zeros(1)) }
    list:append(cr.ones(3))
    assert.equal("0 1 2", names(list:named_parameters()))
    assert.is_true(nn.is_parameter(list[1]))
    assert.equal(3, #list)
    list[2] = cr.ones(5)
    assert.equal(5, list[2]:numel())
    local d = nn.ParameterDict { b = cr.ones(1), a = cr.ones(2) }
    assert.same({ "a", "b" }, d:keys())
    assert.equal("a b", names(d:named_parameters()))
    d:set("c", cr.ones(1))
    assert.equal(3, #d:parameters())
    fails(function() nn.ParameterList { 3 } end, "its members are parameters, got a number")
    fails(function() list:append "x" end, "its members are parameters")
  end)
end)
