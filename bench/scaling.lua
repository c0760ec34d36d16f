-- scaling.lua [--only NAME] [--out FOLDER]: `make scaling`: each kernel's time against size, 1 to 64 M
-- elements, on one thread and on two. Gives a table on the screen and in scaling.md, a panel for each kernel
-- in scaling.svg, where a knee shows that a cache ended, threads joined, or a loop gave way to another.
--
-- Times are of the wall clock, the least of several rounds: what the kernel can do, not what a
-- machine's other work left it.

local cr = require "cresset"
local here = arg[0]:match "^(.*/)" or ""
package.path = here .. "?.lua;" .. package.path
local plot = require "plot"

local options = {}
for i = 1, #arg, 2 do options[arg[i]:match "^%-%-(%w+)$" or ""] = arg[i + 1] end

local largest = 26 -- log2 of elements
local sizes = {}
for e = 0, largest, 2 do sizes[#sizes + 1] = 1 << e end

-- Kernels: name, and a function of a size that gives what is timed. Matrices have about n elements.
local function one(f)
  return function(n)
    local x = cr.rand(n)
    return function() return f(x, n) end
  end
end
local function matrix(f)
  return function(n)
    local rows = math.tointeger(2 ^ (math.floor(math.log(n, 2)) // 2))
    local x = cr.rand(rows, n // rows)
    return function() return f(x) end
  end
end
local kernels = {
  { "add", one(function(x) return x + x end) },
  { "add in place", one(function(x) return x:add_(x) end) },
  { "exp", one(function(x) return x:exp() end) },
  { "gelu", one(function(x) return x:gelu() end) },
  { "to float64", one(function(x) return x:to "float64" end) },
  { "sum", one(function(x) return x:sum() end) },
  { "max", one(function(x) return x:max() end) },
  { "var", one(function(x) return x:var { correction = 0 } end) },
  { "sum, last dim", matrix(function(x) return x:sum(2) end) },
  { "sum, first dim", matrix(function(x) return x:sum(1) end) },
  { "softmax, last dim", matrix(function(x) return x:softmax(2) end) },
  { "softmax, first dim", matrix(function(x) return x:softmax(1) end) },
  { "cumsum", one(function(x) return x:cumsum(1) end) },
  { "transpose copy", matrix(function(x) return x:t():contiguous() end) },
  { "cat", one(function(x) return cr.cat({ x, x }, 1) end) },
  { "index_select", function(n)
    local x, i = cr.rand(n), cr.randint(1, n + 1, { n })
    return function() return x:index_select(1, i) end
  end },
  { "rand", one(function(_, n) return cr.rand(n) end) },
  { "randn", one(function(_, n) return cr.randn(n) end) },
  { "matmul", matrix(function(x) return x:matmul(x:t()) end), limit = 24 },
}

local budget, rounds = 0.012, 5

-- The least seconds per call.
local function least(f)
  local start, calls = cr.clock(), 0
  repeat
    f()
    calls = calls + 1
  until cr.clock() - start > budget
  local best = math.huge
  for _ = 1, rounds do
    start = cr.clock()
    for _ = 1, calls do f() end
    best = math.min(best, (cr.clock() - start) / calls)
  end
  return best
end

local function measure(kernel)
  local series = {}
  for threads = 1, 2 do
    cr.set_num_threads(threads)
    series[threads] = {}
    for k, n in ipairs(sizes) do
      if n <= 1 << (kernel.limit or largest) then
        series[threads][k] = least(kernel[2](n))
        collectgarbage()
        collectgarbage()
      end
    end
  end
  return series
end

local function size_name(n)
  return n >= 1 << 20 and (n >> 20) .. " M" or n >= 1 << 10 and (n >> 10) .. " K" or tostring(n)
end

local function time_name(s)
  if not s then return "" end
  local value, unit = s * 1e9, "ns"
  if s >= 1e-3 then value, unit = s * 1e3, "ms" elseif s >= 1e-6 then value, unit = s * 1e6, "us" end
  return ("%.3g %s"):format(value, unit)
end

local function table_of(results)
  local lines = { "| kernel, threads |" .. (" %s |"):rep(#sizes), "|---|" .. ("---|"):rep(#sizes) }
  local names = {}
  for k, n in ipairs(sizes) do names[k] = size_name(n) end
  lines[1] = lines[1]:format(table.unpack(names))
  for _, r in ipairs(results) do
    for threads = 1, 2 do
      local line = { ("| %s, %d |"):format(r.name, threads) }
      for k = 1, #sizes do line[#line + 1] = " " .. time_name(r.series[threads][k]) .. " |" end
      lines[#lines + 1] = table.concat(line)
    end
  end
  return table.concat(lines, "\n")
end

local results = {}
for _, kernel in ipairs(kernels) do
  if not options.only or kernel[1]:find(options.only, 1, true) then
    io.stderr:write(kernel[1], "\n")
    results[#results + 1] = { name = kernel[1], series = measure(kernel) }
  end
end
if #results == 0 then
  io.stderr:write(("no kernel's name has %q in it\n"):format(options.only))
  os.exit(2)
end

local text = table_of(results)
print(text)
local out = options.out or "."
local file = assert(io.open(out .. "/scaling.md", "w"))
file:write("# Time against size and threads\n\nWritten by `make scaling`: float32, times per call, ",
  "the least of ", rounds, " rounds. The same as a plot: [scaling.svg](scaling.svg).\n\n", text, "\n")
file:close()
file = assert(io.open(out .. "/scaling.svg", "w"))
file:write(plot.panels(results, sizes, { "1 thread", "2 threads" }))
file:close()
print(("written to %s/scaling.md and scaling.svg"):format(out))
