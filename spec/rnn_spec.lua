-- rnn_spec.lua: recurrent layers: that a call is one node, dropout, packed sequences, threads, tails, and what they
-- refuse.
--
-- What PyTorch gives is recorded (spec/oracle); here stands what it does not tell.

local cr = require "cresset"
local values = require "spec.support.values"

local gates = { rnn_tanh = 1, rnn_relu = 1, lstm = 4, gru = 3 }
local kinds = { "rnn_tanh", "rnn_relu", "lstm", "gru" }

local function uniform(shape, dtype)
  return (cr.rand(shape, { dtype = dtype or "float64" }) * 2 - 1):to(values.device)
end

-- The parameters of a call, with these options: layers, both, biases, shown (of a projection), dtype.
local function weights(kind, width, hidden, o)
  local list, g, out, n = {}, gates[kind] * hidden, o.shown or hidden, o.both and 2 or 1
  for l = 1, o.layers or 1 do
    for _ = 1, n do
      list[#list + 1] = uniform({ g, l == 1 and width or n * out }, o.dtype)
      list[#list + 1] = uniform({ g, out }, o.dtype)
      if o.biases ~= false then
        list[#list + 1] = uniform({ g }, o.dtype)
        list[#list + 1] = uniform({ g }, o.dtype)
      end
      if o.shown then list[#list + 1] = uniform({ o.shown, hidden }, o.dtype) end
    end
  end
  return list
end

local function run(kind, x, hx, params, o)
  return cr[kind](x, hx, params, { has_biases = o.biases ~= false, num_layers = o.layers or 1, dropout = o.dropout or 0,
    train = o.train or false, bidirectional = o.both or false, batch_first = o.batch_first or false,
    batch_sizes = o.batch_sizes })
end

local function states(kind, ...)
  local h = uniform { ... }
  return kind == "lstm" and { h, uniform { ... } } or h
end

local function close(a, b, tolerance)
  assert.same({ table.unpack(a.shape) }, { table.unpack(b.shape) })
  assert.is_true(cr.allclose(a:double(), b:double(), { rtol = tolerance or 1e-12, atol = tolerance or 1e-12 }))
end

local function require_grads(list)
  for _, t in ipairs(list) do t:requires_grad_() end
  return list
end

describe("a recurrent layer", function()
  before_each(function() cr.manual_seed(7) end)

  it("is one node, whose gradients go straight to the arguments", function()
    for _, kind in ipairs(kinds) do
      local x, params = uniform { 3, 2, 4 }, weights(kind, 4, 5, { layers = 2, both = true })
      require_grads(params)
      x:requires_grad_()
      local y, h = run(kind, x, states(kind, 4, 3, 5), params, { layers = 2, both = true, batch_first = true })
      local leaves = 0
      for _, edge in ipairs(y.grad_fn.next_functions) do
        if edge[1] and edge[1]:name() == "AccumulateGrad" then leaves = leaves + 1 end
      end
      assert.equal(#params + 1, leaves)
      assert.equal(y.grad_fn:name(), h.grad_fn:name())
    end
  end)

  it("gives the states of a direction one after the other, as its cell does", function()
    for _, kind in ipairs(kinds) do
      local x, params, hx = uniform { 4, 3, 2 }, weights(kind, 2, 5, {}), states(kind, 1, 3, 5)
      local y, h, c = run(kind, x, hx, params, {})
      local s = kind == "lstm" and { hx[1][1], hx[2][1] } or hx[1]
      for t = 1, 4 do
        local a, b = cr[kind .. "_cell"](x[t], s, table.unpack(params))
        s = kind == "lstm" and { a, b } or a
        close(y[t], a)
      end
      close(h[1], kind == "lstm" and s[1] or s)
      if c then close(c[1], s[2]) end
    end
  end)

  it("goes backwards as it would go forwards over what is turned around", function()
    for _, kind in ipairs(kinds) do
      local x, both = uniform { 4, 3, 2 }, weights(kind, 2, 5, { both = true })
      local y, h = run(kind, x, nil, both, { both = true })
      local one, last = run(kind, x:flip(1), nil, { table.unpack(both, 5) }, {})
      close(y:narrow(3, 6, 5), one:flip(1))
      close(h[2], last[1])
    end
  end)

  it("treats each packed sequence as if it were alone", function()
    for _, kind in ipairs(kinds) do
      local o = { layers = 2, both = true }
      local params = require_grads(weights(kind, 3, 6, o))
      local lengths, parts, rows = { 5, 3, 3, 1 }, {}, {}
      for i, n in ipairs(lengths) do parts[i] = uniform({ n, 3 }):requires_grad_() end
      for t = 1, 5 do
        for i, n in ipairs(lengths) do
          if t <= n then rows[#rows + 1] = parts[i]:narrow(1, t, 1) end
        end
      end
      o.batch_sizes = cr.tensor { 4, 3, 3, 1, 1 }
      local y, h = run(kind, cr.cat(rows), nil, params, o)
      o.batch_sizes = nil
      local loss, alone, row = (y:square():sum() + h:sin():sum()), 0, { 0, 4, 7, 10, 11 }
      for i, n in ipairs(lengths) do
        local z, last = run(kind, parts[i]:unsqueeze(2), nil, params, o)
        for t = 1, n do close(y[row[t] + i], z[t][1]) end
        close(h:select(2, i), last:select(2, 1))
        alone = alone + z:square():sum() + last:sin():sum()
      end
      local all = { table.unpack(params) }
      table.move(parts, 1, #parts, #all + 1, all)
      local a, b = { cr.grad(loss, all) }, { cr.grad(alone, all) }
      for i = 1, #all do close(a[i], b[i], 1e-10) end
    end
  end)

  it("gives the same without a batch, and with the batch first", function()
    for _, kind in ipairs(kinds) do
      local x, params = uniform { 4, 1, 2 }, weights(kind, 2, 3, {})
      local y, h = run(kind, x, nil, params, {})
      local z, last = run(kind, x:squeeze(2), nil, params, {})
      close(y:squeeze(2), z)
      close(h:squeeze(2), last)
      close(y:transpose(1, 2), (run(kind, x:transpose(1, 2), nil, params, { batch_first = true })))
    end
  end)

  it("reads arguments of any layout", function()
    for _, kind in ipairs(kinds) do
      local x, params = uniform { 3, 8, 4 }, weights(kind, 2, 3, {})
      local odd = {}
      for i, p in ipairs(params) do
        odd[i] = p:dim() == 2 and p:t():contiguous():t() or cr.stack({ p, p }, 2):select(2, 1)
      end
      local thin = x:narrow(2, 2, 6):transpose(1, 2)[{ {}, {}, { 1, 4, 2 } }]
      local hx = uniform({ 1, 1, 3 }):expand(1, 3, 3)
      if kind == "lstm" then hx = { hx, hx } end
      local solid = kind == "lstm" and { hx[1]:contiguous(), hx[2]:contiguous() } or hx:contiguous()
      local a, b = { run(kind, thin, hx, odd, {}) }, { run(kind, thin:contiguous(), solid, params, {}) }
      for i = 1, #b do close(a[i], b[i]) end
    end
  end)

  it("keeps nothing that a later write to its output could spoil", function()
    for _, kind in ipairs(kinds) do
      local x, params = uniform({ 3, 2, 2 }):requires_grad_(), weights(kind, 2, 3, {})
      local y = run(kind, x, nil, params, {})
      local want = cr.grad(y:sum(), x, { retain_graph = true })
      y:mul_(3)
      close(cr.grad(y:sum(), x), want * 3)
    end
  end)

  it("refuses to go back with weights that were written to since", function()
    local x, params = uniform({ 3, 2, 2 }):requires_grad_(), weights("lstm", 2, 3, {})
    local y = run("lstm", x, nil, params, {})
    params[2]:add_(1)
    local ok, message = pcall(cr.grad, y:sum(), x)
    assert.is_false(ok)
    assert.truthy(message:find("modified in place", 1, true))
  end)

  it("has slopes where gates are as good as shut", function()
    local x = cr.tensor({ { { 30.0 } } }, { dtype = "float64", device = values.device }):requires_grad_()
    local one = cr.ones({ 1, 1 }, { dtype = "float64", device = values.device })
    local y = cr.rnn_tanh(x, nil, { one, one }, { has_biases = false })
    -- 1 / cosh(30)^2, to 26 digits
    local slope = cr.grad(y:sum(), x):item()
    assert.is_true(math.abs(slope / (4 * math.exp(-60)) - 1) < 1e-12)
  end)

  it("gives bits that depend neither on threads nor on who shares a batch", function()
    local before, on_cpu = cr.get_num_threads(), values.device == "cpu"
    for _, kind in ipairs { "lstm", "gru" } do
      for _, batch in ipairs(on_cpu and { 1, 3, 40 } or { 3 }) do -- a device has no threads of ours
        local steps, hidden = on_cpu and 12 or 3, on_cpu and 150 or 20
        local x = uniform({ steps, batch, 70 }, "float32"):requires_grad_()
        local params = require_grads(weights(kind, 70, hidden, { layers = 2, both = true, dtype = "float32" }))
        local all, first = { x, table.unpack(params) }, nil
        for threads = 1, 3 do
          cr.set_num_threads(threads)
          local y, h = run(kind, x, nil, params, { layers = 2, both = true })
          local found = { y, h, cr.grad(y:sum() + h:sin():sum(), all) }
          for i, t in ipairs(first or {}) do assert.is_true(cr.equal(t, found[i])) end
          first = first or found
        end
      end
    end
    cr.set_num_threads(before)
  end)

  it("works with 16-bit floats as with float32, rounded once", function()
    for _, kind in ipairs(kinds) do
      for _, dtype in ipairs { "float16", "bfloat16" } do
        local o = { layers = 2, both = true }
        local x, params = uniform({ 5, 2, 3 }):to(dtype), weights(kind, 3, 4, o)
        local narrow, wide = {}, {}
        for i, p in ipairs(params) do narrow[i] = p:to(dtype) wide[i] = narrow[i]:float() end
        local y, h = run(kind, x, nil, narrow, o)
        local z, last = run(kind, x:float(), nil, wide, o)
        assert.equal(dtype, y.dtype)
        assert.is_true(cr.equal(y, z:to(dtype)))
        assert.is_true(cr.equal(h, last:to(dtype)))
      end
    end
  end)
end)

describe("dropout between recurrent layers", function()
  local function two_layers(kind, x, params, p)
    local n = #params // 2
    local first = run(kind, x, nil, { table.unpack(params, 1, n) }, {})
    return run(kind, cr.dropout(first, p, true), nil, { table.unpack(params, n + 1) }, {})
  end

  it("is what cr.dropout does to the output of a layer, forward and backward", function()
    for _, kind in ipairs(kinds) do
      for _, p in ipairs { 0.4, 1.0 } do
        local x = uniform({ 6, 3, 4 }):requires_grad_()
        local params = require_grads(weights(kind, 4, 5, { layers = 2 }))
        local all = { x, table.unpack(params) }
        cr.manual_seed(3)
        local y = run(kind, x, nil, params, { layers = 2, dropout = p, train = true })
        local after = cr.rand(1):item()
        cr.manual_seed(3)
        local z = two_layers(kind, x, params, p)
        close(y, z)
        assert.equal(cr.rand(1):item(), after)
        local a, b = { cr.grad(y:square():sum(), all) }, { cr.grad(z:square():sum(), all) }
        for i = 1, #all do close(a[i], b[i], 1e-10) end
      end
    end
  end)

  it("has second derivatives with the same elements dropped", function()
    local x = uniform({ 3, 2, 2 }):requires_grad_()
    local params = require_grads(weights("gru", 2, 2, { layers = 2 }))
    assert.is_true(cr.gradgradcheck(function(...)
      local list = { ... }
      cr.manual_seed(11)
      return (run("gru", list[1], nil, { table.unpack(list, 2) }, { layers = 2, dropout = 0.5, train = true }))
    end, { x, table.unpack(params) }))
  end)

  it("draws nothing outside of training, for one layer, or for a call that is refused", function()
    local x, params = uniform { 3, 2, 4 }, weights("lstm", 4, 5, { layers = 2 })
    local function draws(f)
      cr.manual_seed(5)
      pcall(f)
      local after = cr.rand(1):item()
      cr.manual_seed(5)
      return after ~= cr.rand(1):item()
    end
    assert.is_true(draws(function() run("lstm", x, nil, params, { layers = 2, dropout = 0.5, train = true }) end))
    assert.is_false(draws(function() run("lstm", x, nil, params, { layers = 2, dropout = 0.5 }) end))
    assert.is_false(draws(function()
      run("lstm", x, nil, { table.unpack(params, 1, 4) }, { dropout = 0.5, train = true })
    end))
    assert.is_false(draws(function()
      run("lstm", x, x, params, { layers = 2, dropout = 0.5, train = true })
    end))
  end)
end)

describe("a recurrent layer's derivative of a derivative", function()
  it("is there for states, weights and projections, of packed sequences too", function()
    cr.manual_seed(2)
    local o = { both = true, shown = 1, batch_sizes = cr.tensor { 2, 1 } }
    local x, params, hx = uniform { 3, 2 }, weights("lstm", 2, 2, o), { uniform { 2, 2, 1 }, uniform { 2, 2, 2 } }
    local all = require_grads { x, hx[1], hx[2], table.unpack(params) }
    assert.is_true(cr.gradgradcheck(function(a, h, c, ...)
      return run("lstm", a, { h, c }, { ... }, o)
    end, all))
  end)

  it("does not pass from one argument to another that is made of it", function()
    cr.manual_seed(4)
    local w = uniform({ 3, 3 }):requires_grad_()
    local x = uniform { 2, 1, 3 }
    local function f(v)
      return (cr.rnn_tanh(x, (v:sum(1) * 0.3):view(1, 1, 3), { v, v * 0.5 }, { has_biases = false }))
    end
    assert.is_true(cr.gradcheck(f, { w }))
    assert.is_true(cr.gradgradcheck(f, { w }))
  end)
end)

describe("a recurrent layer refuses", function()
  local x, h = cr.zeros(4, 2, 3), cr.zeros(1, 2, 5)
  local lstm = { cr.zeros(20, 3), cr.zeros(20, 5), cr.zeros(20), cr.zeros(20) }
  local gru = { cr.zeros(15, 3), cr.zeros(15, 5), cr.zeros(15), cr.zeros(15) }

  local function but(list, i, t)
    local new = { table.unpack(list) }
    new[i] = t
    return new
  end

  local function fails(f, ...)
    local ok, message = pcall(f)
    assert.is_false(ok)
    for _, part in ipairs { ... } do
      if not message:find(part, 1, true) then error(("'%s' lacks '%s'"):format(message, part)) end
    end
  end

  it("an input of another rank or dtype, or without steps", function()
    fails(function() cr.lstm(cr.zeros(3), nil, lstm) end, "lstm: input has shape 3", "time x batch x features")
    fails(function() cr.gru(cr.zeros(1, 2, 3, 4), nil, gru, { batch_first = true }) end, "gru: input has shape 1x2x3x4",
      "batch x time x features")
    fails(function() cr.gru(x:long(), nil, gru) end, "gru", "int64")
    fails(function() cr.gru(cr.zeros(0, 2, 3), nil, gru) end, "gru: input of shape 0 x 2 x 3 has no steps")
    fails(function() cr.lstm(x, nil, lstm, { batch_sizes = cr.tensor { 4, 4 } }) end, "input has shape 4x2x3",
      "rows x features")
  end)

  it("a weight of a wrong shape, which it names", function()
    fails(function() cr.lstm(x, nil, but(lstm, 1, cr.zeros(20, 4))) end,
      "lstm: params[1], the weight_ih of layer 1, has shape 20x4; expected 20x3")
    fails(function() cr.lstm(x, nil, but(lstm, 2, cr.zeros(19, 5))) end,
      "params[2], the weight_hh of layer 1, has shape 19x5; expected 4 x H rows")
    fails(function() cr.lstm(x, nil, but(lstm, 2, cr.zeros(20, 6))) end,
      "params[2], the weight_hh of layer 1, has shape 20x6; expected 20x5")
    fails(function() cr.gru(x, nil, but(gru, 4, cr.zeros(5))) end,
      "gru: params[4], the bias_hh of layer 1, has shape 5; expected 15")
    local both = { table.unpack(gru) }
    for i = 1, 4 do both[4 + i] = gru[i] end
    fails(function() cr.gru(x, nil, both, { num_layers = 2 }) end,
      "params[5], the weight_ih of layer 2, has shape 15x3; expected 15x5")
    fails(function() cr.gru(x, nil, but(both, 6, cr.zeros(3, 5)), { bidirectional = true }) end,
      "params[6], the weight_hh of layer 1 backwards, has shape 3x5; expected 15x5")
    local projected = { lstm[1], cr.zeros(20, 2), lstm[3], lstm[4], cr.zeros(2, 4) }
    fails(function() cr.lstm(x, nil, projected) end,
      "params[5], the weight_hr of layer 1, has shape 2x4; expected 2x5")
  end)

  it("weights of another number or dtype", function()
    fails(function() cr.gru(x, nil, { gru[1] }) end, "gru: params has 1 tensors", "4 for each direction of each layer")
    fails(function() cr.lstm(x, nil, lstm, { num_layers = 3 }) end, "params has 4 tensors; 3 layers",
      "or 5 with projections")
    fails(function() cr.gru(x, nil, gru, { num_layers = 0 }) end, "num_layers must be at least 1, got 0")
    fails(function() cr.gru(x, nil, gru, { has_biases = false }) end, "params has 4 tensors", "without biases",
      "have 2")
    fails(function() cr.gru(x, nil, but(gru, 3, cr.zeros({ 15 }, { dtype = "float64" }))) end,
      "params[3], the bias_ih of layer 1, is float64 and input is float32")
  end)

  it("states of another shape, number or dtype", function()
    fails(function() cr.gru(x, cr.zeros(1, 3, 5), gru) end, "gru: hx has shape 1x3x5; expected 1x2x5")
    fails(function() cr.gru(cr.zeros(4, 3), h, gru) end, "hx has shape 1x2x5; expected 1x5")
    fails(function() cr.lstm(x, { h, cr.zeros(1, 2, 4) }, lstm) end, "hx[2], the cell, has shape 1x2x4; expected 1x2x5")
    fails(function() cr.lstm(x, { h:double(), h }, lstm) end, "hx[1], the state, is float64")
    fails(function() cr.lstm(x, { h }, lstm) end, "hx must be two tensors, state and cell, got 1")
  end)

  it("a dropout that is no probability", function()
    fails(function() cr.gru(x, nil, gru, { dropout = 1.5 }) end, "gru: dropout is a probability", "1.5")
    fails(function() cr.gru(x, nil, gru, { dropout = 0 / 0 }) end, "gru: dropout is a probability")
  end)

  it("batch_sizes that are none", function()
    local rows = cr.zeros(5, 3)
    local function packed(sizes) return function() cr.gru(rows, nil, gru, { batch_sizes = sizes }) end end
    fails(packed(cr.tensor { 2.0, 2.0, 1.0 }), "gru: batch_sizes must be an int64 vector", "float32")
    fails(packed(cr.tensor { 2, 3 }), "batch_sizes must not grow and be at least 1, got 3 at step 2")
    fails(packed(cr.tensor { 5, 0 }), "got 0 at step 2")
    fails(packed(cr.tensor { 2, 2 }), "batch_sizes does not add up to the 5 rows of input")
    fails(packed(cr.tensor { 3, 3 }), "batch_sizes does not add up to the 5 rows of input")
    fails(packed(cr.zeros({ 0 }, { dtype = "int64" })), "batch_sizes must be an int64 vector")
  end)

  it("arguments of a cell that do not fit", function()
    local w, u, s = cr.zeros(20, 3), cr.zeros(20, 5), cr.zeros(2, 5)
    fails(function() cr.lstm_cell(cr.zeros(1, 2, 3), { s, s }, w, u) end, "lstm_cell: input has shape 1x2x3",
      "batch x features")
    fails(function() cr.lstm_cell(x[1], { s }, w, u) end, "hx must be two tensors")
    fails(function() cr.lstm_cell(x[1], { s, s }, cr.zeros(20, 4), u) end, "w_ih has shape 20x4; expected 20x3")
    fails(function() cr.lstm_cell(x[1], { s, s }, w, cr.zeros(19, 5)) end, "w_hh has shape 19x5; expected 4 x H rows")
    fails(function() cr.lstm_cell(x[1], { s, s }, w, u, cr.zeros(5)) end, "b_ih has shape 5; expected 20")
    fails(function() cr.gru_cell(x[1], cr.zeros(3, 5), gru[1], gru[2]) end, "gru_cell: hx has shape 3x5; expected 2x5")
    fails(function() cr.gru_cell(x[1], s, gru[1], gru[2], nil, gru[3]:double()) end, "b_hh is float64")
  end)
end)
