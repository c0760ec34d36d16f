-- random_spec.lua: random numbers repeat from a seed, fill their range and have the right moments.

local cr = require "cresset"
local values = require "spec.support.values"
local distributions = require "spec.support.distributions"

local function moments(list)
  local sum, squares = 0.0, 0.0
  for _, v in ipairs(list) do sum = sum + v end
  local mean = sum / #list
  for _, v in ipairs(list) do squares = squares + (v - mean) * (v - mean) end
  return mean, squares / #list
end

local names = {}
for name, d in pairs(distributions) do
  if type(d) == "table" then names[#names + 1] = name end
end
table.sort(names)

describe("the numbers drawn by", function()
  for _, name in ipairs(names) do
    local d = distributions[name]
    it(name .. " have their distribution's range, mean and variance", function()
      cr.manual_seed(1234)
      local list = values.flat(d.draw())
      assert.equal(distributions.N, #list)
      for _, v in ipairs(list) do
        assert(v >= d.low and (v < d.high or (v == d.high and not d.below)), "out of range: " .. v)
        assert(not d.whole or v == math.floor(v), "not whole: " .. v)
      end
      local mean, variance = moments(list)
      local error_of_mean = math.sqrt(d.variance / #list)
      assert(math.abs(mean - d.mean) < 5 * error_of_mean, ("mean %g, not %g"):format(mean, d.mean))
      assert(math.abs(variance / d.variance - 1) < 0.1, ("variance %g, not %g"):format(variance, d.variance))
    end)

    it(name .. " repeat from the same seed, whatever the number of threads", function()
      local threads = cr.get_num_threads()
      cr.manual_seed(99)
      local first = values.flat(d.draw())
      cr.set_num_threads(1)
      cr.manual_seed(99)
      local one = values.flat(d.draw())
      cr.set_num_threads(3)
      cr.manual_seed(99)
      local three = values.flat(d.draw())
      cr.set_num_threads(threads)
      assert.same(first, one)
      assert.same(first, three)
    end)

    it(name .. " go on from where the last draw ended", function()
      cr.manual_seed(5)
      local a, b = values.flat(d.draw()), values.flat(d.draw())
      assert.not_same(a, b)
    end)
  end
end)

describe("a seed", function()
  it("gives other numbers than another seed", function()
    cr.manual_seed(1)
    local a = values.flat(cr.rand(8))
    cr.manual_seed(2)
    assert.not_same(a, values.flat(cr.rand(8)))
  end)

  it("can be saved and restored with the position in its stream", function()
    cr.manual_seed(3)
    cr.rand(5)
    local state = cr.get_rng_state()
    local a = values.flat(cr.randn(6))
    cr.set_rng_state(state)
    assert.same(a, values.flat(cr.randn(6)))
  end)

  it("gives one stream for all layouts of the tensor that is filled", function()
    cr.manual_seed(8)
    local plain = values.flat(cr.zeros(3, 4):uniform_())
    cr.manual_seed(8)
    assert.same(plain, values.flat(cr.zeros(4, 3):t():uniform_()))
  end)

  it("gives the known first words of Philox 4x32-10", function()
    -- The published test vector: key 0, counter 0 gives 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
    cr.manual_seed(0)
    local first = cr.rand(4)
    local words = { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 }
    for i, word in ipairs(words) do
      assert.near(word / 4294967296, first[i]:item(), 1e-6)
    end
  end)
end)

describe("random permutations and choices", function()
  it("hold every position from 1 to n once", function()
    for _, n in ipairs { 0, 1, 2, 7, 100 } do
      local seen = {}
      for _, v in ipairs(values.flat(cr.randperm(n))) do seen[v] = (seen[v] or 0) + 1 end
      for i = 1, n do assert.equal(1, seen[i]) end
    end
  end)

  it("draw no position twice without replacement", function()
    cr.manual_seed(1)
    local rows = cr.multinomial(cr.ones(20, 5), 5)
    for _, row in ipairs(rows:totable()) do
      table.sort(row)
      assert.same({ 1, 2, 3, 4, 5 }, row)
    end
  end)

  it("never draw a position of weight zero", function()
    cr.manual_seed(1)
    for _, v in ipairs(values.flat(cr.multinomial(cr.tensor { 0.0, 1.0, 0.0, 2.0 }, 500, true))) do
      assert(v == 2 or v == 4)
    end
  end)
end)

describe("dropout", function()
  it("is the identity outside training", function()
    local x = cr.randn(5)
    values.assert_same(cr.dropout(x, 0.5, false), x)
  end)

  it("lets the gradient through exactly where it let the value through", function()
    cr.manual_seed(4)
    local x = cr.ones({ 50 }, { requires_grad = true })
    local y = cr.dropout(x, 0.4)
    y:sum():backward()
    values.assert_same(x.grad, y:detach())
  end)

  it("zeroes everything for p = 1 and nothing for p = 0", function()
    values.assert_values(cr.dropout(cr.ones(3), 1.0), { 0, 0, 0 })
    values.assert_values(cr.dropout(cr.ones(3), 0.0), { 1, 1, 1 })
  end)

  it("refuses probabilities outside [0, 1]", function()
    values.assert_fails(function() cr.dropout(cr.ones(3), 1.5) end, "dropout", "p", "1.5")
    values.assert_fails(function() cr.bernoulli(cr.tensor { 0.5, -0.25 }) end, "bernoulli", "-0.25")
  end)
end)
