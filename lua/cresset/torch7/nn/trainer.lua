-- trainer.lua: nn.StochasticGradient: a loop over samples with one step after each.
--
-- Holds true: the data set answers size(), and [i] with { input, target }.

local classes = require "cresset.torch7.class"
local random = require "cresset.torch7.random"
require "cresset.torch7.nn.module"

local Trainer = classes.class "nn.StochasticGradient"

function Trainer:__init(module, criterion)
  self.module, self.criterion = module, criterion
  self.learningRate, self.learningRateDecay, self.maxIteration = 0.01, 0, 25
  self.shuffleIndices, self.verbose = true, true
end

function Trainer:train(dataset)
  local module, criterion = self.module, self.criterion
  local rate = self.learningRate
  local iteration = 1
  while true do
    local n, total = dataset:size(), 0
    local order = self.shuffleIndices and random.randperm(n):long():totable()
    for t = 1, n do
      local sample = dataset[order and order[t] or t]
      local input, target = sample[1], sample[2]
      total = total + criterion:forward(module:forward(input), target)
      module:updateGradInput(input, criterion:updateGradInput(module.output, target))
      module:zeroGradParameters()
      module:accGradParameters(input, criterion.gradInput, 1)
      module:updateParameters(rate)
      if self.hookExample then self.hookExample(self, sample) end
    end
    total = total / n
    self.currentError = total
    if self.hookIteration then self.hookIteration(self, iteration, total) end
    if self.verbose then print("# current error = " .. total) end
    iteration = iteration + 1
    rate = self.learningRate / (1 + iteration * self.learningRateDecay)
    if self.maxIteration > 0 and iteration > self.maxIteration then break end
  end
end
