-- svg.lua: figures as SVG, by no other program.
--
-- Holds true: the text is well-formed whatever names it is given; what is not finite leaves a gap.

local scale = require "cresset.plot.scale"

local M = {}

local colors = { "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f" }

local function escape(text)
  return (tostring(text):gsub("[%z\1-\8\11\12\14-\31]", " "):gsub("&", "&amp;"):gsub("<", "&lt;"):gsub(">", "&gt;")
    :gsub('"', "&quot;"))
end

local function text_at(x, y, anchor, text, more)
  return ('<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>'):format(x, y, anchor, more or "", escape(text))
end

local function page(width, height, parts, title)
  table.insert(parts, 1, ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
    .. 'font-family="sans-serif" font-size="12">'):format(width, height, width, height))
  table.insert(parts, 2, ('<rect width="%d" height="%d" fill="#ffffff"/>'):format(width, height))
  if title then parts[#parts + 1] = text_at(width / 2, 18, "middle", title, ' font-size="14"') end
  parts[#parts + 1] = "</svg>\n"
  return table.concat(parts, "\n")
end

-- Axes with round numbers. Returns the functions from values to places.
local function axes(parts, box, x0, x1, y0, y1, fig)
  local function px(x) return box.left + (x - x0) / (x1 - x0) * box.width end
  local function py(y) return box.top + (y1 - y) / (y1 - y0) * box.height end
  for _, v in ipairs(scale.ticks(y0, y1, 5)) do
    parts[#parts + 1] = ('<path d="M%.1f %.1fh%.1f" stroke="#dddddd"/>'):format(box.left, py(v), box.width)
    parts[#parts + 1] = text_at(box.left - 6, py(v) + 4, "end", scale.number(v))
  end
  for _, v in ipairs(scale.ticks(x0, x1, 6)) do
    parts[#parts + 1] = ('<path d="M%.1f %.1fv4" stroke="#333333"/>'):format(px(v), box.top + box.height)
    parts[#parts + 1] = text_at(px(v), box.top + box.height + 18, "middle", scale.number(v))
  end
  parts[#parts + 1] = ('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="none" stroke="#333333"/>'):format(
    box.left, box.top, box.width, box.height)
  if fig.xlabel then
    parts[#parts + 1] = text_at(box.left + box.width / 2, box.top + box.height + 36, "middle", fig.xlabel)
  end
  if fig.ylabel then
    local x, y = 16, box.top + box.height / 2
    parts[#parts + 1] = text_at(x, y, "middle", fig.ylabel, (' transform="rotate(-90 %.1f %.1f)"'):format(x, y))
  end
  return px, py
end

local function path_of(series, px, py)
  local parts, open = {}, false
  for i, y in ipairs(series.y) do
    local x = series.x[i]
    local good = scale.is_finite(x) and scale.is_finite(y)
    if good then parts[#parts + 1] = ("%s%.2f %.2f"):format(open and "L" or "M", px(x), py(y)) end
    open = good
  end
  return table.concat(parts)
end

local box_of = function(fig) return { left = 70, top = fig.title and 34 or 16, width = 560, height = 320 } end

--- Curves and scattered points.
function M.points(fig)
  local parts, box = {}, box_of(fig)
  local x0, x1, y0, y1 = fig:ranges()
  local px, py = axes(parts, box, x0, x1, y0, y1, fig)
  for i, series in ipairs(fig.series) do
    local color = colors[(i - 1) % #colors + 1]
    if fig.kind == "line" then
      parts[#parts + 1] = ('<path d="%s" fill="none" stroke="%s" stroke-width="1.5"/>'):format(
        path_of(series, px, py), color)
    else
      for k, y in ipairs(series.y) do
        if scale.is_finite(y) and scale.is_finite(series.x[k]) then
          parts[#parts + 1] = ('<circle cx="%.2f" cy="%.2f" r="3" fill="%s" fill-opacity="0.7"/>'):format(
            px(series.x[k]), py(y), color)
        end
      end
    end
    if #fig.series > 1 or series.name ~= "" then
      local y = box.top + 6 + 18 * i
      parts[#parts + 1] = ('<path d="M%d %dh20" stroke="%s" stroke-width="3"/>'):format(
        box.left + box.width + 10, y - 4, color)
      parts[#parts + 1] = text_at(box.left + box.width + 36, y, "start", series.name)
    end
  end
  return page(780, box.top + box.height + 50, parts, fig.title)
end

--- Bars side by side.
function M.bars(fig)
  local parts, box, most = {}, box_of(fig), 0
  for _, count in ipairs(fig.counts) do most = math.max(most, count) end
  local px, py = axes(parts, box, fig.edges[1], fig.edges[#fig.edges], 0, most > 0 and most or 1, fig)
  for i, count in ipairs(fig.counts) do
    local left, right = px(fig.edges[i]), px(fig.edges[i + 1])
    parts[#parts + 1] = ('<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s" stroke="#ffffff"/>'):format(left,
      py(count), right - left, py(0) - py(count), colors[1])
  end
  return page(660, box.top + box.height + 50, parts, fig.title)
end

-- From white to dark blue; gray for what is not finite.
local function color_of(v, low, high)
  if not scale.is_finite(v) then return "#bbbbbb", false end
  local t = math.max(0, math.min(1, (v - low) / (high - low)))
  local red, green, blue = math.floor(255 - 247 * t), math.floor(255 - 207 * t), math.floor(255 - 148 * t)
  return ("#%02x%02x%02x"):format(red, green, blue), t > 0.5
end

--- Cells of a matrix, with their counts where they are a table of confusion.
function M.heatmap(fig)
  local parts, rows, columns = {}, #fig.cells, #fig.cells[1]
  local low, high = scale.range(fig.cells)
  if fig.kind == "confusion" then low = 0 end
  local size = math.max(2, math.min(fig.kind == "confusion" and 44 or 24, 560 // math.max(rows, columns)))
  local left, top = fig.names and 110 or 40, (fig.title and 34 or 16) + (fig.names and 20 or 0)
  for r = 1, rows do
    for c = 1, columns do
      local v = fig.cells[r][c]
      local color, dark = color_of(v, low, high)
      local x, y = left + (c - 1) * size, top + (r - 1) * size
      parts[#parts + 1] = ('<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>'):format(x, y, size, size, color)
      if fig.kind == "confusion" and v ~= 0 then
        parts[#parts + 1] = text_at(x + size / 2, y + size / 2 + 4, "middle", scale.number(v),
          (' fill="%s"'):format(dark and "#ffffff" or "#000000"))
      end
    end
    if fig.names then
      parts[#parts + 1] = text_at(left - 6, top + (r - 0.5) * size + 4, "end", ("%s %d"):format(fig.names[r], r))
      parts[#parts + 1] = text_at(left + (r - 0.5) * size, top - 6, "middle", r)
    end
  end
  return page(left + columns * size + 20, top + rows * size + 20, parts, fig.title)
end

--- An image as a part of the page: a PNG in base 64.
function M.image(png, width, height, title)
  local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local text = (png:gsub("..?.?", function(part)
    local a, b, c = part:byte(1, 3)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    local four = ""
    for shift = 18, 0, -6 do
      local at = (n >> shift & 63) + 1
      four = four .. letters:sub(at, at)
    end
    return four:sub(1, #part + 1) .. ("="):rep(3 - #part)
  end))
  local factor = math.max(1, math.min(8, 640 // math.max(width, height)))
  local top = title and 30 or 0
  return page(width * factor, height * factor + top, { ('<image y="%d" width="%d" height="%d" '
    .. 'image-rendering="pixelated" href="data:image/png;base64,%s"/>'):format(top, width * factor, height * factor,
    text) }, title)
end

return M
