-- chunk.lua: chunks of the prompt, whose top-level locals live on in the chunks after them.
--
-- Holds true: a kept local is one variable, whichever chunk or closure reads or writes it; a new `local`
-- of its name is another one, which closures made before do not see. A constant stays constant. What is
-- <close> is closed where its chunk ends, as Lua says, and is not kept.

local M = {}
M.__index = M

-- ---- Reading: the local statements at the top level of a text that compiles -----------------------------

local opens = { ["function"] = 1, ["do"] = 1, ["if"] = 1, ["repeat"] = 1, ["end"] = -1, ["until"] = -1 }

-- Returns where the string, comment or long bracket that begins at i ends, or nil if none begins there.
local function skip(text, i)
  local c = text:sub(i, i)
  if c == '"' or c == "'" then
    local j = i + 1
    while text:sub(j, j) ~= c do
      if text:sub(j, j + 1) == "\\z" then j = text:find("%S", j + 2) or #text + 1
      else j = j + (text:sub(j, j) == "\\" and 2 or 1) end
      if j > #text then return #text end
    end
    return j
  end
  local start = c == "-" and text:sub(i, i + 1) == "--" and i + 2 or c == "[" and i
  if not start then return nil end
  local level = text:match("^%[(=*)%[", start)
  if level then return select(2, text:find("]" .. level .. "]", start, true)) or #text end
  if c == "-" then return (text:find("\n", i, true) or #text + 1) - 1 end
  return nil
end

-- Calls f(kind, token, first) for each token, kind being "name" or "other".
local function each_token(text, f)
  local i = 1
  while i <= #text do
    local past = skip(text, i)
    local name = text:match("^[%a_][%w_]*", i)
    local number = text:match("^%.?%d[%w%.]*", i)
    if past then
      f("other", "", i)
      i = past + 1
    elseif name then
      f("name", name, i)
      i = i + #name
    elseif number then
      i = i + #number
    else
      local c = text:sub(i, i)
      if not c:find "%s" then f("other", c, i) end
      i = i + 1
    end
  end
end

-- The names of the top-level locals in the order of their statements, with the attribute of each; the set of
-- all names; and where a top-level return begins.
local function scan(text)
  local found, used, last_return = {}, {}, nil
  local depth, state = 0, nil
  each_token(text, function(kind, token, first)
    if kind == "name" then used[token] = true end
    if state == "local" and token == "function" then
      state = "function" -- `local function f`
      depth = depth + 1
      return
    elseif state == "function" then
      found[#found + 1] = { name = token }
      state = nil
      return
    elseif state == "local" and kind == "name" then
      found[#found + 1] = { name = token }
      state = "behind"
      return
    elseif state == "behind" then
      if token == "<" then state = "attribute" return end
      state = token == "," and "local" or nil
      if state then return end
    elseif state == "attribute" then
      if kind == "name" then found[#found].attribute = token end
      if token == ">" then state = "behind" end
      return
    end
    if kind ~= "name" then return end
    if depth == 0 and token == "local" then state = "local" end
    if depth == 0 and token == "return" then last_return = first end
    depth = depth + (opens[token] or 0)
  end)
  return found, used, last_return
end

-- ---- Compiling -------------------------------------------------------------------------------------------

local capture_name = "_cresset_kept" -- a parameter of the chunk; no global of that name is touched

-- Returns the text with a call at its end, before a return, that hands over a closure of the variables.
local function with_capture(text, names, at)
  local list = table.concat(names, ", ")
  local call = (" %s(function() return %s end) "):format(capture_name, list)
  if at then return text:sub(1, at - 1) .. call .. text:sub(at) end
  return text .. "\n" .. call
end

-- The upvalue of f with that name, or nil.
local function find_upvalue(f, name)
  for i = 1, 255 do
    local found = debug.getupvalue(f, i)
    if not found then return nil end
    if found == name then return i end
  end
end

--- A new session without locals; its `kept` has for each name a closure and an index of its upvalue, or
-- the value of a compile-time constant.
function M.new()
  return setmetatable({ kept = {} }, M)
end

-- The kept names that the text uses: declared as locals around it, variables and constants apart.
local function prelude(self, used)
  local variables, constants, values = {}, {}, {}
  for name in pairs(used) do
    local k = self.kept[name]
    if k and k.constant then
      constants[#constants + 1] = name .. " <const>"
      values[#values + 1] = k.value
      values.n = #constants
    elseif k then
      variables[#variables + 1] = name
    end
  end
  local text = ""
  if #variables > 0 then text = "local " .. table.concat(variables, ", ") .. " " end
  if #constants > 0 then text = text .. "local " .. table.concat(constants, ", ") .. " = ... " end
  return text, variables, values
end

local function keep(self, found)
  return function(closure)
    local values = table.pack(closure())
    for i, name in ipairs(found) do
      local upvalue = find_upvalue(closure, name)
      if found.constant[name] then self.kept[name] = { constant = true, value = values[i] }
      else self.kept[name] = { closure = closure, upvalue = upvalue } end
    end
  end
end

-- The names to keep: each once, the last declaration counting; closed ones are not kept.
local function to_keep(found)
  local names, last = { constant = {} }, {}
  for _, v in ipairs(found) do last[v.name] = v end
  for _, v in ipairs(found) do
    if last[v.name] == v and v.attribute ~= "close" and v.name ~= "_" then
      names[#names + 1] = v.name
      names.constant[v.name] = v.attribute == "const"
    end
  end
  return names
end

-- Compiles the body within the kept locals; returns the function, or nil and a message.
local function build(self, text, used, names, at)
  local head, variables, values = prelude(self, used)
  local body = #names > 0 and with_capture(text, names, at) or text
  local source = ("%sreturn function(%s, ...) %s\nend"):format(head, capture_name, body)
  local make, message = load(source, "=prompt", "t")
  if not make then return nil, message end
  local inner = make(table.unpack(values, 1, values.n or 0))
  for _, name in ipairs(variables) do
    local i, k = find_upvalue(inner, name), self.kept[name]
    if i then debug.upvaluejoin(inner, i, k.closure, k.upvalue) end
  end
  local hand_over = keep(self, names)
  return function(...) return inner(hand_over, ...) end
end

-- Two tries: a text may jump to a label at its end, or have all the locals that a function can have; then
-- nothing of it is kept. What the second one says is the text's own mistake, such as writing a constant.
local function compile_text(self, text)
  local plain, message = load(text, "=prompt", "t")
  if not plain then return nil, message end
  local found, used, at = scan(text)
  local f = build(self, text, used, to_keep(found), at)
  if f then return f end
  return build(self, text, used, {})
end

--- Compiles a chunk, or an expression whose values it then returns. Returns a function, or nil and a
-- message, or nil and nil if more lines must follow.
function M:compile(text)
  local expression = text:match "^%s*=(.*)$" or text
  local f = compile_text(self, "return " .. expression)
  if f then return f end
  local message
  f, message = compile_text(self, text)
  if f then return f end
  if message:find("<eof>", -5, true) then return nil, nil end
  return nil, message
end

--- The kept locals by name, for completion.
function M:names()
  local values = {}
  for name, k in pairs(self.kept) do
    if k.constant then values[name] = k.value
    else values[name] = select(2, debug.getupvalue(k.closure, k.upvalue)) end
  end
  return values
end

return M
