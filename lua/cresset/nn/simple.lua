-- simple.lua: makes classes whose modules are a few settings and a function of them.
--
-- Holds true: the settings are fields with the names of the signature; tostring shows those that are named, and
-- `inplace` where it is true.

local arguments = require "cresset.nn.arguments"
local module = require "cresset.nn.module"
local show = require "cresset.nn.show"

--- simple("ELU", "alpha: number = 1, inplace: bool = false", forward, "alpha"): a class. `shown` has the names of the
-- settings in its text, in parts "a b | c" those before the bar by their values alone.
return function(name, takes, forward, shown)
  local class = module.class(name)
  local signature = arguments.signature(takes)
  local names = {}
  for i, p in ipairs(signature) do names[i] = p.name end

  function class:init(...)
    local values = arguments.read(name, signature, ...)
    for _, key in ipairs(names) do self[key] = values[key] end
  end

  class.forward = forward

  function class:extra_repr()
    local text = shown and show.fields(self, shown) or ""
    if self.inplace then text = text .. (text ~= "" and ", " or "") .. "inplace=true" end
    return text
  end

  return class
end
