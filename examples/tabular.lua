-- tabular.lua: a table of measurements: read, normalized, learned, kept with what it needs, and watched for drift.
--
-- A network tells three species of iris apart: all of the 30 flowers that it has not seen. Its file holds the
-- normalizer and the names of columns and classes beside the weights, so that who loads it needs nothing else. New
-- measurements that lie elsewhere than those it learned from are told of: here, the same flowers in inches.
-- Usage: cresset examples/tabular.lua [FILE.csv [TARGET COLUMN]]   (the other columns are numbers; none may be missing)

local cr = require "cresset"
local nn, optim, data = cr.nn, cr.optim, cr.data

local folder = debug.getinfo(1, "S").source:match "^@(.*/)" or ""
local path, target = arg[1] or folder .. "data/iris.csv", arg[2] or "species"

-- ---- Reading -------------------------------------------------------------------------------------------------

local csv = data.csv(path, { types = { [target] = "class" } })
local features = {}
for _, name in ipairs(csv.columns) do
  if name ~= target then features[#features + 1] = name end
end
local classes = csv.classes[target]
local train, test = data.random_split(csv:tensor_dataset(features, target), { 0.8, 0.2 }, { seed = 4 })
print(("%d rows, %d columns, classes: %s"):format(#csv, #features, table.concat(classes, ", ")))

local function tensors(set) -- the whole of a set as one batch
  local next_batch = data.Loader(set, { batch_size = #set }):iter()
  return next_batch()
end
local x, y = tensors(train)
local test_x, test_y = tensors(test)

-- ---- A normalizer is a part of the model: buffers, which state_dict has --------

local Normalizer = nn.class "Normalizer"
function Normalizer:init(n)
  self.mean, self.std = nn.Buffer(cr.zeros(n)), nn.Buffer(cr.ones(n))
end
function Normalizer:fit(values)
  self.mean:copy_(values:mean(1))
  self.std:copy_(values:std(1):clamp_min(1e-6))
end
function Normalizer:forward(values) return (values - self.mean) / self.std end

local function make(n, k)
  local net = nn.Sequential { Normalizer(n), nn.Linear(n, 16), nn.ReLU(), nn.Linear(16, k) }
  return net, net:get_submodule "0"
end

-- ---- Learning --------

cr.manual_seed(1)
local net, normalizer = make(#features, #classes)
normalizer:fit(x)
local opt = optim.AdamW(net:parameters(), { lr = 0.02, weight_decay = 0.01 })
local losses = {}
for step = 1, 200 do
  opt:zero_grad()
  local loss = nn.functional.cross_entropy(net(x), y)
  loss:backward()
  opt:step()
  losses[step] = loss:item()
end
print(cr.plot.line(losses, { title = "loss", height = 6 }))

-- ---- Keeping: the weights, the normalizer, and the names --------

local file = os.tmpname() .. ".safetensors"
cr.save(file, { model = net:state_dict(), features = features, classes = classes })

local saved = cr.load(file)
os.remove(file)
local again, its_normalizer = make(#saved.features, #saved.classes)
again:load_state_dict(saved.model)
again:eval()
local scores = cr.no_grad(function() return again(test_x) end)
print(cr.plot.confusion(cr.metrics.confusion(scores, test_y, { classes = #classes }), { names = saved.classes }))
print(("loaded again: %.1f %% of %d flowers that it has not seen, F1 %.3f"):format(
  100 * cr.metrics.accuracy(scores, test_y), #test_y, cr.metrics.f1(scores, test_y)))

-- ---- Drift: do new measurements lie where those lay that it learned from? --------

-- For each column how far the mean of new values is from the old one, in standard errors.
local function drift(norm, values)
  local shift = (values:mean(1) - norm.mean) / (norm.std / math.sqrt(#values))
  return shift:totable()
end

local function report(name, values)
  local far = {}
  for i, z in ipairs(drift(its_normalizer, values)) do
    if math.abs(z) > 4 then far[#far + 1] = ("%s (%+.1f)"):format(saved.features[i], z) end
  end
  print(("%s: %s"):format(name, #far == 0 and "no drift" or "drift in " .. table.concat(far, ", ")))
end

report("the test part", test_x)
report("the same flowers in inches", test_x / 2.54)
