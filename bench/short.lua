-- short.lua [op=NAME] [n=N] [dtype=NAME] [dim=first|last] [elements=COUNT] [threads=N]: operations along a dim
-- of few elements, beside PyTorch.
--
-- A line is an operation, a dtype and which dim is the short one (the last: rows; the first: columns), and has
-- a number for each length of that dim: how many times less we take than the peer (without one: microseconds).
-- Both sides take turns, and of each the shortest round counts. Each option leaves out what is not named
-- (several names: with a comma between).

local here = arg[0]:match "^(.*/)" or ""
package.path = here .. "?.lua;" .. package.path

local cr = require "cresset"
local measure = require "measure"

local options = {}
for _, word in ipairs(arg) do
  local key, value = word:match "^(%w+)=(.*)$"
  options[key or error("an option is NAME=VALUE, not " .. word)] = value
end

local lengths = { 2, 3, 5, 8, 16, 31, 50, 64, 100, 128 }
local dtypes = { "float32", "float64", "int64", "int32", "float16", "bfloat16" }
local elements, threads = tonumber(options.elements or 200000), tonumber(options.threads or 2)
local rounds, seconds = tonumber(options.rounds or 25), 0.001

-- name; our body; the peer's, where it is not the same; how it is called where x has no floats, or false.
local operations = {
  { "sum", "x:sum(D)" },
  { "mean", "x:mean(D)", whole = false },
  { "prod", "x:prod(D)" },
  { "amax", "x:amax(D)" },
  { "amin", "x:amin(D)" },
  { "norm", "x:norm(2, D)", "x.norm(2, D)", whole = false },
  { "var", "x:var(D)", whole = false },
  { "any", "x:any(D)" },
  { "all", "x:all(D)" },
  { "logsumexp", "x:logsumexp(D)", whole = false },
  { "softmax", "x:softmax(D)", whole = false },
  { "log_softmax", "x:log_softmax(D)", whole = false },
  { "softmax_backward", "y:backward(g, { retain_graph = true, inputs = { x } })",
    "y.backward(g, retain_graph=True, inputs=[x])", whole = false, setup = "softmax" },
  { "log_softmax_backward", "y:backward(g, { retain_graph = true, inputs = { x } })",
    "y.backward(g, retain_graph=True, inputs=[x])", whole = false, setup = "log_softmax" },
  { "cumsum", "x:cumsum(D)" },
  { "cumprod", "x:cumprod(D)" },
  { "cummax", "x:cummax(D)" },
  { "logcumsumexp", "x:logcumsumexp(D)", whole = false },
  { "argmax", "x:argmax(D)" },
  { "max", "x:max(D)" },
  { "topk", "x:topk(2, D)" },
  { "sort", "x:sort(D)" },
  { "median", "x:median(D)" },
}

local function among(list, name)
  if not list then return true end
  for word in list:gmatch "[^,]+" do if word == tostring(name) then return true end end
  return false
end

-- The two setups: a tensor x whose dim D is short.
local function setups(op, dtype, dim, n)
  local shape = dim == "last" and ("%d, %d"):format(elements // n, n) or ("%d, %d"):format(n, elements // n)
  local float = not dtype:find "^int"
  local ours = float and ("local x = cr.randn({ %s }):to('%s')"):format(shape, dtype)
    or ("local x = cr.randint(-100, 100, { %s }):to('%s')"):format(shape, dtype)
  local theirs = float and ("x = torch.randn(%s).to(torch.%s)"):format(shape, dtype)
    or ("x = torch.randint(-100, 100, (%s)).to(torch.%s)"):format(shape, dtype)
  local d = dim == "last" and 2 or 1
  if op.setup then
    ours = ours .. ("\nx:requires_grad_() local y = x:%s(%d) local g = cr.ones_like(y)"):format(op.setup, d)
    theirs = theirs
      .. ("\nx.requires_grad_()\ny = x.%s(%d)\ng = torch.ones_like(y)"):format(op.setup, d - 1)
  end
  return ours, theirs
end

local function bodies(op, dim)
  local d = dim == "last" and 2 or 1
  local ours = op[2]:gsub("D", d)
  local theirs = (op[3] or op[2]:gsub(":", ".")):gsub("D", d - 1)
  return op.setup and ours .. " x.grad = nil" or "local _ <close> = " .. ours,
    op.setup and theirs .. "\nx.grad = None" or theirs
end

local function calls_of(side)
  side(1)
  local calls, took = 1, side(1)
  while took < 0.8 * seconds do
    calls = math.ceil(calls * math.min(100, seconds / math.max(took, 1e-7)))
    took = side(calls)
  end
  return calls
end

local function shortest(sides)
  local calls, best = {}, { math.huge, math.huge }
  for i, side in ipairs(sides) do calls[i] = calls_of(side) end
  for _ = 1, rounds do
    for i, side in ipairs(sides) do
      side((calls[i] + 1) // 2)
      best[i] = math.min(best[i], side(calls[i]) / calls[i])
    end
  end
  return best
end

local peer = measure.peer()
cr.set_num_threads(threads)
if peer then peer:ask("threads", threads) end

local function time(op, dtype, dim, n)
  local ours, theirs = setups(op, dtype, dim, n)
  local body, peer_body = bodies(op, dim)
  local loop = measure.loop(ours, body)
  local sides = { function(calls)
    local start = cr.clock()
    loop(calls)
    return cr.clock() - start
  end }
  if peer then
    peer:ask("setup", theirs)
    peer:ask("body", peer_body)
    sides[2] = function(calls) return tonumber(peer:ask("time", calls)) end
  end
  local best = shortest(sides)
  collectgarbage()
  return best
end

local function line(op, dtype, dim)
  io.write(("%-20s %-8s %-5s"):format(op[1], dtype, dim))
  for _, n in ipairs(lengths) do
    if among(options.n, n) then
      local ok, best = pcall(time, op, dtype, dim, n)
      if not ok then io.write(("%7s"):format "-")
      elseif options.times then io.write((" %6.1f/%-6.1f"):format(best[1] * 1e6, best[2] * 1e6))
      else io.write(("%7.2f"):format(peer and best[2] / best[1] or best[1] * 1e6)) end
      io.flush()
    end
  end
  print()
end

io.write(("%-35s"):format "")
for _, n in ipairs(lengths) do
  if among(options.n, n) then io.write((options.times and "%14d" or "%7d"):format(n)) end
end
print()
for _, op in ipairs(operations) do
  for _, dtype in ipairs(dtypes) do
    for _, dim in ipairs { "last", "first" } do
      local fits = op.whole ~= false or not dtype:find "^int"
      if fits and among(options.op, op[1]) and among(options.dtype, dtype) and among(options.dim, dim) then
        line(op, dtype, dim)
      end
    end
  end
end
if peer then peer:close() end
