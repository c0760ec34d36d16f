-- run.lua [FILE]: prints `name  ours  peer  ratio`, a line for each measure, and writes the table to
-- FILE too if one is given. Each case runs in a process of its own, ours and the peer's in turn; the
-- ratio says how many times less we take. Where python3 has no PyTorch the peer's column is empty.

local rows = {
  { case = "add", "a + b, 4 floats (ns)" },
  { case = "backward", "(x * b):sum():backward(), 4 floats (us)" },
  { case = "chain", "chain of 1,000,000 nodes (s)" },
  { case = "require", "require (ms)", "resident after require (MB)" },
  { case = "temporaries", "2,000 temporaries of 1 MB, peak (MB)" },
}

-- The lines that a command prints, or nil and its exit status.
local function run(command)
  local pipe = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  local ok, _, code = pipe:close()
  if not ok then return nil, code end
  return lines
end

local here = arg[0]:match "^(.*/)" or ""
local version = run("python3 " .. here .. "peer.py version 2>/dev/null")
local out = {}

local function emit(...)
  local line = ("%-42s %10s %10s %8s"):format(...)
  out[#out + 1] = line
  print(line)
end

emit("name", "ours", "peer", "ratio")
for _, row in ipairs(rows) do
  local ours = assert(run("lua5.4 " .. here .. "ours.lua " .. row.case), row.case .. " failed")
  local peer = version and assert(run("python3 " .. here .. "peer.py " .. row.case))
  for i, name in ipairs(row) do
    local mine, theirs = tonumber(ours[i]), peer and tonumber(peer[i])
    emit(name, ("%.4g"):format(mine), theirs and ("%.4g"):format(theirs) or "-",
      theirs and ("%.1f"):format(theirs / mine) or "-")
  end
end
local peer = version and "peer: PyTorch " .. version[1] .. " on the CPU"
  or "peer: missing (python3 finds no PyTorch)"
print(peer)

if arg[1] then
  local file = assert(io.open(arg[1], "w"))
  file:write("# Benchmarks\n\n`make bench RESULTS=bench/RESULTS.md` writes this file; the numbers belong to the ",
    "machine it ran on.\n\n```\n", table.concat(out, "\n"), "\n```\n\n", peer, "\n")
  file:close()
end
