-- architecture.lua: draws docs/architecture.svg, layers of boxes, from the text in docs/architecture.txt.
-- `lua5.4 architecture.lua OUTPUT_FILE`, from the root of the checkout; `make docs` does it.
--
-- Holds true: the same text gives the same picture. A line that its box has no room for is an error. The picture
-- brings its own background, so it can be read on a light page and on a dark one.

local SOURCE = "docs/architecture.txt"
local WIDTH, MARGIN, GAP = 940, 16, 10
local NAMES, SIDE = 170, 130 -- the columns to the left and to the right of the boxes
local ROW = 62
local LETTER = 6.7 -- a wide letter of the small text, in pixels

local function split(text)
  local parts = {}
  for part in (text .. "|"):gmatch "%s*([^|]-)%s*|" do parts[#parts + 1] = part end
  return parts
end

-- { layers = { { name =, about =, boxes = { { name, line, ... } } } }, side = { name, line, ... } }
local function parse(text)
  local picture = { layers = {} }
  for line in text:gmatch "[^\n]+" do
    local kind, rest = line:match "^(%l+) (.*)$"
    local layer = picture.layers[#picture.layers]
    if kind == "layer" then
      local parts = split(rest)
      picture.layers[#picture.layers + 1] = { name = parts[1], about = parts[2], boxes = {} }
    elseif kind == "box" then
      layer.boxes[#layer.boxes + 1] = split(rest)
    elseif kind == "side" then
      picture.side = split(rest)
    elseif not line:find "^#" then
      error(SOURCE .. ": cannot read the line: " .. line, 0)
    end
  end
  return picture
end

local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

local svg = {}
local function put(format, ...) svg[#svg + 1] = format:format(...) end

local function rectangle(class, x, y, width, height)
  put('<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="6"/>', class, x, y, width, height)
end

local function words(class, x, y, room, text)
  if #text * LETTER > room then error(("%s: no room for: %s"):format(SOURCE, text), 0) end
  put('<text class="%s" x="%d" y="%d">%s</text>', class, x, y, (text:gsub("[&<>]", escapes)))
end

-- A box with its name and, below it, its lines.
local function box(class, x, y, width, height, lines)
  rectangle(class, x, y, width, height)
  for i, line in ipairs(lines) do
    if line ~= "" then words(i == 1 and "name" or "line", x + 10, y + 4 + 18 * i, width - 12, line) end
  end
end

local function draw(picture)
  local height = 2 * MARGIN + #picture.layers * (ROW + GAP) - GAP
  put('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="The layers of Cresset">',
    WIDTH, height)
  put "<style>"
  put "text { font-family: sans-serif; fill: #1f2328 } .name { font-size: 13px; font-weight: bold }"
  put ".line { font-size: 12px; fill: #424a53 } .page { fill: #ffffff } .layer { fill: #eef1f4 }"
  put ".box { fill: #ffffff; stroke: #8c959f } .side { fill: #fff4dc; stroke: #b08800 }"
  put "@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .line { fill: #b1bac4 }"
  put ".page { fill: #0d1117 } .layer { fill: #1c2129 } .box { fill: #262c36; stroke: #6e7681 }"
  put ".side { fill: #3a2d0c; stroke: #d29922 } }"
  put "</style>"
  rectangle("page", 0, 0, WIDTH, height)
  local right = WIDTH - MARGIN - SIDE - GAP
  for i, layer in ipairs(picture.layers) do
    local y, n = MARGIN + (i - 1) * (ROW + GAP), #layer.boxes
    rectangle("layer", MARGIN, y, right - MARGIN, ROW)
    words("name", MARGIN + 10, y + 26, NAMES, layer.name)
    words("line", MARGIN + 10, y + 46, NAMES, layer.about)
    local left = MARGIN + NAMES
    local width = (right - left - n * GAP) // n
    for k, lines in ipairs(layer.boxes) do
      box("box", left + (k - 1) * (width + GAP), y + 7, width, ROW - 14, lines)
    end
  end
  box("side", right + GAP, MARGIN, SIDE, height - 2 * MARGIN, picture.side)
  put "</svg>"
end

local out = assert(arg[1], "usage: architecture.lua OUTPUT_FILE")
local source = assert(io.open(SOURCE))
draw(parse(source:read "a"))
source:close()
local file = assert(io.open(out, "w"))
file:write(table.concat(svg, "\n"), "\n")
file:close()
