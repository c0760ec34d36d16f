-- workshop_examples_spec.lua: the examples of the workshop, shortened, run and learn.

local shell = require "spec.support.shell"

local function has(text, ...)
  for _, words in ipairs { ... } do
    assert(text:find(words, 1, true), ("lacks '%s' in:\n%s"):format(words, text))
  end
end

local function lines_of(path)
  local n = 0
  for _ in io.lines(path) do n = n + 1 end
  return n
end

local folder
before_each(function() folder = shell.folder() end)
after_each(function() os.execute("rm -rf " .. folder) end)

-- Fashion-MNIST's four files, with images that show their class: 600 and 100 of them.
local function write_images(path)
  os.execute("mkdir -p " .. path)
  for part, n in pairs { train = 600, t10k = 100 } do
    local labels, images = {}, {}
    for i = 1, n do
      local class = (i * 7) % 10
      labels[i] = string.char(class)
      images[i] = ("\0"):rep(28 * 2 * class) .. ("\200"):rep(28 * 3) .. ("\0"):rep(28 * (25 - 2 * class))
    end
    shell.write(("%s/%s-images-idx3-ubyte"):format(path, part), "\0\0\8\3" .. (">I4I4I4"):pack(n, 28, 28)
      .. table.concat(images))
    shell.write(("%s/%s-labels-idx1-ubyte"):format(path, part), "\0\0\8\1" .. (">I4"):pack(n) .. table.concat(labels))
  end
  os.execute("gzip " .. path .. "/*")
end

describe("examples/fashion.lua", function()
  local images
  local function run(more)
    local command = "%s examples/fashion.lua --images %s --out %s %s 2>&1"
    return shell.run(command:format(shell.runner, images, folder, more))
  end
  before_each(function()
    images = folder .. "/images"
    write_images(images)
  end)

  it("learns, with either model, and leaves curves, confusion and a checkpoint", function()
    for _, model in ipairs { "mlp", "cnn" } do
      local text, status = run("--epochs 2 --model " .. model)
      assert.equal(0, status, text)
      has(text, "pass 2 of 2  100 %", "loss of each pass", "Trouser", "of 100 test images")
      assert(tonumber(text:match "pass 2: loss [%d.]+, test ([%d.]+) %%") > 60, text)
      for _, name in ipairs { "-loss.svg", "-confusion.svg", ".safetensors" } do
        assert.is_string(shell.read(folder .. "/" .. model .. name), name)
      end
    end
  end)

  it("goes on after being killed as if nothing had happened", function()
    local whole = run "--epochs 3 --model mlp"
    os.remove(folder .. "/mlp.safetensors")
    -- Ended from outside as soon as the first checkpoint is there.
    shell.run(([[%s examples/fashion.lua --images %s --out %s --epochs 3 --model mlp >%s/log 2>&1 & pid=$!
      while [ ! -e %s/mlp.safetensors ] && kill -0 $pid 2>/dev/null; do sleep 0.02; done; kill -9 $pid 2>/dev/null
      wait $pid]]):format(shell.runner, images, folder, folder, folder))
    local rest, status = run "--epochs 3 --model mlp --resume"
    assert.equal(0, status, rest)
    has(rest, "resumed after pass ")
    assert.equal(whole:match "mlp: [^\n]*", rest:match "mlp: [^\n]*")
    local last = "pass 3: loss [%d.]+, test [%d.]+"
    if rest:find(last) then assert.equal(whole:match(last), rest:match(last)) end
  end)

  it("has fewer than 150 lines", function() assert(lines_of "examples/fashion.lua" < 150) end)
end)

describe("examples/charlm.lua", function()
  it("learns letters and writes some", function()
    shell.write(folder .. "/text", ("the quick brown fox jumps over the lazy dog.\n"):rep(60))
    local text, status = shell.run(shell.runner .. " examples/charlm.lua --steps 60 --letters 60 --width 32 --batch 16 "
      .. "--context 32 --text " .. folder .. "/text 2>&1")
    assert.equal(0, status, text)
    has(text, "2700 letters, 29 kinds", "learning  100 % 60/60")
    local loss = tonumber(text:match "60 steps, test loss ([%d.]+)")
    assert(loss < 2.6, text) -- guessing letters by how often they come gives 2.9
    assert(#text:match "bits a letter%)\n(.*)$" >= 60, text)
  end)

  it("has fewer than 150 lines", function() assert(lines_of "examples/charlm.lua" < 150) end)
end)

describe("examples/control.lua", function()
  it("balances the pole longer the more it has learned", function()
    local text, status = shell.run(shell.runner .. " examples/control.lua 300 1")
    assert.equal(0, status, text)
    has(text, "steps until the pole falls", "76800 steps in")
    assert(tonumber(text:match "the pole stands for ([%d.]+) of 500") > 40, text) -- a coin keeps it up for 22
  end)

  it("has fewer than 150 lines", function() assert(lines_of "examples/control.lua" < 150) end)
end)

describe("examples/tabular.lua", function()
  it("learns, loads what it has saved, and tells of drift", function()
    local text, status = shell.run(shell.runner .. " examples/tabular.lua")
    assert.equal(0, status, text)
    has(text, "150 rows, 4 columns, classes: setosa, versicolor, virginica", "the test part: no drift",
      "the same flowers in inches: drift in sepal_length")
    assert(tonumber(text:match "loaded again: ([%d.]+) %%") >= 93, text)
  end)

  it("has fewer than 150 lines", function() assert(lines_of "examples/tabular.lua" < 150) end)
end)

describe("the script of the workshop", function()
  it("runs as it is written, on fewer images", function()
    local images, path = folder .. "/images", folder .. "/script.lua"
    write_images(images)
    shell.write(path, ([[
      local cr = require "cresset"
      local nn, optim, data = cr.nn, cr.optim, cr.data
      local net = nn.Sequential {
        nn.Conv2d(1, 32, 3, { padding = 1 }), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 14 * 14, 10),
      }
      local opt = optim.AdamW(net:parameters(), { lr = 1e-3 })
      local set = data.fashion_mnist("train", { folder = "%s" })
      local loader = data.Loader(set, { batch_size = 64, shuffle = true, seed = 1 })
      for epoch = 1, 2 do
        for x, y in cr.progress(loader, "epoch " .. epoch) do
          opt:zero_grad()
          local loss = nn.functional.cross_entropy(net(x), y)
          loss:backward()
          opt:step()
        end
      end
      cr.save("%s/net.safetensors", net:state_dict())
      net:load_state_dict(cr.load "%s/net.safetensors")
      local x, y = set:tensors()
      print(cr.metrics.accuracy(net(x), y))]]):format(images, folder, folder))
    local text, status = shell.run(shell.runner .. " " .. path .. " 2>/dev/null")
    assert.equal(0, status, text)
    assert(tonumber(text) > 0.9, text)
  end)
end)
