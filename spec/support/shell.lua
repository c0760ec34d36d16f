-- shell.lua: runs programs and returns what they print.

local M = {}

-- The folder of the build under test, set by the Makefile for each variant.
M.build = os.getenv "CRESSET_BUILD" or "build"
M.runner = M.build .. "/bin/cresset"
M.sanitized = M.build:find("san", 1, true) ~= nil

function M.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

function M.read(path)
  local file = io.open(path)
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

function M.write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

-- Runs a command line; returns what it wrote to both outputs, and its exit status.
function M.run(command, input)
  local out, given = os.tmpname(), os.tmpname()
  M.write(given, input or "")
  local limit = "timeout -k 5 300 sh -c " -- nothing that hangs may hang the specs
  local _, _, status = os.execute(("%s%s < %s > %s 2>&1"):format(limit, M.quote(command), given, out))
  local text = M.read(out)
  os.remove(out)
  os.remove(given)
  return text, status
end

-- What a command prints, a line each.
function M.lines(command)
  local list = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

-- Runs the runner with arguments.
function M.cresset(arguments, input) return M.run(M.runner .. " " .. arguments, input) end

-- A new empty folder.
function M.folder()
  local pipe = assert(io.popen "mktemp -d")
  local name = assert(pipe:read "l")
  pipe:close()
  return name
end

function M.exists(program) return (os.execute("command -v " .. program .. " > /dev/null 2>&1")) == true end

return M
