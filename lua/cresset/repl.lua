-- repl.lua: the interactive prompt: reads chunks, prints their results, completes names.
--
-- Holds true: everything that can fail or take long happens inside host.call, so that no error and no
-- Ctrl-C ends the session. `host` is the runner's terminal: read(prompt), remember(line, file),
-- recall(file), call(f, ...), and the flag `interactive`; this file sets host.complete.

local cr = require "cresset"
local chunk_session = require "cresset.chunk"

local repl = {}

local session = chunk_session.new() -- the locals of the prompt

local help = [[
An expression prints its values; anything else runs as a chunk. A chunk may span lines.
A `local` outlives its chunk; what is <close> is closed when its chunk ends.
  Tab             completes globals, fields, and after `x:` the methods of x
  :help           this text; :help NAME is the entry of an operation
  :traceback      where the last error came from
  :quit, Ctrl-D   leaves; Ctrl-C stops what is running or drops what is typed]]

-- ---- Printing -----------------------------------------------------------------------------------

local entries_shown = 20

-- One level of a plain table, the list part first; whatever knows how to print itself does so.
local function show(value)
  if type(value) ~= "table" then return tostring(value) end
  local meta = getmetatable(value)
  if type(meta) == "table" and (meta.__tostring or meta.__name) then return tostring(value) end
  local parts, n = {}, #value
  local function add(text, item)
    if type(item) == "string" then item = string.format("%q", item) end
    item = tostring(item)
    parts[#parts + 1] = text .. (item:find "\n" and item:match "%[[^\n%[]*%]%s*$" or item)
  end
  for i = 1, math.min(n, entries_shown) do add("", value[i]) end
  for k, v in next, value do
    if #parts > entries_shown then break end
    if not (math.type(k) == "integer" and k >= 1 and k <= n) then
      add((type(k) == "string" and k or "[" .. tostring(k) .. "]") .. " = ", v)
    end
  end
  if #parts > entries_shown or n > entries_shown then parts[entries_shown + 1] = "..." end
  return "{" .. table.concat(parts, ", ", 1, math.min(#parts, entries_shown + 1)) .. "}"
end

-- Values stand on one line if each of them does.
local function print_values(...)
  local texts, separator = table.pack(...), "\t"
  for i = 1, texts.n do
    texts[i] = show(texts[i])
    if texts[i]:find "\n" then separator = "\n" end
  end
  if texts.n > 0 then print(table.concat(texts, separator)) end
end

-- ---- Reading a chunk -----------------------------------------------------------------------------

-- Reads lines until they are a chunk. Returns a function or a command, or "end".
local function read_chunk(host, file)
  local text
  while true do
    local line, why = host.read(text and ">> " or "> ")
    if not line then
      if why == "interrupted" then return nil end
      return "end"
    end
    line = line:gsub("\r?\n$", "")
    if line:find "%S" then host.remember(line, file) end
    if not text and line:find "^%s*:%a" then return line end
    text = text and text .. "\n" .. line or line
    if not text:find "%S" then return nil end
    local f, message = session:compile(text)
    if f then return f end
    if message then
      print(message)
      return nil
    end
  end
end

-- ---- Completion ----------------------------------------------------------------------------------

local function add_names(names, from, prefix)
  if type(from) ~= "table" then return end
  for name in next, from do
    if type(name) == "string" and name:find "^[%a_][%w_]*$" and name:sub(1, #prefix) == prefix then
      names[name] = true
    end
  end
end

-- What may follow `value.` or `value:`: of a tensor its fields or its methods; of anything else the
-- names it has, and those of the tables behind __index.
local function collect(value, separator, prefix)
  local names = {}
  if cr.is_tensor(value) then
    local told = require "cresset.help"
    add_names(names, separator == ":" and cr.methods() or told.fields, prefix)
    if separator == ":" then add_names(names, told.aliases "method", prefix) end
    return names
  end
  if value == cr then add_names(names, require("cresset.help").aliases "func", prefix) end
  for _ = 1, 10 do
    add_names(names, value, prefix)
    local meta = debug.getmetatable(value)
    if type(meta) ~= "table" then break end
    add_names(names, meta.lazy, prefix)
    if value == cr.foreach then add_names(names, meta.names(), prefix) end
    value = meta.__index
  end
  return names
end

local keywords = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto",
  "if", "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while" }

-- Returns what to insert after `text`, and the sorted candidates.
function repl.complete(text)
  local path, separator, prefix = text:match "([%a_][%w_%.]*)([%.:])([%w_]*)$"
  local names
  if path then
    local value = setmetatable(session:names(), { __index = _G })
    for name in path:gmatch "[^%.]+" do
      if value == nil then return "", {} end
      value = value[name]
    end
    if value == nil then return "", {} end
    names = collect(value, separator, prefix)
  else
    prefix = text:match "[%a_][%w_]*$" or ""
    if prefix == "" then return text:find "^%s*$" and "  " or "", {} end
    names = collect(_G, ".", prefix)
    add_names(names, session:names(), prefix)
    for _, word in ipairs(keywords) do add_names(names, { [word] = true }, prefix) end
  end

  local list = {}
  for name in pairs(names) do list[#list + 1] = name end
  table.sort(list)
  local common = list[1] or prefix
  for _, name in ipairs(list) do
    while name:sub(1, #common) ~= common do common = common:sub(1, -2) end
  end
  return common:sub(#prefix + 1), list
end

-- ---- The loop ------------------------------------------------------------------------------------

local last_error = "no error so far"

local function report(message)
  last_error = message:match "^(.*)\n%s*%[C%]: in [%w ]+'call'\n" or message -- less our own frames
  print((message:match "^(.-)\nstack traceback:" or message))
end

local commands = {
  help = function(name) print(name and cr.help(name) or help) end,
  traceback = function() print(last_error) end,
}

local function run(host, chunk)
  if type(chunk) == "string" then
    local name, argument = chunk:match "^%s*:(%a+)%s*(%S*)"
    local command = commands[name]
    if not command then
      print("there is no command :" .. name .. "; :help lists them")
      return
    end
    local ok, message = host.call(command, argument ~= "" and argument or nil)
    if not ok then report(message) end
    return
  end
  local results = table.pack(host.call(chunk))
  local ok, message = results[1], results[2]
  if ok then ok, message = host.call(print_values, table.unpack(results, 2, results.n)) end
  if not ok then report(message) end
end

local function start(_, host)
  local home = host.interactive and os.getenv "HOME"
  local file = home and home .. "/.cresset_history" or nil
  if file then host.recall(file) end
  host.complete = repl.complete
  if host.interactive then print("Cresset " .. cr.version .. ", " .. _VERSION .. ". :help for help.") end
  while true do
    local chunk = read_chunk(host, file)
    if chunk == "end" or type(chunk) == "string" and chunk:find "^%s*:q" then break end
    if chunk then run(host, chunk) end
  end
  print()
end

return setmetatable(repl, { __call = start })
