-- plot.lua: small plots as SVG: a panel for each kernel, both axes logarithmic.
--
-- Holds true: the text is a whole SVG document that needs nothing else; the y axis is nanoseconds for
-- an element, so a flat line is a steady speed.

local M = {}

local width, height, left, bottom, top = 300, 190, 46, 26, 24
local columns = 4
local colours = { "#b5541c", "#1c5fb5" }

local function log10(x) return math.log(x, 10) end

-- Whole decades that hold all values.
local function decades(results, sizes)
  local low, high = math.huge, -math.huge
  for _, r in ipairs(results) do
    for _, series in ipairs(r.series) do
      for k, s in pairs(series) do
        local y = log10(s * 1e9 / sizes[k])
        low, high = math.min(low, y), math.max(high, y)
      end
    end
  end
  return math.floor(low), math.max(math.ceil(high), math.floor(low) + 1)
end

local function panel(out, r, sizes, low, high, x0, y0)
  local w, h = width - left - 14, height - top - bottom
  local function px(n) return x0 + left + w * math.log(n, 2) / math.log(sizes[#sizes], 2) end
  local function py(value) return y0 + top + h * (high - value) / (high - low) end
  local function text(x, y, anchor, s)
    out[#out + 1] = ('<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>'):format(x, y, anchor, s)
  end
  local function line(x1, y1, x2, y2)
    out[#out + 1] = ('<path d="M%.1f %.1fL%.1f %.1f" class="grid"/>'):format(x1, y1, x2, y2)
  end
  for d = low, high do
    line(px(1), py(d), px(sizes[#sizes]), py(d))
    text(px(1) - 4, py(d) + 3, "end", ("%g"):format(10 ^ d))
  end
  for _, e in ipairs { { 0, "1" }, { 10, "1 K" }, { 20, "1 M" }, { 26, "64 M" } } do
    line(px(1 << e[1]), py(high), px(1 << e[1]), py(low))
    text(px(1 << e[1]), py(low) + 13, "middle", e[2])
  end
  out[#out + 1] = ('<text x="%.1f" y="%.1f" class="name">%s</text>'):format(px(1), y0 + 15, r.name)
  for i, series in ipairs(r.series) do
    local points = {}
    for k, n in ipairs(sizes) do
      if series[k] then points[#points + 1] = ("%.1f,%.1f"):format(px(n), py(log10(series[k] * 1e9 / n))) end
    end
    out[#out + 1] = ('<polyline points="%s" stroke="%s"/>'):format(table.concat(points, " "), colours[i])
  end
end

-- results: { name, series = { seconds by index of size, ... } }; names: one for each series.
function M.panels(results, sizes, names)
  local rows = (#results + columns - 1) // columns
  local w, h = columns * width, rows * height + 30
  local low, high = decades(results, sizes)
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">'):format(w, h, w, h),
    "<style>text{font:9px sans-serif;fill:#444}.name{font-size:12px;font-weight:bold}.grid{stroke:#ddd}"
      .. "polyline{fill:none;stroke-width:1.6}</style>",
    ('<rect width="%d" height="%d" fill="#fff"/>'):format(w, h),
  }
  for i, name in ipairs(names) do
    out[#out + 1] = ('<text x="%d" y="16" style="fill:%s;font-size:12px">%s</text>'):format(left + 90 * (i - 1),
      colours[i], name)
  end
  out[#out + 1] = ('<text x="%d" y="16">nanoseconds per element, against the number of elements</text>'):format(
    left + 90 * #names + 20)
  for i, r in ipairs(results) do
    panel(out, r, sizes, low, high, (i - 1) % columns * width, (i - 1) // columns * height + 24)
  end
  out[#out + 1] = "</svg>"
  return table.concat(out, "\n") .. "\n"
end

return M
