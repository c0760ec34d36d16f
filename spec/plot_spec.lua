-- plot_spec.lua: figures as text, SVG and PNG.

local cr = require "cresset"
local shell = require "spec.support.shell"
local P = cr.plot

local folder
setup(function() folder = shell.folder() end)
teardown(function() os.execute("rm -rf " .. folder) end)

local function lines(fig)
  local list = {}
  for line in (tostring(fig) .. "\n"):gmatch "(.-)\n" do list[#list + 1] = line end
  return list
end

local function has(text, part) assert(text:find(part, 1, true), ("%q lacks %q"):format(text, part)) end

local function refuses(words, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  has(message, words)
end

-- The tags of an SVG text, each opened one closed again.
local function is_well_formed(text)
  local open = {}
  for closing, name, ending in text:gmatch "<(/?)(%a+)[^<>]-(/?)>" do
    if closing == "/" then assert.equal(name, table.remove(open))
    elseif ending == "" then open[#open + 1] = name end
  end
  assert.equal(0, #open)
  assert.is_nil(text:gsub("&%a+;", ""):find "&")
end

local function svg(fig)
  fig:save(folder .. "/f.svg")
  local text = shell.read(folder .. "/f.svg")
  is_well_formed(text)
  return text
end

describe("a curve", function()
  it("rises from the lower left to the upper right, in dots", function()
    local list = lines(P.line({ 0, 1 }, { width = 10, height = 4, title = "up" }))
    assert.equal("up", list[1])
    has(list[2], "1 ┤       ") -- the dots by hand: the line passes (0, 15), (1, 14) and (18, 1), (19, 0)
    assert.equal("⠊", list[2]:sub(-3))
    has(list[5], "0 ┤⡠")
    has(list[6], "└──────────")
    assert.equal("     1        2", list[7])
  end)

  it("of several series has a mark for each", function()
    local text = tostring(P.line { b = { 1, 2 }, a = { 2, 1 } })
    has(text, "• a   + b")
  end)

  it("has gaps where there is no number, and a place for each one alone", function()
    local text = svg(P.line { 1, 0 / 0, 2, 3, 1 / 0 })
    assert.equal(2, select(2, text:match 'd="(M[^"]*)" fill':gsub("M", "")))
    assert.equal(7, #lines(P.line({ 5 }, { height = 5 })))
    assert.is_string(tostring(P.line {}))
  end)

  it("takes tensors, x beside y, and refuses what does not fit", function()
    local x = cr.linspace(0, 1, 5)
    has(tostring(P.line(x, x * x)), "└")
    refuses("x has 2 numbers and y has 3", P.line, { 1, 2 }, { 1, 2, 3 })
    refuses("must have one dim", P.line, cr.ones(2, 2))
    refuses("there is no option 'color'", P.line, { 1 }, { color = "red" })
  end)
end)

describe("a histogram", function()
  it("counts what lies in each bin, the upper end in the last", function()
    local fig = P.histogram({ 0, 0.5, 1, 1, 4 }, { bins = 4 })
    assert.same({ 2, 2, 0, 1 }, fig.counts)
    has(lines(fig)[1], "0 to 1 │")
    assert.equal(5, select(2, svg(fig):gsub("<rect [^>]*fill=\"#1f77b4\"", "")) + 1)
    assert.same({ 1 }, P.histogram({ 1, 9, 0 / 0 }, { bins = 1, range = { 0, 2 } }).counts)
  end)
end)

describe("a heatmap", function()
  it("has darker cells for larger numbers", function()
    local list = lines(P.heatmap { { 0, 1 }, { 2, 4 } })
    assert.equal("│  ░░│", list[1])
    assert.equal("│▒▒██│", list[2])
  end)
  it("as SVG has a cell for each number", function()
    assert.equal(6 + 1, select(2, svg(P.heatmap(cr.arange(0, 6):view(2, 3))):gsub("<rect", "")))
  end)
end)

describe("a table of confusion", function()
  it("names rows and columns", function()
    local fig = P.confusion({ { 5, 1 }, { 0, 12 } }, { names = { "cat", "<dog>" } })
    assert.same({ "          1  2", "  cat 1 │ 5  1", "<dog> 2 │ · 12" }, lines(fig))
    has(svg(fig), "&lt;dog&gt; 2")
    refuses("names must be a list of 2 names", P.confusion, { { 1, 2 }, { 3, 4 } }, { names = { "a" } })
    refuses("must be square", P.confusion, { { 1, 2 } })
  end)
end)

describe("images", function()
  it("stand side by side", function()
    local text = tostring(P.images(cr.tensor { { { 0.0, 1 }, { 0, 1 } }, { { 1, 1 }, { 1, 1 } } }))
    assert.equal(" █ ██", text)
    refuses("expected n x", P.images, cr.ones(2, 2))
  end)
  it("become one PNG, with a gap of one between them", function()
    local fig = P.images(cr.zeros(3, 2, 2), { columns = 2 })
    local ok, problem = pcall(fig.save, fig, folder .. "/i.png")
    if not ok then return pending(problem) end
    local image = cr.data.read_image(folder .. "/i.png")
    assert.equal("3x5x5", tostring(image.shape))
    assert.equal(255, image[1][1][3]:item())
    assert.equal(0, image[1][1][1]:item())
    has(svg(fig), "data:image/png;base64,iVBORw0KGgo")
  end)
end)

describe("the graph of a tensor", function()
  local w = cr.ones({ 2 }, { requires_grad = true })

  it("has its operations and its leaves by name", function()
    local fig = P.graph((w * w):sum(), { names = { weight = w } })
    local text = tostring(fig)
    has(text, 'n1 [label="Sum"];')
    has(text, 'label="weight\\n2"')
    assert.equal(3, fig.nodes)
    fig:save(folder .. "/g.dot")
    assert.equal(text, shell.read(folder .. "/g.dot"))
    refuses("has no graph", P.graph, cr.ones(1))
  end)

  it("may be long", function()
    local x = w
    for _ = 1, 5000 do x = x + 1 end
    assert.equal(5001, P.graph(x).nodes)
  end)

  it("becomes SVG where Graphviz is", function()
    if not shell.exists "dot" then return pending "no dot here" end
    P.graph(w:sum()):save(folder .. "/g.svg")
    has(shell.read(folder .. "/g.svg"), "<svg")
  end)
end)

describe("a figure", function()
  it("becomes PNG where gnuplot is, and says so where it is not", function()
    if not shell.exists "gnuplot" then
      return refuses("gnuplot is not there", function() P.line({ 1, 2 }):save(folder .. "/l.png") end)
    end
    for _, fig in ipairs { P.line({ 1, 2 }, { title = 'a "title"' }), P.scatter({ 1, 0 / 0 }, { 2, 3 }),
      P.histogram { 1, 2, 3 }, P.heatmap { { 1, 2 }, { 3, 4 } }, P.confusion { { 1, 2 }, { 3, 4 } } } do
      fig:save(folder .. "/l.png")
      assert.equal("\x89PNG", shell.read(folder .. "/l.png"):sub(1, 4))
    end
  end)

  it("is written as its name ends", function()
    local fig = P.line { 1, 2 }
    fig:save(folder .. "/l.txt")
    assert.equal(tostring(fig) .. "\n", shell.read(folder .. "/l.txt"))
    refuses("must end with", fig.save, fig, folder .. "/l.gif")
    refuses("No such file", fig.save, fig, folder .. "/absent/l.svg")
  end)
end)
