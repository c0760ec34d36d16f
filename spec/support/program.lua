-- program.lua: builds programs in C against the library of the build under test, and runs them.

local shell = require "spec.support.shell"

local M = {}

M.flags = "-std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Isrc -Ibuild/gen"

-- What the build under test is sanitized with, its programs are too.
M.sanitizer = ""
for name, flags in pairs { sanitize = "address,undefined -fno-sanitize-recover=all", tsan = "thread" } do
  if shell.build:find(name, 1, true) then M.sanitizer = "-fsanitize=" .. flags end
end
-- What a child has run counts too: the counts are written by what `exit` calls, and `_exit` does not.
if shell.build:find "coverage$" then M.sanitizer = "-D_exit=exit" end

-- Builds the C file `source` in `folder`, with these flags and libraries besides; returns the program's path.
function M.make(source, folder, libraries)
  local program = folder .. "/" .. source:match "([%w_]+)%.c$"
  local text, status = shell.run(("env -u LD_PRELOAD cc -g %s %s %s -o %s %s -L%s/lib -lcresset -lpthread "
    .. "-Wl,-rpath,$PWD/%s/lib"):format(M.flags, M.sanitizer, source, program, libraries or "", shell.build,
    shell.build))
  assert(status == 0, text)
  return program
end

return M
