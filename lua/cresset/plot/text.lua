-- text.lua: figures as lines of Unicode characters.
--
-- Holds true: a line has as many characters as were asked for, and the names and numbers of its axes beside them. One
-- series is drawn in dots, eight to a character; several have a mark each.

local scale = require "cresset.plot.scale"

local M = {}

local marks = { "•", "+", "×", "o", "▪", "*", "◦", "#" }
local shades = { " ", "░", "▒", "▓", "█" }
-- The bit of each of a character's eight dots, by column and row.
local dots = { { 0x01, 0x02, 0x04, 0x40 }, { 0x08, 0x10, 0x20, 0x80 } }

local function pad(text, width)
  local n = utf8.len(text) or #text
  return (" "):rep(width - n) .. text
end

-- ---- A field of characters ------------------------------------------------------------------------------------

-- Sets dots (one series) or marks (several) in a field; places are counted in dots from the upper left.
local function new_field(width, height, single)
  local rows = {}
  for r = 1, height do rows[r] = {} end
  local field = { rows = rows }
  function field.set(x, y, mark)
    local c, r = x // 2 + 1, y // 4 + 1
    if c < 1 or c > width or r < 1 or r > height then return end
    if single then rows[r][c] = (rows[r][c] or 0) | dots[x % 2 + 1][y % 4 + 1]
    else rows[r][c] = mark end
  end
  function field.line(r)
    local parts = {}
    for c = 1, width do
      local v = rows[r][c]
      parts[c] = not v and " " or single and utf8.char(0x2800 + v) or v
    end
    return table.concat(parts)
  end
  return field
end

-- The dots between two places.
local function stroke(field, x0, y0, x1, y1, mark)
  local n = math.max(math.abs(x1 - x0), math.abs(y1 - y0), 1)
  for i = 0, n do
    field.set(math.floor(x0 + (x1 - x0) * i / n + 0.5), math.floor(y0 + (y1 - y0) * i / n + 0.5), mark)
  end
end

local function draw_series(field, series, place, joined, mark)
  local px, py
  for i, y in ipairs(series.y) do
    local x = series.x[i]
    if scale.is_finite(x) and scale.is_finite(y) then
      local cx, cy = place(x, y)
      if joined and px then stroke(field, px, py, cx, cy, mark) else field.set(cx, cy, mark) end
      px, py = cx, cy
    else
      px = nil
    end
  end
end

