-- progress_spec.lua: what cr.progress shows on a terminal and elsewhere, and that it passes on, and ends, what it
-- walks over.

local cr = require "cresset"

-- A file that keeps what is written to it.
local function sink()
  local parts = {}
  return { write = function(_, ...) parts[#parts + 1] = table.concat { ... } end, flush = function() end,
    text = function() return table.concat(parts) end }
end

local function lines(out)
  local list = {}
  for line in out.text():gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

local function has(text, part) assert(text:find(part, 1, true), ("%q lacks %q"):format(text, part)) end

describe("cr.progress where there is no terminal", function()
  it("tells each tenth of the way in a line", function()
    local out = sink()
    for i in cr.progress(40, "count", { out = out }) do assert.is_true(i <= 40) end
    local list = lines(out)
    assert.equal(10, #list)
    has(list[1], "count   10 % 4/40")
    has(list[10], "count  100 % 40/40")
  end)

  it("tells every step of a few", function()
    local out = sink()
    for _ in cr.progress({ "a", "b", "c" }, "few", { out = out }) do end -- luacheck: ignore 542
    assert.equal(3, #lines(out))
  end)

  it("shows fields as they are when a step is over, NaN and infinities too", function()
    local out = sink()
    local bar = cr.progress(2, "epoch 1", { out = out, fields = { lr = 0.5 } })
    for i in bar do bar:set { loss = i == 1 and 0 / 0 or cr.tensor(1 / 0), step = i } end
    local list = lines(out)
    has(list[1], "loss NaN  lr 0.5  step 1")
    has(list[2], "loss inf  lr 0.5  step 2")
  end)

  it("tells where a loop was left", function()
    local out = sink()
    for i in cr.progress(100, "left", { out = out }) do
      if i == 5 then break end
    end
    assert.same(1, #lines(out))
    has(lines(out)[1], "5/100")
  end)

  it("counts what has no length", function()
    local out, i = sink(), 0
    for _ in cr.progress(function() -- luacheck: ignore 542
      i = i + 1
      if i <= 9 then return i end
    end, { out = out }) do end
    has(lines(out)[#lines(out)], "9  ")
    assert.is_nil(out.text():find("%", 1, true))
  end)
end)

describe("cr.progress on a terminal", function()
  it("draws one line again and again, and ends it", function()
    local out = sink()
    local bar = cr.progress(4, "epoch 1", { out = out, terminal = true, every = 0, width = 8 })
    for i in bar do bar:set { loss = i / 8 } end
    local drawn = {}
    for line in out.text():gmatch "\r([^\r]*)" do drawn[#drawn + 1] = line end
    has(drawn[1], "0 % ▕        ▏ 0/4")
    has(drawn[3], "50 % ▕████    ▏ 2/4")
    has(drawn[#drawn], "100 % ▕████████▏ 4/4")
    has(drawn[#drawn], "loss 0.5")
    assert.equal("\n", out.text():sub(-1))
    assert.equal(1, select(2, out.text():gsub("\n", "")))
  end)

  it("draws at most so often", function()
    local out = sink()
    for _ in cr.progress(10000, "fast", { out = out, terminal = true, every = 3600 }) do end -- luacheck: ignore 542
    assert.equal(2, select(2, out.text():gsub("\r", ""))) -- at the beginning and at the end
  end)
end)

describe("cr.progress", function()
  local set = cr.data.TensorDataset(cr.arange(0, 8), cr.arange(1, 9))

  it("passes on all values of a loader", function()
    local seen = {}
    for x, y in cr.progress(cr.data.Loader(set, { batch_size = 4, num_workers = 1 }), "pass", { out = sink() }) do
      seen[#seen + 1] = x:sum():item() .. " " .. y:sum():item()
    end
    assert.same({ "6 10", "22 26" }, seen)
  end)

  it("ends the threads of a loader when the loop is left", function()
    local loader = cr.data.Loader(set, { num_workers = 1 })
    for _ in cr.progress(loader, "left", { out = sink() }) do break end -- luacheck: ignore 512
    local live = 0
    for pass in pairs(loader.passes) do live = live + (pass.pool and 1 or 0) end
    assert.equal(0, live)
  end)

  it("lets an error through, and goes on where its output fails", function()
    local ok, message = pcall(function()
      for _ in cr.progress(3, "e", { out = sink() }) do error "mine" end -- luacheck: ignore 512
    end)
    assert.is_false(ok)
    has(message, "mine")
    local n = 0
    for _ in cr.progress(3, "e", { out = { write = function() error "full" end } }) do n = n + 1 end
    assert.equal(3, n)
  end)

  it("refuses what cannot be walked over", function()
    local function refuses(words, ...)
      local ok, told = pcall(cr.progress, ...)
      assert.is_false(ok)
      has(told, words)
    end
    refuses("expected something to walk over, or a count, got 'x'", "x")
    refuses("at least 0, got -1", -1)
    refuses("there is no option 'colour'", 3, "x", { colour = 1 })
    refuses("the label must be a string", 3, 5)
  end)
end)
