-- gnuplot.lua: figures as PNG by gnuplot, where it is installed.
--
-- Holds true: it is started with a script in a file of its own and writes the file that it is told; what it says is
-- told when it fails.

local scale = require "cresset.plot.scale"

local M = {}

local function quote(text) return '"' .. tostring(text):gsub('[\\"]', "\\%0"):gsub("%c", " ") .. '"' end

local function number(v) return scale.is_finite(v) and ("%.9g"):format(v) or "NaN" end

local function data_of(series)
  local lines = {}
  for i, y in ipairs(series.y) do lines[i] = number(series.x[i]) .. " " .. number(y) end
  lines[#lines + 1] = "e\n"
  return table.concat(lines, "\n")
end

local function points(fig)
  local plots, data = {}, {}
  for i, series in ipairs(fig.series) do
    plots[i] = ("'-' using 1:2 with %s title %s"):format(fig.kind == "line" and "lines lw 2" or "points pt 7",
      quote(series.name))
    data[i] = data_of(series)
  end
  return "plot " .. table.concat(plots, ", ") .. "\n" .. table.concat(data)
end

local function bars(fig)
  local lines = { "set style fill solid 0.7", "set yrange [0:*]", "plot '-' using 1:2:3 with boxes notitle" }
  for i, count in ipairs(fig.counts) do
    local a, b = fig.edges[i], fig.edges[i + 1]
    lines[#lines + 1] = ("%s %s %s"):format(number((a + b) / 2), number(count), number(b - a))
  end
  return table.concat(lines, "\n") .. "\ne\n"
end

local function matrix(fig)
  local lines = { "set yrange [*:*] reverse", "set size ratio -1", "plot '-' matrix with image notitle" }
  for _, row in ipairs(fig.cells) do
    local parts = {}
    for c, v in ipairs(row) do parts[c] = number(v) end
    lines[#lines + 1] = table.concat(parts, " ")
  end
  return table.concat(lines, "\n") .. "\ne\n"
end

local makers = { line = points, scatter = points, histogram = bars, heatmap = matrix, confusion = matrix }

--- Whether a program is there.
function M.exists(program) return os.execute("command -v " .. program .. " >/dev/null 2>&1") == true end

--- Writes the figure to a PNG file; returns nil, or what is wrong.
function M.png(fig, path)
  if not M.exists "gnuplot" then return "gnuplot is not there (Debian: gnuplot-nox); .svg needs no other program" end
  local script, told = os.tmpname(), os.tmpname()
  local file = assert(io.open(script, "w"))
  file:write("set terminal pngcairo size 780,420\nset encoding utf8\nset output ", quote(path), "\n")
  for option, key in pairs { title = "title", xlabel = "xlabel", ylabel = "ylabel" } do
    if fig[key] then file:write("set ", option, " ", quote(fig[key]), " noenhanced\n") end
  end
  file:write("set key noenhanced\n", makers[fig.kind](fig))
  file:close()
  local good = os.execute(("gnuplot %s >%s 2>&1"):format(script, told))
  local output = io.open(told)
  local text = output and output:read "a" or ""
  if output then output:close() end
  os.remove(script)
  os.remove(told)
  if not good then return "gnuplot failed: " .. text:gsub("%s+", " ") end
end

return M
