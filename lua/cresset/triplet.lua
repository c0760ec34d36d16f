-- triplet.lua: triplet_margin_loss with a distance that the caller gives as a function.
--
-- Holds true: the distance is called with two tensors and gives a tensor; what it does is recorded like any other work.

local cr = require "cresset"
local callable = require "cresset.callable"

local M = {}

local NAME = "triplet_margin_with_distance_loss"
local known = { distance_function = true, margin = true, swap = true, reduction = true }
local reductions = { mean = function(x) return x:mean() end, sum = function(x) return x:sum() end,
  none = function(x) return x end }

local function fail(message, ...) cr.raise(NAME .. ": " .. message:format(...)) end

local function check_tensors(tensors)
  for _, name in ipairs { "anchor", "positive", "negative" } do
    local x = tensors[name]
    if not cr.is_tensor(x) then fail("%s must be a tensor, got a %s", name, type(x)) end
    if x.ndim ~= tensors.anchor.ndim then
      fail("anchor of %d dims and %s of %d dims must have as many dims", tensors.anchor.ndim, name, x.ndim)
    end
  end
end

local function read_options(options)
  local o = options == nil and {} or options
  if type(o) ~= "table" then fail("the options must be a table, got a %s", type(o)) end
  for key in next, o do
    if not known[key] then
      fail("there is no option %s; there are: distance_function, margin, swap, reduction",
        require("cresset.suggest").quote(tostring(key)))
    end
  end
  local distance, margin, swap, reduction = o.distance_function, o.margin, o.swap, o.reduction
  if distance == nil then distance = cr.pairwise_distance end
  if margin == nil then margin = 1.0 end
  if reduction == nil then reduction = "mean" end
  if not callable(distance) then fail("distance_function must be a function, got a %s", type(distance)) end
  if type(margin) ~= "number" or margin <= 0 or margin ~= margin then
    fail("margin is %s; it must be positive", tostring(margin))
  end
  if swap ~= nil and type(swap) ~= "boolean" then fail("swap must be true or false, got a %s", type(swap)) end
  if not reductions[reduction] then
    fail('reduction must be "none", "mean" or "sum", got %s', tostring(reduction))
  end
  return distance, margin, swap, reductions[reduction]
end

local function distance_of(f, a, b)
  local d = f(a, b)
  if not cr.is_tensor(d) then fail("distance_function gave a %s; it must give a tensor", type(d)) end
  return d
end

--- The mean (or sum) of max(0, margin + d(anchor, positive) - d(anchor, negative)). Options: distance_function
-- (pairwise_distance), margin (1), swap (false), reduction ("mean").
function M.loss(anchor, positive, negative, options)
  check_tensors { anchor = anchor, positive = positive, negative = negative }
  local distance, margin, swap, reduce = read_options(options)
  local near, far = distance_of(distance, anchor, positive), distance_of(distance, anchor, negative)
  if swap then far = cr.minimum(far, distance_of(distance, positive, negative)) end
  return reduce((near + margin - far):clamp_min(0))
end

return M
