-- catalogue_spec.lua: mistakes in an entry of the catalogue end the build with a sentence that names it.

local shell = require "spec.support.shell"

-- What the generator says of one entry, of a family of that name, whether it has ended well, and the operations' C.
local function generate(entry, family)
  local folder = shell.folder()
  shell.run(("mkdir -p %s/ops %s/gen"):format(folder, folder))
  shell.write(("%s/ops/%s.lua"):format(folder, family or "trial"), entry)
  local text, status = shell.run(("lua5.4 src/catalogue/gen.lua %s/gen %s/ops"):format(folder, folder))
  local made = shell.read(folder .. "/gen/ops.c")
  shell.run("rm -rf " .. folder)
  return (text:gsub("\n$", "")), status, made
end

local function refuses(entry, ...)
  local text, status = generate(entry)
  assert.equal(1, status)
  assert.is_nil(text:find "traceback")
  assert.is_nil(text:find "\n")
  for _, part in ipairs { "catalogue: twice", ... } do assert(text:find(part, 1, true), text) end
end

local function pointwise(signature, fields)
  return ('op [[twice%s]] { doc = "x", %s }'):format(signature, fields)
end

describe("an entry of the catalogue", function()
  it("without a mistake becomes C", function()
    local text, status = generate(pointwise("(self: tensor)", 'pointwise = "x + x", nondiff = true'))
    assert.equal(0, status)
    assert.equal("", text)
  end)

  it("may have four tensors and four numbers, and no more", function()
    refuses(pointwise("(a: tensor, b: tensor, c: tensor, d: tensor, e: tensor)", 'pointwise = "x", nondiff = true'),
      "e is one tensor too many", "4 tensors")
    refuses(pointwise("(self: tensor, p: float, q: float, r: float, s: float, t: float)",
      'pointwise = "x", nondiff = true'), "t is one number too many")
  end)

  it("reads no tensor that it has not", function()
    refuses(pointwise("(self: tensor)", 'pointwise = "x + y", nondiff = true'), "pointwise reads 'y'")
    refuses(pointwise("(self: tensor)", 'pointwise = "x", nondiff = true, autocast = "double"'),
      "autocast is no policy")
    refuses(pointwise("(self: tensor)", 'pointwise = "x", nondiff = true, autocast = { tpu = "lower" }'),
      "autocast knows no device tpu")
    refuses(pointwise("(self: tensor)", 'pointwise = "x", quick = "x * a", nondiff = true'), "quick reads 'a'")
  end)

  it("has no name of a function that is written by hand", function()
    local entry = 'op "%s(self: tensor)" { doc = "x", pointwise = "x", nondiff = true }'
    for name, where in pairs { retain = "cresset.h", no_grad = "binding/mode.c" } do
      local text, status = generate(entry:format(name))
      assert.equal(1, status)
      assert(text:find(name .. ": a function of this name is written by hand, in " .. where, 1, true), text)
    end
  end)

  it("has no field that nobody knows", function()
    refuses(pointwise("(self: tensor)", 'pointwize = "x", nondiff = true'), "unknown field 'pointwize'")
  end)
end)

describe("a formula that conjugates", function()
  local function product(formula)
    local _, status, made = generate(([[
      op "conj(self: tensor)" { doc = "x", run = "conj", identity = "real", grad = { self = function(g) return g end } }
      op "mul(self: operand, other: operand)" { doc = "x", pointwise = "x * y", grad = {
        self = function(g, v) return %s end, other = function(g, v) return v.self.conj(g) * v.self end } }]])
      :format(formula))
    assert.equal(0, status)
    return assert(made)
  end

  it("becomes the C of one that does not, as no dtype is complex", function()
    local plain = product "g * v.other"
    assert(plain:find("CR__OP_mul", 1, true))
    assert.equal(plain, product "g * v.other:conj()")
    assert.equal(plain, product "g:conj():conj() * v.other:conj():conj()")
  end)

  it("saves what it conjugates, and nothing of which it takes the shape", function()
    local made = product "g * v.self:conj() * v.other:conj()"
    assert(made:find('CR__SAVE_INPUT, 1, 1, "other"', 1, true), made)
  end)
end)

describe("conj", function()
  local cr = require "cresset"

  it("of real numbers is the tensor itself, with nothing recorded", function()
    local x = cr.rand({ 2, 3 }, { requires_grad = true })
    local y = x * 2
    assert.equal(x, x:conj())
    assert.equal(y, cr.conj(y))
    assert.equal(y.grad_fn, y:conj().grad_fn)
    for _, dtype in ipairs { "float16", "int64", "uint8", "bool" } do
      local t = cr.zeros({ 2 }, { dtype = dtype })
      assert.equal(t, t:conj())
    end
  end)

  it("stands in the formulas of products and of holomorphic functions", function()
    local text = ""
    for _, family in ipairs { "arith", "math", "matmul", "reduce", "scan" } do
      text = text .. assert(shell.read("src/ops/" .. family .. ".lua"))
    end
    local names = "mul div pow square sqrt rsqrt reciprocal addcmul addcdiv lerp exp expm1 log log2 log10 log1p sin "
      .. "cos tan asin acos atan sinh cosh tanh asinh acosh atanh sigmoid mm mv dot bmm mm_add affine prod cumprod"
    for name in names:gmatch "%S+" do
      local grad = text:match('op "' .. name .. "%(.-\n  grad = (.-)\n  samples") or text:match('op "' .. name
        .. "%(.-\n  grad = (.-)\n}")
      assert(grad and grad:find(":conj()", 1, true), name)
    end
  end)
end)

