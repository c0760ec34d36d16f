-- streams.lua: programs on several streams, each right if and only if its waits are there.
--
-- cuda_streams_spec.lua runs them on the device at hand and, on an emulated one, in processes of their own
-- in every order of work that CUDA allows. A program raises an error if its numbers are wrong.

local cr = require "cresset"

local N = 1500 -- elements: several blocks of a kernel

local M = {}

local function all(t, want, what)
  local got = t:cpu()
  if not got:eq(want):all():item() then
    error(("%s: expected %g everywhere, got %s"):format(what or "result", want, tostring(got:reshape(-1)[1])), 2)
  end
end

local function full(n, device) return cr.full({ N }, n, { device = device or "cuda" }) end

-- What s gets from now on comes after what the other stream has got.
local function after(s, other)
  local e = cr.cuda.Event { timing = false }
  e:record(other)
  e:wait(s)
end

M["a consumer waits for its producer by an event"] = function()
  local main, s = cr.cuda.current_stream(), cr.cuda.Stream()
  local x = cr.cuda.stream(s, function()
    local x = full(1.0)
    for _ = 1, 5 do x = x + 1 end
    return x
  end)
  after(main, s)
  local y = x * 2
  x:record_stream(main)
  all(y, 12)
end

M["two streams take turns on one tensor"] = function()
  local s, t = cr.cuda.Stream(), cr.cuda.Stream { high_priority = true }
  local x = full(0.0)
  after(s, cr.cuda.current_stream())
  for _ = 1, 6 do
    cr.cuda.stream(s, function() x:add_(1) end)
    after(t, s)
    cr.cuda.stream(t, function() x:mul_(2) end)
    after(s, t)
  end
  s:synchronize()
  all(x, 126)
end

M["a tensor that is freed while another stream works with it keeps its numbers"] = function()
  local main, s, kept = cr.cuda.current_stream(), cr.cuda.Stream(), {}
  for i = 1, 8 do
    local x = full(i)
    after(s, main)
    kept[i] = cr.cuda.stream(s, function() return x * 3 end)
    x:record_stream(s)
    x:close()
    full(-1.0):close() -- takes freed memory, if there is some
  end
  s:synchronize()
  for i = 1, 8 do all(kept[i], 3 * i) end
end

M["many streams work with one tensor, which is freed before they are done"] = function()
  local main, list, kept = cr.cuda.current_stream(), {}, {}
  local x = full(7.0)
  for i = 1, 7 do
    list[i] = cr.cuda.Stream()
    after(list[i], main)
    kept[i] = cr.cuda.stream(list[i], function() return x * i end)
    x:record_stream(list[i])
  end
  x:close()
  full(-1.0):close()
  cr.cuda.synchronize()
  for i = 1, 7 do all(kept[i], 7 * i) end
end

M["a stream that is dropped leaves its work to be done"] = function()
  local kept = {}
  for i = 1, 8 do
    kept[i] = cr.cuda.stream(cr.cuda.Stream(), function()
      local x = full(i)
      for _ = 1, 3 do x = x + 1 end
      return x
    end)
    collectgarbage()
    collectgarbage()
  end
  cr.cuda.synchronize()
  for i = 1, 8 do all(kept[i], i + 3) end
end

M["pinned memory is read once the copy to it is done"] = function()
  local s, e = cr.cuda.Stream(), cr.cuda.Event()
  local back = cr.zeros(N):pin_memory()
  local x = cr.cuda.stream(s, function()
    local x = full(2.0) * 4
    back:copy_queued_(x)
    e:record()
    return x
  end)
  e:synchronize()
  all(back, 8)
  all(x, 8)
end

M["pinned memory that is freed at once has been copied all the same"] = function()
  local s, x = cr.cuda.Stream(), full(0.0)
  after(s, cr.cuda.current_stream())
  cr.cuda.stream(s, function()
    for i = 1, 4 do
      local from = cr.full({ N }, i * 1.0):pin_memory()
      local last = cr.zeros({ N }, { device = "cuda" })
      last:copy_queued_(from)
      from:close()
      cr.full({ N }, -1.0):pin_memory():close()
      x:add_(last)
    end
  end)
  s:synchronize()
  all(x, 10)
end

M["memory of the host may change as soon as a copy from it returns"] = function()
  local s = cr.cuda.Stream()
  local from, sum = cr.zeros(N), nil
  cr.cuda.stream(s, function()
    sum = full(0.0)
    for i = 1, 5 do
      from:fill_(i)
      sum:add_(from:to "cuda")
    end
  end)
  s:synchronize()
  all(sum, 15)
end

M["backward follows its forward on one stream"] = function()
  local s = cr.cuda.Stream()
  local w = full(1.0):requires_grad_()
  after(s, cr.cuda.current_stream())
  for _ = 1, 3 do
    cr.cuda.stream(s, function()
      local loss = ((w * 2):pow(2) + w:exp() * 0):sum()
      loss:backward()
      cr.no_grad(function() w:sub_(w.grad * 0.0625) end)
      w.grad = nil
    end)
  end
  after(cr.cuda.current_stream(), s)
  all(w, 0.125)
end

