-- transforms.lua: functions that change samples or batches on their way.
--
-- Holds true: each constructor gives a function that changes its first argument and passes the others through, so that
-- it fits a loader's transform, set:map() and Compose alike. It takes one image, channels x height x width, or a
-- batch of them, in which each image is drawn for by itself. Nothing is changed in place.

local cr = require "cresset"

local check = require "cresset.data.check"

local T = {}

local fail, describe = check.fail, check.describe

local function image_arg(op, x)
  if not cr.is_tensor(x) or x.ndim < 2 then
    fail("%s: expected an image or a batch of images, got %s", op, describe(x))
  end
end

--- Compose { f, g, ... }: one after another; each gets the values that the one before has given.
function T.Compose(list)
  if type(list) ~= "table" then fail("Compose: expected a list of functions, got %s", describe(list)) end
  list = { table.unpack(list) }
  for i, f in ipairs(list) do check.callable("Compose", ("function %d"):format(i), f) end
  return function(...)
    local values = table.pack(...)
    for _, f in ipairs(list) do values = table.pack(f(table.unpack(values, 1, values.n))) end
    return table.unpack(values, 1, values.n)
  end
end

--- Lambda(f): f itself, checked to be a function of all the values.
function T.Lambda(f)
  if f == nil then fail "Lambda: f must be a function, got nil" end
  return check.callable("Lambda", "f", f)
end

--- At(position, f): f for the value at that position, as for the classes of a batch: At(2, OneHot(10)).
function T.At(position, f)
  check.integer("At", "position", position, 1)
  if f == nil then fail "At: f must be a function, got nil" end
  check.callable("At", "f", f)
  return function(...)
    local values = table.pack(...)
    if values.n < position then fail("At: there are %d values, and position is %d", values.n, position) end
    values[position] = f(values[position])
    return table.unpack(values, 1, values.n)
  end
end

--- ToFloat(): integers from 0 to 255 as float32 from 0 to 1; floats become float32 as they are.
function T.ToFloat()
  return function(x, ...)
    if not cr.is_tensor(x) then fail("ToFloat: expected a tensor, got %s", describe(x)) end
    return x:is_floating_point() and x:to "float32" or x:to "float32" / 255, ...
  end
end

local function statistic(name, value)
  if type(value) == "number" then return cr.tensor { value } end
  if type(value) == "table" and #value > 0 then value = cr.tensor(value) end
  if not cr.is_tensor(value) or value.ndim ~= 1 then
    fail("Normalize: %s must be a number or a list of them, got %s", name, describe(value))
  end
  return value
end

--- Normalize(mean, std): (x - mean) / std, for numbers or lists: of the channels of images, of the last dim of what has
-- fewer than 3 dims.
function T.Normalize(mean, std)
  mean, std = statistic("mean", mean), statistic("std", std)
  if std:eq(0):any():item() then fail "Normalize: std has a zero in it" end
  return function(x, ...)
    if not cr.is_tensor(x) or not x:is_floating_point() then
      fail("Normalize: expected a float tensor, got %s", describe(x))
    end
    local channels = x.ndim >= 3
    local n = x.ndim == 0 and 1 or x:size(channels and -3 or -1)
    for name, s in pairs { mean = mean, std = std } do
      if #s ~= 1 and #s ~= n then
        fail("Normalize: %s has %d numbers, and x has %d channels", name, #s, n)
      end
    end
    local m, s = mean, std
    if channels then m, s = mean:view(-1, 1, 1), std:view(-1, 1, 1) end
    return (x - m:to(x.dtype)) / s:to(x.dtype), ...
  end
end

local function size_of(op, size)
  local h, w = size, size
  if type(size) == "table" then h, w = size[1], size[2] end
  return check.integer(op, "size", h, 1), check.integer(op, "size", w, 1)
end

local function crop(x, top, left, h, w) return x:narrow(-2, top, h):narrow(-1, left, w) end

local function check_room(op, x, h, w)
  image_arg(op, x)
  if x:size(-2) < h or x:size(-1) < w then
    fail("%s: the image is %dx%d, smaller than %dx%d", op, x:size(-2), x:size(-1), h, w)
  end
end

--- CenterCrop(size): the middle, of size { height, width } or one number for both.
function T.CenterCrop(size)
  local h, w = size_of("CenterCrop", size)
  return function(x, ...)
    check_room("CenterCrop", x, h, w)
    return crop(x, (x:size(-2) - h) // 2 + 1, (x:size(-1) - w) // 2 + 1, h, w), ...
  end
end

-- Calls f for each image of a batch (or for the one image), and stacks what it gives.
local function each_image(x, f)
  if x.ndim < 4 then return f(x) end
  local list = {}
  for i = 1, #x do list[i] = f(x:select(1, i)) end
  return cr.stack(list)
end

--- RandomCrop(size, { padding = 0 }): a piece at a random place, after `padding` rows and columns of zeros were put
-- around.
function T.RandomCrop(size, options)
  local o = check.options("RandomCrop", options, { "padding" })
  local h, w = size_of("RandomCrop", size)
  local padding = check.integer("RandomCrop", "padding", o.padding, 0, 0)
  return function(x, ...)
    image_arg("RandomCrop", x)
    if padding > 0 then x = cr.pad(x, { padding, padding, padding, padding }) end
    check_room("RandomCrop", x, h, w)
    local rows, columns = x:size(-2) - h + 1, x:size(-1) - w + 1
    return each_image(x, function(image)
      local place = cr.randint(0, rows * columns, { 1 }):item()
      return crop(image, place // columns + 1, place % columns + 1, h, w)
    end), ...
  end
end

--- RandomHorizontalFlip(p = 0.5): left and right change places, with that probability.
function T.RandomHorizontalFlip(p)
  p = p == nil and 0.5 or p
  if type(p) ~= "number" or not (p >= 0 and p <= 1) then
    fail("RandomHorizontalFlip: p must be from 0 to 1, got %s", describe(p))
  end
  return function(x, ...)
    image_arg("RandomHorizontalFlip", x)
    if x.ndim < 4 then return cr.rand(1):item() < p and x:flip { -1 } or x, ... end
    local flipped = cr.rand(#x, 1, 1, 1):lt(p)
    return cr.where(flipped, x:flip { -1 }, x), ...
  end
end

--- OneHot(n): class numbers from 1 to n as float32 rows of zeros with a one.
function T.OneHot(n)
  check.integer("OneHot", "n", n, 1)
  return function(x, ...)
    if math.type(x) == "integer" then x = cr.tensor(x) end
    if not cr.is_tensor(x) then fail("OneHot: expected class numbers, got %s", describe(x)) end
    return cr.one_hot(x, n):to "float32", ...
  end
end

return T
