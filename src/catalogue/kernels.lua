-- kernels.lua: kernels as families declare them: `kernel "NAME(VIEWS; NUMBERS)"`, and the slots that come of it.
--
-- Holds true: views come first in the struct of a kernel's slots, so that those who serve every kernel walk them
-- as one array. A slot has a name everywhere; a name that is not declared does not compile.

local output = require "output"
local write, header = output.write, output.header

local M = {}

local MOST_VIEWS = 11 -- CR__MAX_VIEWS of backend.h
local types = { int = "int64_t", float = "double", bool = "bool", scalar = "cr_value", rng = "cr__rng_place",
  lines = "cr__line_sizes" }

-- Names that C or C++ keeps for itself: slots are read in both.
local reserved = {}
for word in ([[alignas alignof and asm auto bool break case catch char class compl const continue default delete do
  double else enum explicit export extern false final float for friend goto if inline int long mutable namespace new
  noexcept not operator or override private protected public register return short signed sizeof static struct switch
  template this throw true try typedef typeid typename union unsigned using virtual void volatile while xor v i f op
  rows nrow nview nout device elsewhere]]):gmatch "%S+" do
  reserved[word] = true
end

local function fail(where, message, ...)
  error(("catalogue: kernel %s: " .. message):format(where, ...), 0)
end

-- The words of a list, between commas.
local function items(text)
  local list = {}
  for item in text:gmatch "[^,]+" do list[#list + 1] = item:match "^%s*(.-)%s*$" end
  return list
end

-- `in`, `weight?` (may be absent), `part[4]` (an array).
local function parse_view(where, text)
  local name, rest = text:match "^([%a_][%w_]*)(.*)$"
  local count = rest and rest:match "^%[(%d+)%]$"
  if not name or rest ~= "" and rest ~= "?" and not count then fail(where, "cannot read the view '%s'", text) end
  if count == "0" then fail(where, "has no room for a view in %s", name) end
  return { name = name, optional = rest == "?", count = tonumber(count) }
end

-- `n`, `beta: float`, `shape: int[dims]`; a `scalar` is a number of any kind, `lines` the sizes of a tensor as lines
-- along a dim, `rng` where random numbers begin.
local function parse_number(where, text)
  local name, type = text:match "^([%a_][%w_]*)%s*:%s*(.+)$"
  name = name or text:match "^([%a_][%w_]*)$"
  if not name then fail(where, "cannot read the number '%s'", text) end
  local base, size = (type or "int"):match "^(%a+)(.*)$"
  local count = size and size:match "^%[([%w_]+)%]$"
  local known = count == "dims" or tonumber(count)
  if not types[base] or size ~= "" and not known then fail(where, "number %s has an unknown type '%s'", name, type) end
  return { name = name, type = types[base], count = count == "dims" and "CR_MAX_DIMS" or count }
end

-- "NAME(a, b?; n, log: bool)": { name =, text =, views =, numbers =, nview = }.
function M.parse(text)
  local name, inside = text:match "^%s*([%a_][%w_]*)%s*(%b())%s*$"
  if not name then fail("'" .. text .. "'", "cannot read the declaration") end
  if reserved[name] then fail("'" .. text .. "'", "the name %s is taken", name) end
  local k = { name = name, text = text:gsub("%s+", " "), views = {}, numbers = {} }
  local views, numbers = inside:sub(2, -2):match "^([^;]*);?([^;]*)$"
  if not views then fail(name, "has more than one ';'") end
  local seen, nview = {}, 0
  local function take(slot)
    if reserved[slot.name] then fail(name, "the name of the slot %s is taken", slot.name) end
    if seen[slot.name] then fail(name, "has two slots %s", slot.name) end
    seen[slot.name] = true
    return slot
  end
  for i, item in ipairs(items(views)) do
    k.views[i] = take(parse_view(name, item))
    nview = nview + (k.views[i].count or 1)
  end
  for i, item in ipairs(items(numbers)) do k.numbers[i] = take(parse_number(name, item)) end
  if #k.views + #k.numbers == 0 then fail(name, "has no slots") end
  if nview > MOST_VIEWS then fail(name, "has %d views, and %d at most are possible", nview, MOST_VIEWS) end
  k.nview = nview
  return k
end

-- A kernel that no run function launches is left from another time; `texts` are those of run functions.
function M.check_launched(cat, texts)
  for _, k in ipairs(cat.kernels) do
    if not texts:find("CR__K_" .. k.name .. "%f[^%w_]") then fail(k.name, "no run function launches it") end
  end
end

-- ---- C ------------------------------------------------------------------------------------------

local function write_struct(h, k)
  h[#h + 1] = ("/* %s */"):format(k.text)
  h[#h + 1] = ("typedef struct cr__%s_slots {"):format(k.name)
  for _, v in ipairs(k.views) do
    local size = v.count and ("[%d]"):format(v.count) or ""
    local absent = v.optional and " /* data is NULL where it is absent */" or ""
    h[#h + 1] = ("  cr__view %s%s;%s"):format(v.name, size, absent)
  end
  for _, n in ipairs(k.numbers) do
    h[#h + 1] = ("  %s %s%s;"):format(n.type, n.name, n.count and "[" .. n.count .. "]" or "")
  end
  h[#h + 1] = ("} cr__%s_slots;\n"):format(k.name)
end

function M.write(out_dir, cat)
  local h = header("The slots of kernels: what a launch hands them, by name.")
  h[#h + 1] = "#ifndef CR__SLOTS_H\n#define CR__SLOTS_H\n"
  for _, k in ipairs(cat.kernels) do write_struct(h, k) end
  h[#h + 1] = "/* The members of cr__launch that they become. */\n#define CR__SLOTS \\"
  for _, k in ipairs(cat.kernels) do h[#h + 1] = ("  cr__%s_slots %s; \\"):format(k.name, k.name) end
  h[#h] = h[#h]:gsub(" \\$", "")
  h[#h + 1] = "\n#endif"
  write(out_dir, "slots.h", h)

  local views = header("How many views a kernel has, by its id; 0 where it is not declared.")
  views[#views + 1] = "static const uint8_t views_of[CR__K_COUNT + 1] = {"
  for _, k in ipairs(cat.kernels) do
    views[#views + 1] = ("    [CR__K_%s] = %d,"):format(k.name, k.nview)
  end
  views[#views + 1] = "};"
  write(out_dir, "slot_views.inc", views)
end

return M
