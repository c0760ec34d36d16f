-- report.lua: how a table of results reads, on the screen and in RESULTS.md.
--
-- Holds true: a row below its target says so wherever it stands, and RESULTS.md gives its reason.

local cr = require "cresset"

local M = {}

local scales = { ns = 1e9, us = 1e6, ms = 1e3, s = 1 }

-- The unit in which both numbers of a row are shown.
local function unit_of(row)
  if row.unit then return row.unit end
  local s = row.result.ours
  return s < 1e-6 and "ns" or s < 1e-3 and "us" or s < 1 and "ms" or "s"
end

local function shown(value, unit)
  if not value then return "-" end
  value = value * (scales[unit] or 1)
  return (value < 1000 and "%.3g %s" or "%.0f %s"):format(value, unit)
end

local function ratio_of(row)
  local r = row.result
  return r.theirs and r.theirs / r.ours
end

local function missed(row)
  local ratio = ratio_of(row)
  return row.target and ratio and ratio < row.target
end

-- GB/s or GFLOP/s, where the row says what it moves or computes.
local function rate(row)
  local amount = row.bytes or row.flops
  if not amount then return "" end
  return ("%.1f %s"):format(amount / row.result.ours * 1e-9, row.bytes and "GB/s" or "GFLOP/s")
end

local function cells(row)
  local unit, ratio = unit_of(row), ratio_of(row)
  return row.name, shown(row.result.ours, unit), shown(row.result.theirs, unit),
    ratio and ("%.2f"):format(ratio) or "-", row.target and ("%g"):format(row.target) or "",
    missed(row) and "below" or "", rate(row)
end

local function write_cells(out, ...)
  out:write((("%-44s %10s %10s %7s %7s %-6s %s"):format(...):gsub("%s+$", "")), "\n")
  out:flush()
end

function M.head(out) write_cells(out, "name", "ours", "peer", "ratio", "target", "", "") end

function M.line(out, row) write_cells(out, cells(row)) end

local function mean_of(rows)
  local sum, n, below = 0, 0, 0
  for _, row in ipairs(rows) do
    local ratio = row.result and ratio_of(row)
    if ratio then sum, n = sum + math.log(ratio), n + 1 end
    if row.result and missed(row) then below = below + 1 end
  end
  return n > 0 and math.exp(sum / n), n, below
end

local function summary(rows)
  local mean, n, below = mean_of(rows)
  if not mean then return "no peer, no ratios" end
  return ("geometric mean of %d ratios: %.2f; below their target: %d"):format(n, mean, below)
end

function M.foot(out, rows, peer)
  out:write(summary(rows), "\n")
  local name = peer and "PyTorch " .. peer.version .. " on the CPU" or "missing (python3 finds no PyTorch)"
  out:write("peer: ", name, "\n")
end

-- ---- RESULTS.md ------------------------------------------------------------------------------------

local function first_line(command)
  local pipe = io.popen(command .. " 2>/dev/null")
  local line = pipe:read "l"
  pipe:close()
  return line or "unknown"
end

local function machine()
  return ("%s, %s cores, %s MB of memory, Linux %s"):format(
    first_line "sed -n 's/^model name[^:]*: //p' /proc/cpuinfo", first_line "nproc",
    first_line "awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo", first_line "uname -r")
end

local title, second = "# Benchmarks\n", "\n## CUDA"

-- What stands in the file from the second chapter on is kept: it comes from other machines.
local function kept(file)
  local old = io.open(file)
  if not old then return "" end
  local text = old:read "a"
  old:close()
  local at = text:find(second, 1, true)
  return at and text:sub(at) or ""
end

function M.write(file, rows, peer)
  local rest = kept(file)
  local out = assert(io.open(file, "w"))
  out:write(title, "\n## CPU\n\n`make bench` writes this chapter. Ours and PyTorch's times are medians of at least 7 ",
    "rounds, taken in turn\nin one run; the ratio is PyTorch's time / ours. The numbers belong to the machine.\n\n",
    "- machine: ", machine(), "\n- ours: Cresset ", cr.version, " at ", first_line "git rev-parse --short HEAD",
    ", matrices by ", cr.gemm_name(), "\n- peer: PyTorch ", peer.version, "\n- date: ", os.date "!%Y-%m-%d %H:%M UTC",
    "\n- threads: 2 on both sides unless the row says otherwise\n\n```\n")
  M.head(out)
  for _, row in ipairs(rows) do M.line(out, row) end
  out:write("```\n\n", summary(rows), ".\n")
  local reasons = {}
  for _, row in ipairs(rows) do
    if missed(row) then reasons[#reasons + 1] = ("- **%s**: %s"):format(row.name, row.why or "not yet explained.") end
  end
  if #reasons > 0 then out:write("\nBelow their target, and why:\n\n", table.concat(reasons, "\n"), "\n") end
  out:write(rest)
  out:close()
  print("written to " .. file)
end

return M