describe("a string that is one of several words", function()
  it("has a default among them", function()
    refuses(pointwise("(self: tensor, mode: \"up\" | \"down\" = \"left\")", 'pointwise = "x", nondiff = true'),
      "the default of mode is none of its choices")
  end)

  it("names each in quotes", function()
    refuses(pointwise("(self: tensor, mode: \"up\" | down)", 'pointwise = "x", nondiff = true'),
      "cannot read the choice down of parameter mode")
  end)
end)

describe("a mistake in a derivative names the operation and the parameter:", function()
  local function derivative(formula)
    return pointwise("(self: tensor)",
      ('pointwise = "x + x", grad = { self = function(g, v) return %s end }'):format(formula))
  end

  it("a slot that is neither parameter nor result", function()
    refuses(derivative "g * v.other", "the derivative by self", "v.other")
  end)

  it("an operation that is not there", function()
    refuses(derivative "g:frobnicate()", "the derivative by self", "frobnicate")
  end)

  it("what Lua itself finds wrong, with its line", function()
    refuses(derivative "g * nil + ({})()", "the derivative by self")
    refuses(derivative "undefined.thing", "the derivative by self", "trial.lua:1:")
  end)

  it("a parameter that is none", function()
    refuses(pointwise("(self: tensor)", 'pointwise = "x", grad = { other = function(g) return g end }'),
      "grad names 'other'")
  end)

  it("a joint formula without its parameters, parameters without it, or fewer gradients than it lists", function()
    local function joint(grad)
      return pointwise("(self: tensor, other: operand)", 'pointwise = "x * y", grad = ' .. grad)
    end
    refuses(joint "{ joint = function(g) return g end }", "lists no parameters")
    refuses(joint '{ "self", "other" }', "no joint formula")
    refuses(joint '{ "self", "other", joint = function(g) return g end }', "the derivative by self, other",
      "gives 1 gradients, not 2")
  end)
end)

describe("the declaration of a kernel", function()
  local function refuses_kernel(text, part)
    local said, status = generate(("kernel %q"):format(text))
    assert.equal(1, status)
    assert.equal("catalogue: kernel " .. part, said)
  end

  it("names each slot once, in a form that can be read", function()
    refuses_kernel("sort(in, in)", "sort: has two slots in")
    refuses_kernel("sort(in; n, in)", "sort: has two slots in")
    refuses_kernel("sort(in-side)", "sort: cannot read the view 'in-side'")
    refuses_kernel("sort(in; 3n)", "sort: cannot read the number '3n'")
    refuses_kernel("sort(in; n: long)", "sort: number n has an unknown type 'long'")
    refuses_kernel("sort(in; n; m)", "sort: has more than one ';'")
    refuses_kernel("sort()", "sort: has no slots")
    refuses_kernel("sort in", "'sort in': cannot read the declaration")
  end)

  it("uses no word of C++", function()
    refuses_kernel("sort(this)", "sort: the name of the slot this is taken")
  end)

  it("has at most eleven views", function()
    refuses_kernel("sort(in[11], out)", "sort: has 12 views, and 11 at most are possible")
  end)

  it("has one name", function()
    refuses_kernel("sort, search(in)", "'sort, search(in)': cannot read the declaration")
    refuses_kernel("lines: sort, search(in)", "'lines: sort, search(in)': cannot read the declaration")
  end)

  it("is made once", function()
    local said, status = generate 'kernel "sort(in)" kernel "sort(in, out)"'
    assert.equal(1, status)
    assert.equal("catalogue: kernel sort: is declared twice", said)
  end)

  it("is of a kernel that something launches", function()
    refuses_kernel("idle(in)", "idle: no run function launches it")
  end)
end)

describe("entries that share a run function", function()
  local pair = 'op "once(%s)" { doc = "x", run = "sort", nondiff = true }\n'
    .. 'op "twice(%s)" { doc = "x", run = "sort", nondiff = true, %s }'

  it("give a parameter of one name one type", function()
    local said, status = generate(pair:format("self: tensor, k: int", "self: tensor, k: float", ""), "sort")
    assert.equal(1, status)
    assert.equal('catalogue: twice: its k has another type than that of once, with which it shares run = "sort"', said)
  end)

  it("all rewrite their argument, or none does", function()
    local said, status = generate(pair:format("self: tensor", "self: tensor", "rewrites = true"), "sort")
    assert.equal(1, status)
    assert(said:find("unlike once", 1, true), said)
  end)
end)
