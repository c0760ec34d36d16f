-- names_spec.lua: the names that a caller may use: aliases, near misses, and those of other libraries.

local cr = require "cresset"
local samples = require "spec.support.samples"
local suggest = require "cresset.suggest"
local values = require "spec.support.values"

local message_of, fails = values.message_of, values.assert_fails

local function with_aliases(f)
  for _, e in ipairs(samples.public()) do
    for _, alias in ipairs(e.aliases) do f(e, alias) end
  end
end

describe("an alias", function()
  it("exists for what the Array API and PyTorch call otherwise", function()
    local x = cr.ones(2, 2)
    for name in ([[absolute arccos arccosh arcsin arcsinh arctan arctan2 arctanh astype bitwise_invert clip divide
      expand_dims greater greater_equal less less_equal matrix_transpose moveaxis multiply negative not_equal
      permute_dims repeat subtract true_divide unstack T]]):gmatch "%S+" do
      assert.is_function(x[name], name)
      assert.is_function(cr[name], name)
    end
    assert.is_function(cr.concatenate)
    assert.is_function(cr.broadcast_arrays)
  end)

  it("computes what its operation computes", function()
    with_aliases(function(e, alias)
      local problems = {}
      for k, args in ipairs(samples.of(e)) do
        local renamed = setmetatable({ lua = alias }, { __index = e })
        samples.compare(problems, alias .. " " .. k, samples.repeatable(renamed, args), samples.repeatable(e, args))
      end
      samples.report(problems)
    end)
  end)

  it("has the in-place twin and the place in foreach that its operation has", function()
    local x = cr.tensor { -1.5, 2 }
    assert.is_true(x:clone():absolute_():equal(x:abs()))
    assert.is_true(x:clone():multiply_(2):equal(x * 2))
    assert.is_true(cr.foreach.absolute({ x })[1]:equal(x:abs()))
    with_aliases(function(e, alias)
      local method = pcall(function() return x[alias .. "_"] end)
      assert.equal(e.inplace and true or false, method, alias)
    end)
  end)

  it("is the name that errors speak of", function()
    fails(function() cr.not_equal(cr.ones(2), cr.ones(3)) end, "not_equal: shapes 2 and 3", "usage: not_equal(")
    fails(function() cr.ones(2):subtract_(cr.ones(3, 2)) end, "subtract_: output with shape 2")
    fails(function() cr.clip(cr.ones(2)) end, "clip: needs min, max or both", "usage: clip(")
    fails(function() return cr.ones(2):expand_dims(9) end, "expand_dims: dim 9 is no place")
    with_aliases(function(_, alias)
      local message = message_of(cr[alias], print)
      assert.equal(alias .. ": ", message:sub(1, #alias + 2))
    end)
  end)

  it("is documented with its operation", function()
    with_aliases(function(_, alias) fails(function() error(cr.help(alias), 0) end, "Also called", alias) end)
  end)

  it("that is a keyword is reached by its text", function()
    values.assert_values(cr.tensor({ 1, 2 })["repeat"](cr.tensor { 1, 2 }, 2), { 1, 2, 1, 2 })
  end)
end)

describe("a misspelt name", function()
  it("of a method is answered with a near one", function()
    local x = cr.ones(2)
    fails(function() return x:summ() end, "no field or method 'summ'; did you mean 'sum'?")
    fails(function() return x.shpae end, "did you mean 'shape'?")
    fails(function() return x:requiresGrad_() end, "did you mean 'requires_grad_'?")
    fails(function() x.gradd = 1 end, "did you mean 'grad'?")
  end)

  it("of a function is an error too, with a near one", function()
    fails(function() return cr.zerosss end, "no function or field 'zerosss'; did you mean 'cr.zeros'?")
    fails(function() return cr.einsun() end, "did you mean 'cr.einsum'?")
    assert.is_nil(cr._NAME)
    assert.is_nil(rawget(cr, "zerosss"))
  end)

  it("finds its way to every operation", function()
    for _, e in ipairs(samples.public()) do
      if #e.lua >= 6 and not e.lua:find("[%._]") then
        local wrong = e.lua:sub(1, 3) .. e.lua:sub(5)
        local message = message_of(function() return cr.ones(1)[wrong .. "x"] end)
        assert(message:find("did you mean", 1, true) or message:find("here it is", 1, true), wrong .. ": " .. message)
      end
    end
  end)

  it("in a table of the module is one, too", function()
    fails(function() return cr.memory.stat() end, "cresset.memory has no function 'stat'",
      "; did you mean 'cr.memory.stats'?")
    fails(function() return cr.cuda.sinchronize end, "did you mean 'cr.cuda.synchronize'?")
    fails(function() return cr.debug.foo end, "cresset.debug has no function 'foo'")
    assert.is_nil(cr.memory._NAME)
    assert.is_nil(rawget(cr.memory, "stat"))
  end)

  it("of two letters is not answered with another one", function()
    assert.equal("cresset has no function or field 'nm'", message_of(function() return cr.nm end))
  end)

  it("of a dtype is answered with the dtype", function()
    for wrong, right in pairs { double = "float64", float = "float32", half = "float16", long = "int64", int = "int32",
      byte = "uint8", ["torch.float32"] = "float32", floaat32 = "float32", FloatTensor = "float32", f16 = "float16" } do
      fails(function() return cr.zeros({ 1 }, { dtype = wrong }) end, ('did you mean "%s"?'):format(right))
      fails(function() return cr.ones(1):to(wrong) end, ('did you mean "%s"?'):format(right))
      fails(function() cr.set_default_dtype(wrong) end, ('did you mean "%s"?'):format(right))
    end
  end)

  it("is not guessed at where nothing is near", function()
    assert.equal("a tensor has no field or method 'qqqqqqq'", message_of(function() return cr.ones(1).qqqqqqq end))
    assert.equal("cresset has no function or field 'qqqqqqq'", message_of(function() return cr.qqqqqqq end))
  end)
end)

describe("a name of another library", function()
  it("is answered with what to use here", function()
    local x = cr.ones(2)
    fails(function() return x:cmul(x) end, "here it is x * y")
    fails(function() return x:numpy() end, "x:totable()")
    fails(function() return cr.FloatTensor(2) end, "cr.tensor(data)")
    fails(function() return cr.from_numpy(x) end, "cr.tensor(data)")
    fails(function() return cr.requires_grad_(x) end, "it is a method, x:requires_grad_(...)")
    fails(function() return x:zeros() end, "there is cr.zeros")
  end)

  it("of a field of tensors is answered with the field", function()
    for _, name in ipairs { "device", "shape", "dtype", "ndim", "requires_grad", "grad_fn", "is_leaf" } do
      fails(function() return cr[name] end, ("'%s': it is a field of tensors, x.%s"):format(name, name))
    end
  end)

  it("that has no counterpart yet is answered so, with what serves today, not with one that looks alike", function()
    for name in ([[linalg svd det inv eig
      solve qr cholesky fft jit onnx
      complex64 stft]]):gmatch "%S+" do
      local message = message_of(function() return cr[name] end)
      local wanted = ("cresset has no function or field '%s'; it is not there yet"):format(name)
      assert.equal(wanted, message:sub(1, #wanted))
      assert.is_nil(message:find("did you mean", 1, true))
    end
    fails(function() return cr.ones(1):svd() end, "a tensor has no field or method 'svd'; it is not there yet")
    fails(function() return cr.zeros({ 1 }, { dtype = "complex64" }) end, "complex dtypes are not there yet")
  end)

  it("that layers have is answered with theirs", function()
    for _, name in ipairs { "Module", "Sequential", "Linear", "Parameter" } do
      local told = ("cresset has no function or field '%s'; there is cr.nn.%s"):format(name, name)
      fails(function() return cr[name] end, told)
    end
  end)

  it("that optimizers have is answered with theirs", function()
    fails(function() return cr.Adam end, "cresset has no function or field 'Adam'; there is cr.optim.Adam")
    fails(function() return cr.StepLR end, "'StepLR'; there is cr.optim.lr_scheduler.StepLR")
  end)

  it("leads to names that exist, and is none itself", function()
    local all = {}
    for _, list in ipairs { suggest.redirects, suggest.absent } do
      for name, text in pairs(list) do
        assert.is_nil(all[name], name .. " is told of twice")
        all[name] = text
      end
    end
    for name, text in pairs(all) do
      assert.is_nil(rawget(cr, name), name)
      assert.is_nil(cr.methods()[name], name)
      for called in text:gmatch "cr%.([%w_]+)" do assert(cr[called], name .. ": " .. text) end
      for called in text:gmatch "[xa]:([%a_]+)" do assert(cr.methods()[called], name .. ": " .. text) end
      for called in text:gmatch "cr%.foreach%.([%a_]+)" do assert(cr.foreach[called], name .. ": " .. text) end
      if text:find "^[%l_%d]+$" then assert(cr.methods()[text] or cr[text], name .. ": " .. text) end
    end
  end)
end)

describe("a string of the caller's", function()
  local long = ("z"):rep(5000) .. "\n"

  local function is_short(message, what)
    local before = message:match "^(.-); usage:" or message
    assert(#before < 700, what .. ": " .. #before .. " bytes")
    assert(not message:find "\n", what)
    assert(message:find("zzz...", 1, true), what .. " does not quote the string")
    assert(not message:find(("z"):rep(81)), what)
  end

  it("is quoted at most 80 bytes long and on one line, by every operation", function()
    for _, e in ipairs(samples.public()) do
      for i, p in ipairs(e.params) do
        if p.type == "string" or p.type == "dtype" or p.type == "device" then
          local args = samples.of(e)[1]
          args[i], args.n = long, math.max(args.n, i)
          is_short(message_of(samples.call, e, args), e.name)
        end
      end
    end
  end)

  it("is so by everything else", function()
    local x = cr.ones(2)
    is_short(message_of(function() return x[long] end), "field")
    is_short(message_of(function() x[long] = 1 end), "assigned field")
    is_short(message_of(function() return cr[long] end), "function")
    is_short(message_of(function() return x + long end), "operand")
    is_short(message_of(function() return x:sum { [long] = 1 } end), "option")
    is_short(message_of(function() return cr.tensor(1, { [long] = 1 }) end), "option of tensor")
    is_short(message_of(function() return cr.tensor { long } end), "element")
    is_short(message_of(function() return cr.einsum(long, x) end), "equation")
    is_short(message_of(function() return cr.gradcheck(print, x, { [long] = 1 }) end), "option of gradcheck")
    is_short(message_of(function() return cr.ones({ 1 }, { requires_grad = true }):exp().grad_fn[long] end), "node")
  end)

  it("is not cut inside a character", function()
    local message = message_of(function() return cr.ones(1)["x" .. ("ä"):rep(100)] end)
    assert.truthy(utf8.len(message))
  end)
end)
