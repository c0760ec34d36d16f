-- run.lua [--row NAME] [--results FILE]: `make bench`: times each row of rows.lua on both sides. Prints `name
-- ours  peer  ratio  target`, a line a row, and the geometric mean of the ratios; writes the table to FILE as well.
--
-- The ratio says how many times less we take than the peer, PyTorch on the same CPU with the same
-- number of threads, measured in turn with ours in one run. NAME is a part of a row's name. Where
-- python3 has no PyTorch the peer's columns are empty and no file is written.

local here = arg[0]:match "^(.*/)" or ""
package.path = here .. "?.lua;" .. package.path

local measure = require "measure"
local report = require "report"
local rows = require "rows"

local options = {}
for i = 1, #arg, 2 do options[arg[i]:match "^%-%-(%w+)$" or ""] = arg[i + 1] end

local peer = measure.peer()
local chosen = {}
for _, row in ipairs(rows) do
  if not options.row or row.name:find(options.row, 1, true) then chosen[#chosen + 1] = row end
end
if #chosen == 0 then
  io.stderr:write(("no row's name has %q in it\n"):format(options.row))
  os.exit(2)
end

report.head(io.stdout)
local failed = 0
for _, row in ipairs(chosen) do
  local ok, ours, theirs = pcall(row.program and measure.program or measure.row, row, peer)
  if ok then
    row.result = { ours = ours, theirs = theirs }
    report.line(io.stdout, row)
  else
    failed = failed + 1
    print(("%-44s failed: %s"):format(row.name, ours))
  end
end
report.foot(io.stdout, chosen, peer)

if options.results and not options.row and peer and failed == 0 then report.write(options.results, chosen, peer) end
if peer then peer:close() end
os.exit(failed == 0 and 0 or 1)