M["backward runs where its forward ran, whoever calls it"] = function()
  local main, s, t = cr.cuda.current_stream(), cr.cuda.Stream(), cr.cuda.Stream()
  local w = full(1.0):requires_grad_()
  for _ = 1, 3 do
    after(s, main)
    after(t, main)
    local a = cr.cuda.stream(s, function() return (w * 2):pow(2) end)
    local b = cr.cuda.stream(t, function() return (w * 3):exp() * 0 + w end)
    after(main, s)
    after(main, t)
    a:record_stream(main)
    b:record_stream(main)
    local loss = (a + b - w):sum()
    loss:backward()
    assert(cr.cuda.current_stream() == main)
    cr.no_grad(function() w:sub_(w.grad * 0.0625) end)
    w.grad = nil
  end
  all(w, 0.125)
end

M["a Function's backward runs where its forward ran"] = function()
  local main, s, seen = cr.cuda.current_stream(), cr.cuda.Stream(), nil
  local double = cr.Function {
    name = "double",
    forward = function(_, x) return x * 2 end,
    backward = function(_, g)
      seen = cr.cuda.current_stream()
      return g * 2
    end,
  }
  local x = full(1.0):requires_grad_()
  after(s, main)
  local y = cr.cuda.stream(s, function() return double(x) end)
  after(main, s);
  (y * 3):sum():backward()
  assert(seen == s and cr.cuda.current_stream() == main)
  all(x.grad, 6)
end

M["a graph runs among the work of the stream that it is launched on"] = function()
  local main, s = cr.cuda.current_stream(), cr.cuda.Stream()
  local x, seen = full(1.0), {}
  local step = cr.cuda.graph(function() return x * 2 + 1 end)
  for i = 1, 4 do
    x:fill_(i)
    after(s, main)
    cr.cuda.stream(s, function() seen[i] = step() + 0 end)
    after(main, s)
  end
  s:synchronize()
  for i = 1, 4 do all(seen[i], 2 * i + 1) end
end

M["a large product and sums use memory of their own for a while, on two streams at a time"] = function()
  local s, t, kept = cr.cuda.Stream(), cr.cuda.Stream(), {}
  for i = 1, 4 do
    for j, stream in ipairs { s, t } do
      kept[#kept + 1] = cr.cuda.stream(stream, function()
        local a = cr.full({ 3, 5000 }, (i + j) * 1.0, { device = "cuda" })
        return a:matmul(cr.ones({ 5000 }, { device = "cuda" })):sum() + a:cumsum(2):max()
      end)
    end
  end
  cr.cuda.synchronize()
  for i = 1, 8 do all(kept[i], ((i + 1) // 2 + (i + 1) % 2 + 1) * 20000) end
end

-- Where there are two devices.
M.pairs = {}

M.pairs["a copy comes after the work of both devices, and before what follows"] = function()
  local here, there = cr.cuda.Stream { device = 0 }, cr.cuda.Stream { device = 1 }
  local _ <close> = cr.cuda.stream(here)
  local _ <close> = cr.cuda.stream(there)
  cr.cuda.set_device(0)
  local x, y = full(1.0, "cuda:0"), full(-1.0, "cuda:1")
  for i = 1, 4 do
    x:add_(1)
    y:mul_(3)
    y:copy_(x)
    x:zero_():add_(i)
    y:add_(10)
  end
  local z = y:to "cuda:0"
  y:fill_(7)
  all(z, 14)
  all(x, 4)
  all(y, 7)
end

M.pairs["gradients cross devices behind the work that makes them"] = function()
  local here, there = cr.cuda.Stream { device = 0 }, cr.cuda.Stream { device = 1 }
  local _ <close> = cr.cuda.stream(here)
  local _ <close> = cr.cuda.stream(there)
  cr.cuda.set_device(0)
  local x = full(3.0, "cuda:0"):requires_grad_();
  ((x * 2):to "cuda:1" * full(4.0, "cuda:1")):sum():backward()
  all(x.grad, 8)
end

-- Programs that lack a wait.
M.wrong = {}

M.wrong["a consumer that does not wait"] = function()
  local x = cr.cuda.stream(cr.cuda.Stream(), function() return full(1.0) end)
  all(x + 1, 2)
end

M.wrong["a tensor that is freed while a stream which nobody told of works with it"] = function()
  local main, s = cr.cuda.current_stream(), cr.cuda.Stream()
  local x = full(5.0)
  after(s, main)
  local y = cr.cuda.stream(s, function() return x * 3 end)
  x:close()
  main:synchronize()
  s:synchronize()
  all(y, 15)
end

M.wrong["pinned memory that is read too early"] = function()
  local back = cr.zeros(N):pin_memory()
  back:copy_queued_(full(2.0))
  all(back, 2)
end

-- The names of programs, in order.
function M.names(programs)
  local names = {}
  for name, f in pairs(programs) do
    if type(f) == "function" and name:find " " then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- Runs all programs that are right, or those that lack a wait; returns the names of those that failed.
function M.failures(wrong)
  local failed = {}
  for _, programs in ipairs(wrong and { M.wrong } or { M, M.pairs }) do
    for _, name in ipairs(M.names(programs)) do
      local ok, message = pcall(programs[name])
      if not ok then failed[#failed + 1] = name .. ": " .. tostring(message) end
    end
  end
  return failed
end

return M
