-- flowers.lua: a flower classifier trained on Fisher's irises.
--
-- Four measurements, three species, 150 flowers. Each species keeps 40 flowers for training and 10
-- for the test. A linear model comes first, then a network with one hidden layer.
-- Usage: cresset examples/flowers.lua [first seed [last seed]]

local cr = require "cresset"

local folder = debug.getinfo(1, "S").source:match "^@(.*/)" or ""
local species = { setosa = 1, versicolor = 2, virginica = 3 }

-- Returns the measurements, a row for each flower, and the species as numbers.
local function read_flowers(path)
  local rows, kinds = {}, {}
  for line in io.lines(path) do
    local a, b, c, d, name = line:match "^([%d.]+),([%d.]+),([%d.]+),([%d.]+),(%a+)"
    if a then
      rows[#rows + 1] = { a + 0.0, b + 0.0, c + 0.0, d + 0.0 }
      kinds[#kinds + 1] = assert(species[name], name)
    end
  end
  return rows, kinds
end

-- Every fifth flower of a species is for the test: the same 30 flowers in every run.
local function split(rows, kinds)
  local parts = { train = { x = {}, y = {} }, test = { x = {}, y = {} } }
  local seen = {}
  for i, kind in ipairs(kinds) do
    seen[kind] = (seen[kind] or 0) + 1
    local part = seen[kind] % 5 == 0 and parts.test or parts.train
    table.insert(part.x, rows[i])
    table.insert(part.y, kind)
  end
  for _, part in pairs(parts) do part.x, part.y = cr.tensor(part.x), cr.tensor(part.y) end
  return parts.train, parts.test
end

local train, test = split(read_flowers(folder .. "data/iris.csv"))
-- Each measurement gets mean 0 and deviation 1, judged by the training part alone.
local mean, deviation = train.x:mean(1), train.x:std(1)
train.x, test.x = (train.x - mean) / deviation, (test.x - mean) / deviation

local function parameter(...)
  return (cr.randn(...) * 0.3):requires_grad_()
end

-- A model is its parameters and the function from measurements to scores.
local models = {
  { name = "softmax regression", make = function()
    local w, b = parameter(4, 3), parameter(3)
    return { w, b }, function(x) return x:matmul(w) + b end
  end },
  { name = "network with 16 hidden units", make = function()
    local w1, b1, w2, b2 = parameter(4, 16), parameter(16), parameter(16, 3), parameter(3)
    return { w1, b1, w2, b2 }, function(x) return (x:matmul(w1) + b1):tanh():matmul(w2) + b2 end
  end },
}

-- Gradient descent with momentum on all 120 flowers at once. Returns the losses.
local function fit(parameters, model, steps)
  local losses, velocity = {}, {}
  for step = 1, steps do
    local loss = cr.cross_entropy(model(train.x), train.y)
    loss:backward()
    cr.no_grad(function()
      for i, p in ipairs(parameters) do
        velocity[i] = velocity[i] and velocity[i] * 0.9 + p.grad or p.grad:clone()
        p:sub_(velocity[i] * 0.05)
        p.grad = nil
      end
    end)
    losses[step] = loss:item()
  end
  return losses
end

local function accuracy(model, part)
  return model(part.x):argmax(2):eq(part.y):to "float32":mean():item()
end

-- A row of bars, the first loss at full height.
local function curve(losses)
  local bars = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }
  local text = {}
  for column = 1, 60 do
    local loss = losses[1 + (column - 1) * (#losses - 1) // 59]
    text[column] = bars[1 + math.min(8, math.ceil(8 * loss / losses[1]))]
  end
  return table.concat(text)
end

local first = tonumber(arg and arg[1]) or 1
local last = tonumber(arg and arg[2]) or first
for seed = first, last do
  for _, kind in ipairs(models) do
    cr.manual_seed(seed)
    local parameters, model = kind.make()
    local losses = fit(parameters, model, 200)
    print(("seed %d, %s: loss %.4f -> %.4f, training part %.1f %%, test part %.1f %%"):format(
      seed, kind.name, losses[1], losses[#losses], 100 * accuracy(model, train),
      100 * accuracy(model, test)))
    print("  " .. curve(losses))
  end
end
