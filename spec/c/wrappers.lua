-- wrappers.lua: writes wrappers.inc for fuzz.c: for each prototype of the generated cresset_ops.h a function
-- that calls it with random arguments: `lua5.4 spec/c/wrappers.lua PROTOTYPES OUTPUT`.
--
-- Holds true: it reads the prototypes alone, as a C program would.

local source, target = arg[1], arg[2]

local makers = {
  ["cr_tensor *"] = "any_tensor()",
  ["double"] = "any_double()", ["int64_t"] = "any_int()", ["bool"] = "any_bool()",
  ["const char *"] = "any_string()", ["cr_dtype"] = "any_dtype()", ["cr_device"] = "any_device()",
}
-- A cr_value, by the type that the signature in the comment gives the parameter.
local function value_of(signature, name)
  local type, optional = signature:match("[(%s]" .. name .. ": (%a+)(%??)")
  return ("any_value(CR_P_%s, %s)"):format((type or "scalar"):upper(), optional == "?")
end
local lists = { ["const int64_t *"] = "any_ints", ["const double *"] = "any_floats",
  ["cr_tensor *const *"] = "any_tensors" }

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

-- "const int64_t *dim" is { type = "const int64_t *", name = "dim" }.
local function parameters(text)
  local list = {}
  for part in text:gmatch "[^,]+" do
    local type, name = part:match "^%s*(.-%s*%**)%s*([%w_]+)%s*$"
    list[#list + 1] = { type = type:gsub("%s+$", ""), name = name }
  end
  return list
end

-- The outputs that the comment above a prototype names: "-> values, indices".
local function count_outputs(comment)
  local names = comment:match "%->%s*([%w_, ]+)"
  local n = 0
  for _ in (names or ""):gmatch "[%w_]+" do n = n + 1 end
  return n
end

local out = { "/* Generated from cresset_ops.h by wrappers.lua. */" }
local function put(...) out[#out + 1] = string.format(...) end

local names, nout, signature = {}, 0, ""
for comment, result, name, text in read(source):gmatch "(.-)CR_API ([%w_]+ %*?)%s*([%w_]+)%(([^;]*)%);" do
  local list, given, i = parameters(text), {}, 1
  if comment:find "/%*" then signature, nout = comment, count_outputs(comment) end -- forms may share one
  put("static int call_%s(results *made) {", name)
  while i <= #list do
    local p, after = list[i], list[i + 1]
    if p.type == "cr_tensor **" then
      given[#given + 1] = "made->out"
      if after then given[#given + 1] = "&made->n" end
      break
    elseif lists[p.type] then
      put("  int %s;\n  %s%s = %s(&%s);", after.name, p.type, p.name, lists[p.type], after.name)
      given[#given + 1], given[#given + 2] = p.name, after.name
      i = i + 1
    else
      local maker = p.type == "cr_value" and value_of(signature, p.name) or makers[p.type]
      put("  %s %s = %s;", p.type, p.name, assert(maker, name .. " has a parameter of type " .. p.type))
      given[#given + 1] = p.name
    end
    i = i + 1
  end
  put('  before("", "%s");', name)
  local call = ("%s(%s)"):format(name, table.concat(given, ", "))
  if result:find "*" then put("  return one(%s, made);", call)
  elseif given[#given] == "&made->n" then put("  return %s;", call)
  else put("  return several(%s, %d, made);", call, nout) end
  put("}")
  names[#names + 1] = name
end
assert(#names > 100, "no prototypes found in " .. source)

put("static const struct {\n  int (*call)(results *made);\n  bool writes;\n} wrappers[] = {")
for _, name in ipairs(names) do
  local writes = name:find "_$" or name:find "__scalar$"
  put("    {call_%s, %s},", name, writes and "true" or "false")
end
put("};")
local file = assert(io.open(target, "w"))
file:write(table.concat(out, "\n"), "\n")
file:close()
