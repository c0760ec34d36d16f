-- refuses.lua: refuses(pattern, f, ...): that a call raises one line which a pattern of Lua matches.
-- refuses.words(words, f, ...): the same with words as they are, in any message.

local function message_of(f, ...)
  local ok, message = pcall(f, ...)
  assert(not ok, "not refused")
  assert(type(message) == "string", "the error is a " .. type(message))
  return message
end

return setmetatable({
  words = function(words, f, ...)
    local message = message_of(f, ...)
    assert(message:find(words, 1, true), message)
  end,
}, { __call = function(_, pattern, f, ...)
  local message = message_of(f, ...)
  assert(message:find(pattern), message)
  assert(not message:find("\n", 1, true), message)
end })
