-- losses.lua: three losses, then what a backward pass does, one small step at a time.
--
-- A classifier of flowers names one of four: violet, poppy, rose, or an empty meadow. The flower in
-- front of us is a poppy; how bad is a guess?
--
--   cresset examples/losses.lua [--device cuda]

local cr = require "cresset"

local device = "cpu"
if arg and arg[1] == "--device" then device = assert(arg[2], "--device wants a name, such as cuda") end
if device ~= "cpu" then cr.cuda.set_device(device) end

local function heading(text) print("\n" .. text .. "\n" .. ("-"):rep(#text)) end
local function say(name, value) print(("%-28s %.4f"):format(name, value:item())) end

------------------------------------------------------------------------------------------------------
heading "Losses"

local target = cr.tensor({ 0.0, 1, 0, 0 }, { device = device })
local unsure = cr.tensor({ 0.001, 0.5, 0.1, 0.1 }, { device = device })
local confident = cr.tensor({ 0.001, 0.9, 0.1, 0.1 }, { device = device })

-- The distance, its square, and the logarithm of the certainty given to the right answer. The square
-- makes most of a far miss; the logarithm grows without bound as the right answer is denied.
for _, guess in ipairs { { "unsure", unsure }, { "confident", confident } } do
  local name, p = guess[1], guess[2]
  say("L1 loss, " .. name, (target - p):norm())
  say("L2 loss, " .. name, (target - p):norm() ^ 2)
  say("log loss, " .. name, (-target * p:log()):sum())
end

------------------------------------------------------------------------------------------------------
heading "A step, simulated"

-- Training would change the guess and so the loss. Here the change is made by hand: the certainty of
-- the poppy rises from 0.5 to 0.55.
local y = cr.tensor({ 0.0, 1, 0, 0 }, { device = device, requires_grad = true })
local before = cr.tensor({ 0.001, 0.5, 0.1, 0.1 }, { device = device, requires_grad = true })
local after = cr.tensor({ 0.001, 0.55, 0.1, 0.1 }, { device = device, requires_grad = true })

local loss_before = (y - before):norm() ^ 2
local loss_after = (y - after):norm() ^ 2
local delta = loss_before:detach() - loss_after:detach()
print "the loss fell by"
print(delta)

------------------------------------------------------------------------------------------------------
heading "Backward"

-- Given to the end of the calculation, the change flows back to everything the loss depends on.
-- The graph is kept, since the same loss will be asked again.
loss_after:backward { gradient = delta, retain_graph = true }
local first = after.grad:clone()
print "gradient of the guess"
print(first)

------------------------------------------------------------------------------------------------------
heading "A square of our own"

-- The same loss with the square written by hand, both halves in Lua. The backward half passes the
-- gradient on as it came.
local square = cr.Function {
  name = "square",
  forward = function(ctx, x)
    local result = x:pow(2)
    ctx:save_for_backward(result)
    return result
  end,
  backward = function(_, g) return g end,
}
local custom = square((y - after):norm())
say("built in", loss_after)
say("our own", custom)

after.grad:zero_()
custom:backward { gradient = delta, retain_graph = true }
print "gradient of the guess, through our own square"
print(after.grad)
print "and as it was before"
print(first)

------------------------------------------------------------------------------------------------------
heading "Gradients accumulate"

-- Nobody clears a gradient but its owner: each pass adds to it. That is how the gradients of a whole
-- batch are summed.
for times = 2, 3 do
  custom:backward { gradient = delta, retain_graph = true }
  print(("after %d passes"):format(times))
  print(after.grad)
end

------------------------------------------------------------------------------------------------------
heading "Why only nearly the same?"

-- d(x^2)/dx is 2x, and the backward half above left the factor out. At this guess x is the distance
-- of 0.4717, so the missing factor is 0.9434: close enough to 1 to look like rounding.
local distance = (y - after):norm():detach()
say("distance x", distance)
say("missing factor 2x", 2 * distance)
after.grad:zero_()
custom:backward { gradient = delta, retain_graph = true }
print "our gradient times 2x"
print(after.grad * (2 * distance))

local right_square = cr.Function {
  name = "right_square",
  forward = function(ctx, x)
    ctx:save_for_backward(x)
    return x:pow(2)
  end,
  backward = function(ctx, g)
    local x = ctx:saved_tensors()
    return g * (2 * x)
  end,
}
after.grad:zero_()
right_square((y - after):norm()):backward(delta)
print "with the right backward half"
print(after.grad)
print("equal to the built-in square to the last bit: " .. tostring(after.grad:equal(first)))
