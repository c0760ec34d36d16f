-- loader_spec.lua: the loader: batches, orders, positions, and its worker threads.

local cr = require "cresset"
local shell = require "spec.support.shell"
local refuses = require "spec.support.refuses".words

local data = cr.data
local x, y = cr.arange(0, 20):view(10, 2), cr.arange(1, 11)
local set = data.TensorDataset(x, y)

-- The second values of the batches of a pass, as one text.
local function pass(loader)
  local parts = {}
  for _, b in loader do parts[#parts + 1] = table.concat(b:totable(), " ") end
  return table.concat(parts, ", ")
end

local function threads()
  collectgarbage()
  collectgarbage()
  local n = 0
  for _ in io.popen("ls /proc/$PPID/task"):lines() do n = n + 1 end
  return n
end

describe("a loader", function()
  it("gives batches in order, the last one smaller or left out", function()
    local loader = data.Loader(set, { batch_size = 4 })
    assert.equal("1 2 3 4, 5 6 7 8, 9 10", pass(loader))
    assert.equal(3, #loader)
    loader = data.Loader(set, { batch_size = 4, drop_last = true })
    assert.equal("1 2 3 4, 5 6 7 8", pass(loader))
    assert.equal(2, #loader)
  end)

  it("gives copies, which may be written to", function()
    for a in data.Loader(set, { batch_size = 4 }) do a:zero_() end
    assert.equal(19, x[10][2]:item())
  end)

  it("shuffles by its seed and the number of the pass alone", function()
    local function both(options)
      options.batch_size, options.shuffle, options.seed = 3, true, 7
      local loader = data.Loader(set, options)
      return { pass(loader), pass(loader) }
    end
    local here = both {}
    assert.not_equal(here[1], here[2])
    cr.rand(5)
    assert.same(here, both {})
    assert.same(here, both { num_workers = 2 })
    assert.same(here, both { num_workers = 3, prefetch_factor = 1 })
    assert.not_same(here[1], pass(data.Loader(set, { batch_size = 3, shuffle = true, seed = 8 })))
  end)

  it("leaves the random generator alone where it has a seed", function()
    cr.manual_seed(4)
    local expected = cr.rand(1):item()
    cr.manual_seed(4)
    pass(data.Loader(set, { shuffle = true, seed = 1, transform = function(a, b) return a + cr.rand(1), b end }))
    assert.equal(expected, cr.rand(1):item())
  end)

  it("takes no samples of an empty set", function()
    local empty = data.TensorDataset(cr.zeros(0, 2), cr.zeros(0))
    for _, workers in ipairs { 0, 2 } do
      assert.equal("", pass(data.Loader(empty, { shuffle = true, num_workers = workers })))
    end
    assert.equal(0, #data.Loader(empty))
  end)

  it("takes samplers, lists of positions, and batches of them", function()
    assert.equal("3, 1", pass(data.Loader(set, { sampler = { 3, 1 } })))
    assert.equal("10 1, 5", pass(data.Loader(set, { batch_sampler = { { 10, 1 }, { 5 } } })))
    local turn = function(epoch) return { epoch } end
    local loader = data.Loader(set, { sampler = turn })
    assert.equal("1", pass(loader))
    assert.equal("2", pass(loader))
    refuses("position 11 is out of range", pass, data.Loader(set, { sampler = { 11 } }))
  end)

  it("gives samples by themselves where there is no batch size", function()
    local n = 0
    for a, b in data.Loader(set, { batch_size = false }) do
      n = n + 1
      assert.equal("2", tostring(a.shape))
      assert.equal(n, b:item())
    end
    assert.equal(10, n)
  end)

  it("makes batches by a function of the caller's", function()
    local loader = data.Loader({ "a", "bb", "ccc" }, { batch_size = 2, collate_fn = function(samples)
      return table.concat(samples, "+"), #samples
    end })
    local got = {}
    for text, n in loader do got[#got + 1] = text .. n end
    assert.same({ "a+bb2", "ccc1" }, got)
  end)

  it("may be nested, and left early", function()
    local loader, n = data.Loader(set, { batch_size = 5, num_workers = 1 }), 0
    for a in loader do
      for b in loader do
        n = n + 1
        if n % 2 == 1 then break end
        assert.equal(5, #a + #b - 5)
      end
    end
    assert.is_true(n >= 2)
  end)

  it("goes on where it was", function()
    for _, workers in ipairs { 0, 2 } do
      local options = { batch_size = 3, shuffle = true, seed = 5, num_workers = workers }
      local whole = data.Loader(set, options)
      local expected = { pass(whole), pass(whole) }
      local first, state, got = data.Loader(set, options), nil, {}
      for _, b in first do
        got[#got + 1] = table.concat(b:totable(), " ")
        if #got == 2 then state = first:state() break end
      end
      local second = data.Loader(set, { batch_size = 3, shuffle = true, num_workers = workers })
      second:load_state(state)
      assert.equal(expected[1], table.concat(got, ", ") .. ", " .. pass(second))
      assert.equal(expected[2], pass(second))
      assert.same({ seed = 5, epoch = 3, position = 0 }, second:state())
    end
  end)

  it("refuses what does not go together", function()
    refuses("there is no option 'shufle'", data.Loader, set, { shufle = true })
    refuses("sampler and shuffle cannot both be given", data.Loader, set, { sampler = { 1 }, shuffle = true })
    refuses("batch_sampler and batch_size", data.Loader, set, { batch_sampler = { { 1 } }, batch_size = 2 })
    refuses("batch_size must be an integer of at least 1, got 0", data.Loader, set, { batch_size = 0 })
    refuses("expected a dataset, got 'set'", data.Loader, "set")
    refuses("num_workers must be an integer", data.Loader, set, { num_workers = -1 })
  end)
end)

describe("an iterable set", function()
  local function numbers(worker, workers)
    local i = worker - workers
    return function()
      i = i + workers
      if i <= 7 then return i, i * 10 end
    end
  end
  local stream = data.IterableDataset(numbers)

  it("gives batches until its iterator ends", function()
    assert.equal("10 20 30, 40 50 60, 70", pass(data.Loader(stream, { batch_size = 3 })))
    assert.equal("10 20 30, 40 50 60", pass(data.Loader(stream, { batch_size = 3, drop_last = true })))
  end)

  it("is shared by workers, each of which has an iterator", function()
    assert.equal("10 30, 20 40, 50 70, 60", pass(data.Loader(stream, { batch_size = 2, num_workers = 2 })))
  end)

  it("has no length and no other order", function()
    refuses("has no length", function() return #data.Loader(stream) end)
    refuses("has an order of its own", data.Loader, stream, { shuffle = true })
    refuses("f must give an iterator", pass, data.Loader(data.IterableDataset(function() return 5 end)))
  end)
end)

describe("workers", function()
  it("see the memory of the owner's tensors", function()
    local shared = cr.zeros(4)
    local writer = data.TableDataset({ 1, 2, 3, 4 }):map(function(i)
      shared[i] = i * 1.5
      return i
    end)
    local n = 0
    for _ in data.Loader(writer, { num_workers = 2 }) do n = n + 1 end
    assert.equal(4, n)
    assert.same({ 1.5, 3, 4.5, 6 }, shared:totable())
  end)

  it("take functions with what they refer to, cycles and shared variables too", function()
    local count, tree = 0, { name = "root" }
    tree.self = tree
    local function bump() count = count + 1 end
    local sub, at = string.sub, math.floor
    local mapped = data.TableDataset({ "xaa", "xbb" }):map(function(s)
      bump()
      return sub(s, at(2.5)), tree.self.self.name, count >= 1
    end)
    local got = {}
    for a, b, c in data.Loader(mapped, { batch_size = 2, num_workers = 1 }) do got = { a, b, c } end
    assert.same({ { "aa", "bb" }, { "root", "root" } }, { got[1], got[2] })
    assert.same({ true, true }, got[3]:totable())
    assert.equal(0, count)
  end)

  it("draw what one thread would have drawn", function()
    local function noisy(workers)
      local sums = {}
      local loader = data.Loader(set:map(function(a, b) return a + cr.rand(2), b end),
        { batch_size = 3, seed = 2, num_workers = workers })
      for a in loader do sums[#sums + 1] = a:sum():item() end
      return sums
    end
    assert.same(noisy(0), noisy(2))
  end)

  it("give batches of any plain data", function()
    local loader = data.Loader({ "a", "b" }, { batch_size = 2, num_workers = 1, collate_fn = function(s)
      return { text = s[1] .. s[2], deep = { cr.ones(2), true, 2.5, [9] = "x" } }
    end })
    for batch in loader do
      assert.equal("ab", batch.text)
      assert.equal(2, batch.deep[1]:sum():item())
      assert.same({ true, 2.5, "x" }, { batch.deep[2], batch.deep[3], batch.deep[9] })
    end
  end)

  it("refuse what cannot cross, and say where it is", function()
    local file = io.tmpfile()
    local reads = set:map(function(a) return a, file end)
    refuses("the dataset.f's upvalue file is a userdata (FILE*), which cannot go to a worker", pass,
      data.Loader(reads, { num_workers = 1 }))
    refuses("is a coroutine", pass, data.Loader({ coroutine.create(print) }, { num_workers = 1 }))
    file:close()
  end)

  it("fail at the batch that failed, with their traceback, and end", function()
    local bad = set:map(function(a, b)
      if b:item() == 7 then error "seven is bad" end
      return a, b
    end)
    local before, seen = threads(), 0
    local ok, message = pcall(function()
      for _ in data.Loader(bad, { num_workers = 2 }) do seen = seen + 1 end
    end)
    assert.is_false(ok)
    assert.equal(6, seen)
    assert(message:find("Loader: worker 1 failed: .*seven is bad.*stack traceback.*loader_spec"), message)
    assert.equal(before, threads())
  end)

  it("end when their loop is left, by collection, by close and by scope", function()
    local before = threads()
    for _ in data.Loader(set, { num_workers = 2 }) do break end -- luacheck: ignore 512
    assert.equal(before, threads())
    local loader = data.Loader(set, { num_workers = 2 })
    for _ in loader do -- luacheck: ignore 512
      assert.equal(before + 2, threads())
      break
    end
    loader:close()
    assert.equal(before, threads())
    for _ in loader:iter() do break end -- luacheck: ignore 512
    assert.equal(before, threads())
    refuses("ended by close()", function()
      for _ in loader do loader:close() end
    end)
  end)

  it("give their memory back", function()
    local function go() pass(data.Loader(set, { batch_size = 2, num_workers = 2 })) end
    go()
    collectgarbage()
    collectgarbage()
    local before = cr.memory.stats().allocated
    for _ = 1, 5 do go() end
    collectgarbage()
    collectgarbage()
    assert.equal(before, cr.memory.stats().allocated)
  end)

  it("stop with the deadline of their owner", function()
    local slow = data.TableDataset({ 1 }):map(function() while true do end end)
    local start = cr.clock()
    cr.set_deadline(0.05)
    local ok, message = pcall(pass, data.Loader(slow, { num_workers = 1 }))
    cr.set_deadline(0)
    assert.is_false(ok)
    assert(message:find("deadline", 1, true), message)
    collectgarbage()
    collectgarbage()
    assert.is_true(cr.clock() - start < 60)
  end)

  it("end with the program, whatever they are doing", function()
    local script = os.tmpname()
    shell.write(script, [[
      local cr = require "cresset"
      local slow = cr.data.TableDataset({ 1, 2, 3 }):map(function(i) while i > 1 do end return i end)
      for _ in cr.data.Loader(slow, { num_workers = 2 }) do print "got" break end]])
    local text, status = shell.cresset(script)
    os.remove(script)
    assert.equal("got\n", text)
    assert.equal(0, status)
  end)
end)

describe("a set that each worker makes", function()
  it("comes from a module and its arguments", function()
    package.loaded["spec.support.squares"] = nil
    local squares = data.WorkerDataset("spec.support.squares", 5)
    assert.equal(5, #squares)
    assert.equal("1 4, 9 16, 25", pass(data.Loader(squares, { batch_size = 2, num_workers = 2 })))
    refuses("gave 5, not a dataset", function() return #data.WorkerDataset("spec.support.squares", "wrong") end)
  end)
end)
