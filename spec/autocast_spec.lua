-- autocast_spec.lua: cr.autocast: in which dtypes operations compute in its scopes, and that nothing else changes.

local cr = require "cresset"
local values = require "spec.support.values"

local fails, message_of = values.assert_fails, values.message_of
local device = values.device:match "^%a+"

local function made(shape, dtype, value)
  return cr.full(shape, value or 0.5, { dtype = dtype or "float32", device = values.device })
end

-- On the device of the specs in bfloat16.
local function autocast(...) return cr.autocast(device, { dtype = "bfloat16" }, ...) end

describe("autocast", function()
  it("gives PyTorch's dtypes on the CPU", function()
    local wrong = {}
    for _, case in ipairs(require "spec.oracle.autocast") do
      local name, lower, given, wanted = table.unpack(case)
      local args = {}
      for i, a in ipairs(given) do
        local is_tensor = type(a) == "table" and type(a[1]) == "string"
        args[i] = is_tensor and cr.full(a[2], 0.5, { dtype = a[1] }) or a == "positions" and cr.tensor { 1, 2 } or a
      end
      local ok, result = pcall(cr.autocast, "cpu", { dtype = lower },
        function() return (cr[name](table.unpack(args))) end)
      local got = ok and result.dtype or result
      if got ~= wanted then
        wrong[#wrong + 1] = ("%s in %s of %s: %s, not %s"):format(name, lower, tostring(args[1].dtype), got, wanted)
      end
    end
    assert.same({}, wrong)
  end)

  it("has PyTorch's lists on CUDA", function()
    if device ~= "cuda" then return end
    local x, w = made({ 2, 2 }), made({ 2, 2 })
    local half = x:half()
    cr.autocast("cuda", function()
      for _, name in ipairs { "mm", "matmul", "linear", "addmm" } do
        local args = name == "addmm" and { x, x, w } or { x, w }
        assert.equal("float16", cr[name](table.unpack(args)).dtype, name)
      end
      for _, name in ipairs { "exp", "log", "pow", "softplus", "rsqrt", "reciprocal", "tan", "sum", "norm", "prod" } do
        local result = name == "pow" and half ^ 2 or cr[name](half)
        assert.equal("float32", result.dtype, name)
      end
      assert.equal("float32", half:softmax(1).dtype)
      assert.equal("float16", half:softmax(1, { dtype = "float16" }).dtype)
      assert.equal("float32", cr.layer_norm(half, { 2 }).dtype)
      assert.equal("float32", half:cumsum(1).dtype)
      assert.equal("float32", cr.addcmul(half, half, x).dtype)
      assert.equal("float16", cr.addcmul(half, half, half).dtype)
      assert.equal("float16", cr.relu(half).dtype)
      fails(function() cr.binary_cross_entropy(half, half) end, "binary_cross_entropy: is unsafe under autocast",
        "binary_cross_entropy_with_logits")
    end)
  end)

  it("is on in its scope only, in either form", function()
    local x = made { 2, 2 }
    do
      local _ <close> = cr.autocast(device, { dtype = "bfloat16" })
      assert.equal("bfloat16", x:mm(x).dtype)
    end
    assert.equal("float32", x:mm(x).dtype)
    assert.equal("bfloat16", autocast(function(a) return a:mm(a) end, x).dtype)
    assert.equal("float32", x:mm(x).dtype)
    assert.is_false(pcall(autocast, error, "no"))
    assert.equal("float32", x:mm(x).dtype)
  end)

  it("has the dtype of the innermost scope, and none where that is off", function()
    local x = made { 2, 2 }
    autocast(function()
      assert.equal("float16", cr.autocast(device, { dtype = "float16" }, x.mm, x, x).dtype)
      assert.equal("bfloat16", x:mm(x).dtype)
      assert.equal("float32", cr.autocast(device, { enabled = false }, x.mm, x, x).dtype)
      assert.is_true(cr.is_autocast_enabled(device))
      assert.equal("bfloat16", cr.get_autocast_dtype(device))
    end)
    assert.is_false(cr.is_autocast_enabled(device))
  end)

  it("is for one kind of device: the other's tensors stay as they are", function()
    local x, other = made { 2, 2 }, device == "cpu" and "cuda" or "cpu"
    assert.equal("float32", cr.autocast(other, x.mm, x, x).dtype)
    cr.autocast("cuda", function() assert.equal("float16", cr.get_autocast_dtype "cuda") end)
    cr.autocast("cpu", function() assert.equal("bfloat16", cr.get_autocast_dtype "cpu") end)
  end)

  it("belongs to the coroutine that entered it", function()
    local x = made { 2, 2 }
    local co = coroutine.wrap(function()
      local _ <close> = cr.autocast(device, { dtype = "bfloat16" })
      coroutine.yield(x:mm(x).dtype)
      return x:mm(x).dtype
    end)
    assert.equal("bfloat16", co())
    assert.equal("float32", x:mm(x).dtype)
    assert.equal("bfloat16", co())
    assert.equal("float32", x:mm(x).dtype)
  end)

  it("does not cast what is written in place, nor float64, nor integers", function()
    local x, out = made { 2, 2 }, made { 2, 2 }
    autocast(function()
      out:addmm_(x, x)
      assert.equal("float32", out.dtype)
      values.assert_values(out, { { 1, 1 }, { 1, 1 } })
      local wide = made({ 2, 2 }, "float64")
      assert.equal("float64", wide:mm(wide).dtype)
    end)
  end)

  it("gives weights gradients of their own dtype", function()
    local w, x = made({ 3, 2 }):requires_grad_(), made({ 4, 2 })
    local loss = autocast(function() return cr.mse_loss(cr.linear(x, w), made { 4, 3 }) end)
    assert.equal("float32", loss.dtype)
    loss:backward()
    assert.equal("float32", w.grad.dtype)
    assert.same({ 3, 2 }, { w.grad:size(1), w.grad:size(2) })
  end)

  it("computes what the operation computes on arguments that were cast", function()
    local x, w, b = values.generate({ 5, 7 }, -2, 2, "float32", 1), values.generate({ 3, 7 }, -2, 2, "float32", 2),
      values.generate({ 3 }, -2, 2, "float32", 3)
    local got = autocast(cr.linear, x, w, b)
    assert.is_nil(values.tensors_differ(got, cr.linear(x:bfloat16(), w:bfloat16(), b:bfloat16()), 0, 0))
    local list = autocast(cr.cat, { x:bfloat16(), x })
    assert.is_nil(values.tensors_differ(list, cr.cat { x:bfloat16():float(), x }, 0, 0))
  end)

  it("runs backward in the dtypes of forward, also inside of its scope", function()
    local w = made({ 2, 2 }):requires_grad_()
    autocast(function()
      for _ = 1, 2 do -- the cast that is kept serves twice
        (made { 2, 2 }):mm(w):sum():backward()
      end
    end)
    values.assert_values(w.grad, { { 2, 2 }, { 2, 2 } })
  end)

  describe("keeps casts of weights", function()
    local function casts(w, options, f)
      options.dtype = "bfloat16"
      return cr.autocast(device, options, function()
        local x = made { 2, 2 }
        local a = x:mm(w)
        if f then f() end
        local b = x:mm(w)
        return a.grad_fn.next_functions[2][1], b.grad_fn.next_functions[2][1], b
      end)
    end

    it("until the outermost scope ends", function()
      local w = made({ 2, 2 }):requires_grad_()
      local a, b = casts(w, {})
      assert.equal(a, b)
      local c = casts(w, {})
      assert.is_false(rawequal(a, c))
      local d, e = casts(w, {}, function() cr.autocast(device, { dtype = "float16" }, type, 1) end)
      assert.equal(d, e)
    end)

    it("unless they are written, forgotten, or not to be kept", function()
      local w = made({ 2, 2 }):requires_grad_()
      local a, b, after = casts(w, {}, function() cr.no_grad(w.mul_, w, 2) end)
      assert.is_false(rawequal(a, b))
      assert.equal(1, after[{ 1, 1 }]:item())
      a, b = casts(w, {}, cr.clear_autocast_cache)
      assert.is_false(rawequal(a, b))
      a, b = casts(w, { cache_enabled = false })
      assert.is_false(rawequal(a, b))
    end)

    it("and does not hand out one made without gradients", function()
      local w, x = made({ 2, 2 }):requires_grad_(), made { 2, 2 }
      autocast(function()
        cr.no_grad(x.mm, x, w)
        x:mm(w):sum():backward()
      end)
      assert.is_true(cr.is_tensor(w.grad))
    end)
  end)

  it("leaves nothing behind where memory is out", function()
    local w, x = made({ 2, 2 }):requires_grad_(), made { 2, 2 }
    finally(function() cr.debug.fail_alloc(0) end)
    local failures = 0
    autocast(function()
      repeat
        cr.debug.fail_alloc(failures + 1)
        local ok, result = pcall(x.mm, x, w)
        cr.debug.fail_alloc(0)
        if ok then assert.equal("bfloat16", result.dtype) else failures = failures + 1 end
      until ok
    end)
    assert(failures > 2)
    assert.equal("float32", x:mm(w).dtype)
  end)

  it("holds again when a checkpoint computes again", function()
    for _, reentrant in ipairs { false, true } do
      local w, x = made({ 2, 2 }):requires_grad_(), made({ 2, 2 }):requires_grad_()
      local seen = {}
      local function f(a)
        local y = a:mm(w)
        seen[#seen + 1] = y.dtype
        return y:relu()
      end
      local y = autocast(cr.checkpoint, f, x, { use_reentrant = reentrant })
      y:float():sum():backward()
      assert.same({ "bfloat16", "bfloat16" }, seen)
      assert.equal("float32", w.grad.dtype)
    end
  end)

  it("refuses what it does not know in a sentence", function()
    local function refused(sentence, f, ...) assert.equal(sentence, message_of(f, ...)) end
    local wanted = 'autocast: the first argument must be a device ("cpu", "cuda" or "cuda:1"), got '
    refused(wanted .. "nil", cr.autocast, nil)
    refused(wanted .. 'the string "tpu"', cr.autocast, "tpu")
    refused('autocast: dtype must be "bfloat16" or "float16", got the string "float32"', cr.autocast, "cpu",
      { dtype = "float32" })
    refused("autocast: enabled must be true or false, got the number 1", cr.autocast, "cpu", { enabled = 1 })
    fails(function() cr.autocast("cpu", { dtipe = "float16" }) end, "autocast: ", "dtipe")
    refused("autocast: expected options or a function to call, got the number 5", cr.autocast, "cpu", 5)
    refused("autocast: expected a function to call, got the number 5", cr.autocast, "cpu", {}, 5)
  end)
end)

describe("a custom Function under autocast", function()
  it("computes both halves in the mode of the first", function()
    local seen = {}
    local F = cr.Function {
      name = "F",
      forward = cr.custom_fwd(function(ctx, a, b)
        ctx:save_for_backward(a, b)
        local y = a:mm(b)
        seen.forward = y.dtype
        return y
      end, { device_type = device }),
      backward = cr.custom_bwd(function(ctx, g)
        local a, b = ctx:saved_tensors()
        local ga, gb = g:mm(b:t()), a:t():mm(g)
        seen.backward = ga.dtype
        return ga, gb
      end, { device_type = device }),
    }
    local a, b = made({ 2, 2 }):requires_grad_(), made({ 2, 2 }):requires_grad_()
    local y = autocast(F, a, b)
    y:float():sum():backward()
    assert.same({ forward = "bfloat16", backward = "bfloat16" }, seen)
    assert.equal("float32", a.grad.dtype)
  end)

  it("gets its arguments in a dtype that it asks for, with autocast off", function()
    local seen = {}
    local F = cr.Function {
      name = "F",
      forward = cr.custom_fwd(function(_, a)
        seen[1], seen[2] = a.dtype, cr.is_autocast_enabled(device)
        return a * 2
      end, { device_type = device, cast_inputs = "float32" }),
      backward = cr.custom_bwd(function(_, g) return g * 2 end, { device_type = device }),
    }
    autocast(F, made({ 2 }, "bfloat16"))
    assert.same({ "float32", false }, seen)
    F(made({ 2 }, "bfloat16"))
    assert.same({ "bfloat16", false }, seen)
    fails(function() cr.custom_fwd(5) end, "custom_fwd: the half must be a function, got the number 5")
  end)
end)
