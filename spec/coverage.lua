-- coverage.lua: what share of the source the specs run: `lua5.4 spec/coverage.lua FILES.csv`, as gcovr writes it.
--
-- Holds true: lines and branches are added up per folder, and over all that is written by hand, but for the CPU's
-- vector loops, which are compiled several times from one text. The exit status is 1 where the total is below the
-- thresholds: raise them when the specs reach more.

local least = { lines = 96, branches = 85 }

local function new(name) return { name = name, lines = 0, lines_run = 0, branches = 0, branches_run = 0 } end

local function add(to, from)
  for key, n in pairs(from) do
    if key ~= "name" then to[key] = to[key] + n end
  end
end

local function share(run, all) return all == 0 and 100 or 100 * run / all end

local function print_row(row)
  print(("%-28s %6d lines %5.1f %%  %6d branches %5.1f %%"):format(row.name, row.lines,
    share(row.lines_run, row.lines), row.branches, share(row.branches_run, row.branches)))
end

local files, folders, names, total = {}, {}, {}, new "src, outside the CPU's loops"
for line in io.lines(arg[1]) do
  local path, lines, lines_run, branches, branches_run = line:match "^([^,]+),(%d+),(%d+),[^,]*,(%d+),(%d+),"
  if path then
    local file = new(path)
    file.lines, file.lines_run = tonumber(lines), tonumber(lines_run)
    file.branches, file.branches_run = tonumber(branches), tonumber(branches_run)
    files[#files + 1] = file
    local folder = path:find "^build/gen/api" and "generated C wrappers" or path:match "^(.*)/"
    if path:find "/loops[%w_]*%.c$" then folder = "the CPU's loops" end
    if not folders[folder] then
      folders[folder] = new(folder)
      names[#names + 1] = folder
    end
    add(folders[folder], file)
    if path:find "^src/" and not path:find "/loops[%w_]*%.c$" then add(total, file) end
  end
end
assert(#files > 0, "no files in " .. arg[1])

table.sort(files, function(a, b)
  return a.branches - a.branches_run > b.branches - b.branches_run
end)
print "files with the most branches that no spec takes:"
for i = 1, math.min(15, #files) do print_row(files[i]) end
print "folders:"
table.sort(names)
for _, name in ipairs(names) do print_row(folders[name]) end
print_row(total)

local good = true
for what, percent in pairs(least) do
  local reached = share(total[what .. "_run"], total[what])
  if reached < percent then
    good = false
    print(("%s: %.1f %% of them are run, and %g %% were"):format(what, reached, percent))
  end
end
os.exit(good)