local function legend(fig)
  local parts = {}
  for i, series in ipairs(fig.series) do
    parts[i] = ("%s %s"):format(#fig.series > 1 and marks[(i - 1) % #marks + 1] or "—", series.name)
  end
  return table.concat(parts, "   ")
end

--- Curves and scattered points.
function M.points(fig)
  local width, height = fig.width, fig.height
  local x0, x1, y0, y1 = fig:ranges()
  local field = new_field(width, height, #fig.series == 1)
  local function place(x, y)
    return math.floor((x - x0) / (x1 - x0) * (width * 2 - 1) + 0.5),
      math.floor((y1 - y) / (y1 - y0) * (height * 4 - 1) + 0.5)
  end
  for i, series in ipairs(fig.series) do
    draw_series(field, series, place, fig.kind == "line", marks[(i - 1) % #marks + 1])
  end
  local top, bottom = scale.number(y1), scale.number(y0)
  local margin = math.max(#top, #bottom, #scale.number((y0 + y1) / 2))
  local lines = {}
  for r = 1, height do
    local label = r == 1 and top or r == height and bottom
      or r == (height + 1) // 2 and scale.number((y0 + y1) / 2) or ""
    lines[r] = pad(label, margin) .. (label ~= "" and " ┤" or " │") .. field.line(r):gsub("%s+$", "")
  end
  lines[#lines + 1] = (" "):rep(margin) .. " └" .. ("─"):rep(width)
  local left, right = scale.number(x0), scale.number(x1)
  lines[#lines + 1] = (" "):rep(margin + 2) .. left .. pad(right, width - #left)
  return lines, #fig.series > 1 and legend(fig) or nil
end

--- Bars, one below the other.
function M.bars(fig)
  local lines, margin, most = {}, 0, 0
  for i, count in ipairs(fig.counts) do
    margin, most = math.max(margin, utf8.len(fig.labels[i]) or #fig.labels[i]), math.max(most, count)
  end
  local eighths = { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }
  for i, count in ipairs(fig.counts) do
    local parts = most > 0 and math.floor(count / most * fig.width * 8 + 0.5) or 0
    lines[i] = ("%s │%s%s %s"):format(pad(fig.labels[i], margin), ("█"):rep(parts // 8),
      parts % 8 > 0 and eighths[parts % 8] or "", scale.number(count))
  end
  return lines
end

--- The mean of a block of cells, for what has more cells than characters; nil where none of them is finite.
local function block_mean(cells, r0, r1, c0, c1)
  local sum, n = 0.0, 0
  for r = r0, r1 do
    for c = c0, c1 do
      local v = cells[r][c]
      if scale.is_finite(v) then sum, n = sum + v, n + 1 end
    end
  end
  return n > 0 and sum / n or nil
end

-- Lines of shades; `tall`: a character stands for twice as many rows as columns, as its shape does.
local function shade(cells, low, high, width, tall)
  local rows, columns = #cells, #cells[1]
  local across = math.min(columns, width)
  local step = columns / across
  local down = math.max(1, math.floor(rows / (step * (tall and 2 or 1)) + 0.5))
  local lines = {}
  for r = 1, down do
    local parts = {}
    local r0, r1 = math.floor((r - 1) * rows / down) + 1, math.max(math.floor(r * rows / down), 1)
    for c = 1, across do
      local c0 = math.floor((c - 1) * step) + 1
      local v = block_mean(cells, r0, math.max(r0, r1), c0, math.max(c0, math.floor(c * step)))
      local level = v and math.floor((v - low) / (high - low) * 4.999) or -1
      parts[c] = v and shades[math.max(0, math.min(4, level)) + 1] or "?"
    end
    lines[r] = table.concat(parts)
  end
  return lines
end

--- A matrix as shades, two characters wide where there is room for it.
function M.heatmap(fig)
  local low, high = scale.range(fig.cells)
  local wide = #fig.cells[1] * 2 <= fig.width
  local lines = shade(fig.cells, low, high, fig.width, not wide)
  for i, line in ipairs(lines) do
    if wide then line = line:gsub("[%z\1-\127\194-\244][\128-\191]*", "%0%0") end
    lines[i] = "│" .. line .. "│"
  end
  lines[#lines + 1] = ("%s %s   %s %s"):format("' '", scale.number(low), "'█'", scale.number(high))
  return lines
end

--- Counts in a table: rows are what samples are, columns what they were taken for.
function M.confusion(fig)
  local n, margin, room = #fig.cells, 0, 1
  for i = 1, n do
    margin = math.max(margin, utf8.len(fig.names[i]) or #fig.names[i])
    for j = 1, n do room = math.max(room, #scale.number(fig.cells[i][j])) end
  end
  room = math.max(room, #tostring(n))
  local head = {}
  for j = 1, n do head[j] = pad(tostring(j), room) end
  local lines = { (" "):rep(margin + #tostring(n) + 1) .. "  " .. table.concat(head, " ") }
  for i = 1, n do
    local row = {}
    for j = 1, n do row[j] = pad(fig.cells[i][j] == 0 and "·" or scale.number(fig.cells[i][j]), room) end
    lines[#lines + 1] = ("%s %s │%s"):format(pad(fig.names[i], margin), pad(tostring(i), #tostring(n)),
      table.concat(row, " "))
  end
  return lines
end

--- Images side by side, in shades of gray.
function M.images(fig)
  local lines = {}
  for first = 1, #fig.images, fig.columns do
    local blocks, height = {}, 0
    local room = math.max(4, (fig.width - fig.columns + 1) // fig.columns)
    for k = first, math.min(first + fig.columns - 1, #fig.images) do
      blocks[#blocks + 1] = shade(fig.images[k], 0, 1, room, true)
      height = math.max(height, #blocks[#blocks])
    end
    for r = 1, height do
      local parts = {}
      for i, block in ipairs(blocks) do parts[i] = block[r] or "" end
      lines[#lines + 1] = (table.concat(parts, " "):gsub("%s+$", ""))
    end
  end
  return lines
end

return M
