-- grid.lua [--seed N] [--rows N] [--only NAME] [--absent yes]: `make bench-grid`: rows drawn from a grid of operations,
-- dtypes, sizes, layouts, data and threads, each on both sides. Nobody chose the rows, so nobody can be flattered.
--
-- Holds true: both sides compute with the same elements, in turn, and hold the last results for a while, as
-- programs do. A row whose results differ is told as wrong and not timed; what one side does not offer is
-- drawn again, and counted. The last lines give the geometric mean of the ratios (PyTorch's time / ours), how many lie
-- below 1.0 and below 0.8, and the worst 20. Exits with 1 if a row is wrong.

local here = arg[0]:match "^(.*/)" or ""
package.path = here .. "?.lua;" .. package.path

local inputs = require "grid_inputs"
local measure = require "measure"
local rows = require "grid_rows"
local report = require "report"

local options = { seed = "1", rows = "300" }
for k = 1, #arg, 2 do options[arg[k]:match "^%-%-(%w+)$" or ""] = arg[k + 1] end

local peer = measure.peer()
if not peer then
  io.stderr:write "bench-grid: python3 finds no PyTorch to compare with\n"
  os.exit(2)
end

local operations, absent = require("grid_ops").list(peer)
if options.only then
  local chosen = {}
  for _, op in ipairs(operations) do
    if op.name:find(options.only, 1, true) then chosen[#chosen + 1] = op end
  end
  operations = chosen
end
if options.absent then print("not in the grid: " .. table.concat(absent, " ")) end
if #operations == 0 then
  io.stderr:write(("no operation's name has %q in it\n"):format(options.only))
  os.exit(2)
end

-- What was tried in small: an operation and a dtype that one of the sides does not offer are refused at once.
local offered = {}
local function is_offered(row)
  local key = row.op.name .. " " .. row.dtype
  if offered[key] == nil then
    local small = { op = row.op, dtype = row.dtype, layout = "contiguous", kind = "positive", side = 4, threads = 1 }
    offered[key] = pcall(rows.difference, rows.fill(small), peer)
  end
  return offered[key]
end

-- What a row came to: "ok", "refused" or "wrong", and why.
local function run(row)
  if not is_offered(row) then return "refused" end
  rows.fill(row)
  local ok, problem = pcall(rows.difference, row, peer)
  if not ok then return "refused", problem end
  if problem then return "wrong", problem end
  local ours, theirs = measure.row(row, peer)
  row.result = { ours = ours, theirs = theirs }
  return "ok"
end

local wanted, refused = math.tointeger(options.rows), 0
local draw = rows.drawing(math.tointeger(options.seed), operations)
local timed, wrong = {}, {}
report.head(io.stdout)
while #timed + #wrong < wanted and refused < 20 * wanted do
  local row = draw()
  row.name = rows.name(row)
  local state, why = run(row)
  if state == "ok" then
    timed[#timed + 1] = row
    report.line(io.stdout, row)
  elseif state == "wrong" then
    wrong[#wrong + 1] = row
    print(("%s: WRONG: %s"):format(row.name, why))
  else
    refused = refused + 1
  end
  inputs.clear()
  peer:ask("value", "__import__('grid_peer').clear()")
end

-- ---- The summary ---------------------------------------------------------------------------------

local function ratio(row) return row.result.theirs / row.result.ours end
local function share_below(limit)
  local n = 0
  for _, row in ipairs(timed) do n = n + (ratio(row) < limit and 1 or 0) end
  return ("%d (%.1f %%)"):format(n, 100 * n / #timed)
end

if #timed > 0 then
  table.sort(timed, function(a, b) return ratio(a) < ratio(b) end)
  print "\nthe worst 20:"
  report.head(io.stdout)
  for k = 1, math.min(20, #timed) do report.line(io.stdout, timed[k]) end
  print()
  report.foot(io.stdout, timed, peer)
  print(("below 1.0: %s; below 0.8: %s"):format(share_below(1), share_below(0.8)))
end
print(("seed %s: %d rows timed, %d wrong, %d drawn again as one side does not offer them; %d operations"):format(
  options.seed, #timed, #wrong, refused, #operations))
peer:close()
os.exit(#wrong == 0 and 0 or 1)
