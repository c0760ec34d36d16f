-- plot.lua: cr.plot, figures of numbers: for the terminal as text, for files as SVG and PNG.
--
-- Holds true: a function gives a figure and prints nothing; print(figure) shows it, figure:save(path) writes it as the
-- path's ending says. Text and SVG need no other program; PNG of images needs libpng, of all else gnuplot. What is not
-- finite leaves a gap.

local cr = require "cresset"

local check = require "cresset.data.check"
local scale = require "cresset.plot.scale"

local M = {}

local fail, describe = check.fail, check.describe

-- ---- Figures --------------------------------------------------------------------------------------------------

local Figure = {}
Figure.__index = Figure

function Figure:ranges()
  local xs, ys = {}, {}
  for i, series in ipairs(self.series) do xs[i], ys[i] = series.x, series.y end
  local x0, x1 = scale.range(xs)
  local y0, y1 = scale.range(ys)
  return x0, x1, y0, y1
end

local drawn_as = { line = "points", scatter = "points", histogram = "bars", heatmap = "heatmap",
  confusion = "confusion", images = "images" }

function Figure:__tostring()
  local lines, below = require("cresset.plot.text")[drawn_as[self.kind]](self)
  if self.title then table.insert(lines, 1, self.title) end
  if below then lines[#lines + 1] = below end
  return table.concat(lines, "\n")
end

-- The images of a figure side by side, with a gap of one between them.
local function mosaic(fig)
  local h, w = 1, 1
  for _, x in ipairs(fig.pixels) do h, w = math.max(h, x:size(1)), math.max(w, x:size(2)) end
  local n, columns = #fig.pixels, math.min(fig.columns, #fig.pixels)
  local rows = (n + columns - 1) // columns
  local all = cr.full({ rows * (h + 1) - 1, columns * (w + 1) - 1, 3 }, 255):to "uint8"
  for i, x in ipairs(fig.pixels) do
    local r, c = (i - 1) // columns * (h + 1) + 1, (i - 1) % columns * (w + 1) + 1
    all:narrow(1, r, x:size(1)):narrow(2, c, x:size(2)):copy_(x:size(3) == 1 and x:expand(-1, -1, 3)
      or x:narrow(3, 1, 3))
  end
  return all:permute(3, 1, 2)
end

local function svg_of(self)
  local svg = require "cresset.plot.svg"
  if self.kind == "images" then
    local all = mosaic(self)
    return svg.image(require("cresset.data.image").png("plot", all), all:size(3), all:size(2), self.title)
  end
  local kind = drawn_as[self.kind]
  return svg[kind == "confusion" and "heatmap" or kind](self)
end

local function write(path, text)
  local file, problem = io.open(path, "wb")
  if not file then fail("save: %s", problem) end
  local good, why = file:write(text)
  local closed, late = file:close()
  if not good or not closed then fail("save: cannot write %s: %s", path, why or late) end
end

--- save(path): .svg, .png or .txt.
function Figure:save(path)
  check.string("save", "path", path)
  local ending = (path:match "%.(%w+)$" or ""):lower()
  if ending == "svg" then write(path, svg_of(self))
  elseif ending == "txt" then write(path, tostring(self) .. "\n")
  elseif ending == "png" and self.kind == "images" then
    write(path, require("cresset.data.image").png("save", mosaic(self)))
  elseif ending == "png" then
    local problem = require("cresset.plot.gnuplot").png(self, path)
    if problem then fail("save: %s", problem) end
  else
    fail("save: the path must end with .svg, .png or .txt, got %s", describe(path))
  end
  return self
end

-- ---- Arguments -------------------------------------------------------------------------------------------------

local names = { "title", "xlabel", "ylabel", "width", "height" }

local function new_figure(op, kind, options, more)
  local known = { table.unpack(names) }
  for _, name in ipairs(more or {}) do known[#known + 1] = name end
  local fig = check.options(op, options, known)
  fig.kind = kind
  fig.width = check.integer(op, "width", fig.width, 8, 64)
  fig.height = check.integer(op, "height", fig.height, 3, 16)
  for _, name in ipairs { "title", "xlabel", "ylabel" } do
    if fig[name] ~= nil then check.string(op, name, fig[name]) end
  end
  return setmetatable(fig, Figure)
end

-- A list of Lua numbers from a list or a tensor of one dim.
local function numbers(op, name, values)
  if cr.is_tensor(values) then
    if values.ndim ~= 1 then fail("%s: %s must have one dim, got %s", op, name, describe(values)) end
    return values:detach():to("float64"):cpu():totable()
  end
  if type(values) ~= "table" then fail("%s: %s must be a list or a tensor, got %s", op, name, describe(values)) end
  local list = {}
  for i, v in ipairs(values) do
    if cr.is_tensor(v) and v:numel() == 1 then v = v:item() end
    if type(v) ~= "number" then fail("%s: %s has %s in place %d", op, name, describe(v), i) end
    list[i] = v + 0.0
  end
  return list
end

local function series_of(op, name, x, y)
  local ys = numbers(op, name == "" and "y" or name, y)
  local xs = {}
  if x == nil then
    for i = 1, #ys do xs[i] = i + 0.0 end
  else
    xs = numbers(op, "x", x)
  end
  if #xs ~= #ys then fail("%s: x has %d numbers and y has %d", op, #xs, #ys) end
  return { name = name, x = xs, y = ys }
end

-- Whether a table is named series, { loss = ys, ... }.
local function is_named(t) return type(t) == "table" and #t == 0 and next(t) ~= nil end

-- One series, or several by name: each a list of y, or { x, y }.
local function points(op, kind, x, y, options)
  if is_named(x) or y == nil or type(y) == "table" and is_named(y) and options == nil then
    if y ~= nil then options = y end
    x, y = nil, x
  end
  local fig = new_figure(op, kind, options)
  fig.series = {}
  if is_named(y) then
    local keys = {}
    for name in pairs(y) do keys[#keys + 1] = tostring(name) end
    table.sort(keys)
    for i, name in ipairs(keys) do
      local values = y[name]
      local both = type(values) == "table" and #values == 2 and type(values[1]) ~= "number"
      fig.series[i] = series_of(op, name, both and values[1] or x, both and values[2] or values)
    end
  else
    fig.series[1] = series_of(op, "", x, y)
  end
  return fig
end

-- The rows of a matrix as lists of numbers.
local function cells_of(op, x)
  if type(x) == "table" then x = cr.tensor(x) end
  if not cr.is_tensor(x) or x.ndim ~= 2 or x:numel() == 0 then
    fail("%s: expected a matrix, got %s", op, describe(x))
  end
  return x:detach():to("float64"):cpu():totable()
end

-- ---- Kinds of figures -------------------------------------------------------------------------------------------

--- line(y), line(x, y), line { name = y, name = { x, y } }: curves. Options: title, xlabel, ylabel, width and height,
-- in characters.
function M.line(x, y, options) return points("line", "line", x, y, options) end

--- scatter(x, y), scatter { name = { x, y } }: points. As line.
function M.scatter(x, y, options) return points("scatter", "scatter", x, y, options) end

--- histogram(x, { bins = 20, range = { low, high } }): how many elements of a tensor or list lie in each of the bins,
-- all of one width; the last one has its upper end.
function M.histogram(x, options)
  local fig = new_figure("histogram", "histogram", options, { "bins", "range" })
  if cr.is_tensor(x) then x = x:flatten() end
  local list = numbers("histogram", "x", x)
  local bins = check.integer("histogram", "bins", fig.bins, 1, 20)
  local low, high = scale.range { list }
  if fig.range ~= nil then
    low, high = type(fig.range) == "table" and fig.range[1], type(fig.range) == "table" and fig.range[2]
    if type(low) ~= "number" or type(high) ~= "number" or low >= high or low ~= low or high ~= high then
      fail "histogram: range must be { low, high }"
    end
  end
  fig.counts, fig.edges, fig.labels = {}, {}, {}
  for i = 0, bins do fig.edges[i + 1] = low + (high - low) * i / bins end
  for i = 1, bins do
    fig.counts[i], fig.labels[i] = 0, ("%.3g to %.3g"):format(fig.edges[i], fig.edges[i + 1])
  end
  for _, v in ipairs(list) do
    if v >= low and v <= high then
      local at = math.min(bins, math.floor((v - low) / (high - low) * bins) + 1)
      fig.counts[at] = fig.counts[at] + 1
    end
  end
  return fig
end

--- heatmap(matrix): its elements as shades, from the least to the largest.
function M.heatmap(x, options)
  local fig = new_figure("heatmap", "heatmap", options)
  fig.cells = cells_of("heatmap", x)
  return fig
end

--- confusion(counts, { names = }): what cr.metrics.confusion gives, with the names of the classes.
function M.confusion(counts, options)
  local fig = new_figure("confusion", "confusion", options, { "names" })
  fig.cells = cells_of("confusion", counts)
  if #fig.cells ~= #fig.cells[1] then
    fail("confusion: the table must be square, got %dx%d", #fig.cells, #fig.cells[1])
  end
  local given = fig.names
  if given ~= nil and (type(given) ~= "table" or #given ~= #fig.cells) then
    fail("confusion: names must be a list of %d names, got %s", #fig.cells,
      type(given) == "table" and #given .. " of them" or describe(given))
  end
  fig.names = {}
  for i = 1, #fig.cells do fig.names[i] = given and tostring(given[i]) or "" end
  return fig
end

--- images(batch, { columns = 8 }): images side by side: n x channels x height x width, n x height x width, or a list of
-- images; floats from 0 to 1, or integers to 255.
function M.images(batch, options)
  local fig = new_figure("images", "images", options, { "columns" })
  local list = batch
  if cr.is_tensor(batch) then
    if batch.ndim ~= 3 and batch.ndim ~= 4 then
      fail("images: expected n x channels x height x width or n x height x width, got %s", describe(batch))
    end
    list = {}
    for i = 1, #batch do list[i] = batch:select(1, i) end
  end
  if type(list) ~= "table" or #list == 0 then fail("images: expected at least one image, got %s", describe(batch)) end
  fig.columns = math.min(#list, check.integer("images", "columns", fig.columns, 1, 8))
  fig.pixels, fig.images = {}, {}
  for i, x in ipairs(list) do
    fig.pixels[i] = require("cresset.data.image").pixels("images", x)
    local colors = fig.pixels[i]:narrow(3, 1, fig.pixels[i]:size(3) >= 3 and 3 or 1):to "float64"
    fig.images[i] = (colors:mean(3) / 255):totable()
  end
  return fig
end

--- graph(loss, { names = { name = tensor }, title = }): how a tensor came about: the nodes behind it and its leaves.
-- tostring gives the text of it for Graphviz; save writes .dot, or .svg and .png by its program dot.
function M.graph(loss, options) return require("cresset.plot.graph").graph(loss, options) end

return setmetatable(M, { __index = function(_, name)
  if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
  require("cresset.suggest").no_member("plot", name)
end })
