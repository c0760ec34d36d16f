-- torch7.lua: a script of 2015 as it stood: two spirals told apart by a small network in Torch7's words.
--
-- Only the first line is new. Methods write their tensors, modules have forward and backward of their own, and optim
-- gets all parameters as one line. It ends with
--
--   of 200 points 200 are told right
--
--   cresset examples/torch7.lua [EPOCHS]

local torch = require "cresset.torch7"
local nn, optim = torch.nn, torch.optim

torch.manualSeed(1)

-- Points on two spirals, and which of them each lies on.
local n = 100
local points, classes = torch.Tensor(2 * n, 2), torch.LongTensor(2 * n)
for i = 1, n do
  local r, a = i / n, 3.5 * math.pi * i / n
  points[2 * i - 1]:copy(torch.Tensor { math.cos(a), math.sin(a) }:mul(r))
  points[2 * i]:copy(torch.Tensor { math.cos(a + math.pi), math.sin(a + math.pi) }:mul(r))
  classes[2 * i - 1], classes[2 * i] = 1, 2
end
print(("%d points of %d numbers"):format(points:size(1), points:nElement() // points:size(1)))

local net = nn.Sequential()
net:add(nn.Linear(2, 32))
net:add(nn.Tanh())
net:add(nn.Linear(32, 32))
net:add(nn.ReLU(true))
net:add(nn.Linear(32, 2))
net:add(nn.LogSoftMax())
print(net)

local criterion = nn.ClassNLLCriterion()
local parameters, gradParameters = net:getParameters()
print(("%d parameters"):format(parameters:nElement()))

local state = { learningRate = 0.02 }
local function feval()
  gradParameters:zero()
  local output = net:forward(points)
  local loss = criterion:forward(output, classes)
  net:backward(points, criterion:backward(output, classes))
  return loss, gradParameters
end

local epochs = tonumber(arg and arg[1]) or 400
for epoch = 1, epochs do
  local _, losses = optim.adam(feval, parameters, state)
  if epoch % 100 == 0 then print(("epoch %4d  loss %.4f"):format(epoch, losses[1])) end
end

net:evaluate()
local confusion = optim.ConfusionMatrix { "inner", "outer" }
local _, guesses = net:forward(points):max(2)
confusion:batchAdd(guesses:squeeze(), classes)
print(confusion)
print(("of %d points %d are told right"):format(2 * n, guesses:squeeze():eq(classes):sum()))
