-- control.lua: a pole balanced on a cart by a policy that learns while it acts.
--
-- After 1,500 rounds, 384,000 steps of the cart, the pole stands for all 500 steps from each of 100 starts. An actor
-- and a critic share a network; 32 carts move at a time, as one tensor, and every 8 steps teach both (advantage
-- actor-critic, Mnih et al. 2016). The cart is that of Barto, Sutton and Anderson (1983).
-- Usage: cresset examples/control.lua [ROUNDS [SEED]]

local cr = require "cresset"
local nn, optim = cr.nn, cr.optim

local ROUNDS, SEED = tonumber(arg[1]) or 1500, tonumber(arg[2]) or 1
local CARTS, STEPS, LIMIT, GAMMA = 32, 8, 500, 0.98
cr.manual_seed(SEED)
cr.set_num_threads(1) -- tensors of 32 rows: nothing to share

-- ---- The cart: place, speed, angle and its speed, a row for each -----------------------------------------------

local GRAVITY, CART, POLE, HALF, FORCE, TIME = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
local MASS = CART + POLE

local function start(n) return cr.rand(n, 4) * 0.1 - 0.05 end

-- The next state of each cart that is pushed right (1) or left (0).
local function move(state, right)
  local x, v, angle, spin = state:unbind(2)
  local force = (right * 2 - 1) * FORCE
  local sine, cosine = angle:sin(), angle:cos()
  local push = (force + POLE * HALF * spin * spin * sine) / MASS
  local turn = (GRAVITY * sine - cosine * push) / (HALF * (4 / 3 - POLE * cosine * cosine / MASS))
  local go = push - POLE * HALF * turn * cosine / MASS
  return cr.stack({ x + TIME * v, v + TIME * go, angle + TIME * spin, spin + TIME * turn }, 2)
end

-- 1 for a cart that has left the track or whose pole has fallen.
local function fallen(state)
  return (state:select(2, 1):abs():gt(2.4) | state:select(2, 3):abs():gt(math.rad(12))):to "float32"
end

-- ---- Actor and critic ------------------------------------------------------------------------------------------

local Agent = nn.class "Agent"
function Agent:init()
  self.body = nn.Sequential { nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh() }
  self.actor, self.critic = nn.Linear(64, 2), nn.Linear(64, 1)
end
function Agent:forward(state)
  local h = self.body(state)
  return self.actor(h), self.critic(h):squeeze(2)
end

local agent = Agent()
local opt = optim.Adam(agent:parameters(), { lr = 1e-3 })

-- ---- Learning -----------------------------------------------------------------------------------------------------

local state, age = start(CARTS), cr.zeros(CARTS)
local lengths = cr.metrics.Mean()

-- One step of all carts. What falls, or has stood long enough, begins again.
local function act()
  local scores, value = agent(state)
  local log_p = scores:log_softmax(2)
  local choice = cr.no_grad(function() return cr.multinomial(log_p:exp(), 1) end) -- 1: left, 2: right
  local moved, fell, over
  cr.no_grad(function()
    moved = move(state, choice:squeeze(2):to "float32" - 1)
    fell = fallen(moved)
    age = age + 1
    over = cr.maximum(fell, age:ge(LIMIT):to "float32")
    local ended = over:sum():item()
    if ended > 0 then
      lengths:add((age * over):sum():item() / ended, ended)
      moved = cr.where(over:unsqueeze(2):gt(0), start(CARTS), moved)
      age = age * (1 - over)
    end
  end)
  state = moved
  return { log_p = log_p:gather(2, choice):squeeze(2), value = value, over = over, fell = fell,
    entropy = -(log_p:exp() * log_p):sum(2) }
end

local function learn()
  local steps = {}
  for i = 1, STEPS do steps[i] = act() end
  local actor, critic, entropy = 0, 0, 0
  local back = cr.no_grad(function() return select(2, agent(state)) end) -- what is still to come
  for i = STEPS, 1, -1 do
    local s = steps[i]
    back = 1 - s.fell + GAMMA * back * (1 - s.over)
    local advantage = back - s.value
    actor = actor - (s.log_p * advantage:detach()):mean()
    critic = critic + advantage:square():mean()
    entropy = entropy + s.entropy:mean()
  end
  opt:zero_grad()
  local loss = (actor + 0.5 * critic - 0.01 * entropy) / STEPS
  loss:backward()
  nn.utils.clip_grad_norm_(agent:parameters(), 0.5)
  opt:step()
end

local curve, began = {}, cr.clock()
for round = 1, ROUNDS do
  learn()
  if round % 50 == 0 then
    curve[#curve + 1] = lengths:value()
    lengths:reset()
  end
end
local took = cr.clock() - began
print(cr.plot.line(curve, { title = "steps until the pole falls", height = 8 }))
print(("%d steps in %.1f s: %.0f steps a second"):format(ROUNDS * STEPS * CARTS, took, ROUNDS * STEPS * CARTS / took))

-- ---- The test: always the better choice, from new starts ---------------------------------------------------------

local stood = cr.no_grad(function()
  local s, alive, total = start(100), cr.ones(100), cr.zeros(100)
  for _ = 1, LIMIT do
    s = move(s, agent(s):argmax(2):to "float32" - 1)
    alive = alive * (1 - fallen(s))
    total = total + alive
  end
  return total
end)
print(("the pole stands for %.1f of %d steps on average, for all of them from %d of 100 starts"):format(
  stood:mean():item(), LIMIT, stood:eq(LIMIT):sum():item()))
