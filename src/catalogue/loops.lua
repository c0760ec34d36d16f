-- loops.lua: the pointwise expressions, once per dtype that they are computed in.
--
-- Holds true: every function in an expression gets the suffix of the type, every number the type T; so CPU
-- and CUDA compile one text, and no literal slips into double.

local catalogue = require "catalogue"
local output = require "output"
local write, header, fail = output.write, output.header, output.fail

local M = {}

local suffixes = { float = { "f64", "f32" }, int = { "i64", "i32", "i16", "i8", "u8" }, bool = { "b8" },
  complex = {} }

-- Gives every function the suffix of its type and every number the type T.
local function specialize(text, suffix)
  text = text:gsub("%f[%w_.][%d]+%.?%d*[eE]?%-?%d*", function(number)
    return "((T)" .. number .. ")"
  end)
  return (text:gsub("%f[%w_]([%a_][%w_]*)(%s*%()", suffix .. "_%1%2"))
end

-- The kinds of dtypes that it takes, as words.
function M.categories(e)
  return e.dtypes or e.promote == "float" and "float" or "float int"
end

local function count_numbers(e)
  local n = 0
  for _, p in ipairs(e.params) do
    if not catalogue.types[p.type].tensor then n = n + 1 end
  end
  return n
end

local function write_pointwise(out_dir, entries)
  local h = header("Pointwise expressions by compute dtype.")
  for _, e in ipairs(entries) do
    if e.pointwise then
      local nk = count_numbers(e)
      -- What promotes to float is computed in float, whatever it accepts.
      local computed = e.promote == "float" and "float" or M.categories(e)
      for category in computed:gmatch("%a+") do
        if not suffixes[category] then fail(e, "unknown category '%s' in dtypes", category) end
        for _, suffix in ipairs(suffixes[category]) do
          h[#h + 1] = ("CR__LOOP(%s, %s, %d, %d, %s, %s)"):format(e.name, suffix, #e.params - nk, nk,
            e.promote == "bool" and "bool" or "same", specialize(e.pointwise, suffix))
        end
      end
    end
  end
  write(out_dir, "pointwise.inc", h)
end

local function write_quick(out_dir, entries)
  local h = header("Quick forms of pointwise expressions, in which the NaN with all bits set says nothing.")
  for _, e in ipairs(entries) do
    for _, suffix in ipairs(e.quick and suffixes.float or {}) do
      local nk = count_numbers(e)
      h[#h + 1] = ("CR__QUICK(%s, %s, %d, %d, %s)"):format(e.name, suffix, #e.params - nk, nk,
        specialize(e.quick, suffix))
    end
  end
  write(out_dir, "quick.inc", h)
end

function M.write(out_dir, entries)
  write_pointwise(out_dir, entries)
  write_quick(out_dir, entries)
end

return M
