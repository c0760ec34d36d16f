-- scratch.lua: a folder for the files of a spec, which is taken away at its end.

local M = {}

--- A new folder: folder(name) gives a path in it, folder.write(name, bytes), folder.read(name), folder.names(), and
--- folder.remove().
function M.new()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute(("mkdir -p '%s'"):format(path)))
  local folder = { path = path }
  function folder.write(name, bytes)
    local file = assert(io.open(path .. "/" .. name, "wb"))
    file:write(bytes)
    file:close()
    return path .. "/" .. name
  end
  function folder.read(name)
    local file = io.open(path .. "/" .. name, "rb")
    local bytes = file and file:read "a"
    if file then file:close() end
    return bytes
  end
  function folder.names()
    local pipe, list = assert(io.popen(("ls -A '%s'"):format(path))), {}
    for name in pipe:lines() do list[#list + 1] = name end
    pipe:close()
    return list
  end
  function folder.remove() os.execute(("rm -rf '%s'"):format(path)) end
  return setmetatable(folder, { __call = function(_, name) return path .. "/" .. name end })
end

return M
