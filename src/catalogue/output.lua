-- output.lua: what the parts of the generator share: files, quoting, and mistakes.
--
-- Holds true: a file is rewritten only when its text changes, so that nothing is compiled for no reason.

local M = {}

-- Writes the lines as the file `name` of `directory`.
function M.write(directory, name, lines)
  local text = table.concat(lines, "\n") .. "\n"
  local path = directory .. "/" .. name
  local old = io.open(path, "r")
  if old then
    local same = old:read("a") == text
    old:close()
    if same then return end
  end
  local file, why = io.open(path, "w")
  if not file then error(("catalogue: cannot write %s: %s"):format(path, why), 0) end
  file:write(text)
  file:close()
end

function M.header(what)
  return { "/* " .. what .. " Generated from the catalogue by gen.lua. */" }
end

-- A line of C, broken after commas where it is long.
function M.wrap(line)
  local lines, now = {}, ""
  for part in (line .. ", "):gmatch "(.-, )" do
    if #now + #part > 100 and now:find "%S" then
      lines[#lines + 1] = now:gsub(" $", "")
      now = line:match "^ *" .. "    "
    end
    now = now .. part
  end
  lines[#lines + 1] = now:sub(1, -3)
  return table.concat(lines, "\n")
end

-- A C string literal.
function M.quote(s)
  return '"' .. s:gsub('[\\"]', "\\%0"):gsub("\n%s*", " ") .. '"'
end

-- A mistake in entry e: one sentence that names it.
function M.fail(e, message, ...)
  error(("catalogue: %s: " .. message):format(e.name, ...), 0)
end

return M
