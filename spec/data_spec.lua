-- data_spec.lua: datasets, samplers, splits, files and transforms.

local cr = require "cresset"
local shell = require "spec.support.shell"
local refuses = require "spec.support.refuses".words

local data = cr.data

local folder
setup(function() folder = shell.folder() end)
teardown(function() os.execute("rm -rf " .. folder) end)

local function path(name, text)
  local full = folder .. "/" .. name
  if text then
    local file = assert(io.open(full, "wb"))
    file:write(text)
    file:close()
  end
  return full
end

local function list(x) return x:totable() end

describe("a dataset of tensors", function()
  local x, y = cr.arange(0, 12):view(6, 2), cr.arange(1, 7)
  local set = data.TensorDataset(x, y)

  it("has the rows of its tensors as samples", function()
    assert.equal(6, #set)
    local a, b = set:get(2)
    assert.same({ 2, 3 }, list(a))
    assert.equal(2, b:item())
    assert.same({ 10, 11 }, list(set[6][1]))
    assert.equal(6, set[-1][2]:item())
  end)

  it("refuses positions that it does not have", function()
    refuses("index 7 is out of range: there are 6 samples", function() return set[7] end)
    refuses("index 0 is out of range", function() return set[0] end)
    refuses("must be an integer", function() return set[1.5] end)
  end)

  it("refuses tensors that do not fit each other, and what is none", function()
    refuses("argument 1 has 6 and argument 2 has 2", data.TensorDataset, x, cr.ones(2))
    refuses("argument 1 must be a tensor, got 5", data.TensorDataset, 5)
    refuses("0-dim", data.TensorDataset, cr.tensor(1))
    refuses("at least one", data.TensorDataset)
  end)
end)

describe("sets made of other sets", function()
  local set = data.TableDataset { "a", "b", "c", "d" }

  it("are a part of one, in any order", function()
    local part = data.Subset(set, { 4, 2 })
    assert.equal(2, #part)
    assert.equal("d", part[1])
    assert.equal("b", part[2])
    refuses("position 5 is out of range: there are 4 samples", data.Subset, set, { 1, 5 })
  end)

  it("are several one after another", function()
    local both = data.ConcatDataset { set, data.TableDataset {}, { "e", "f" } }
    assert.equal(6, #both)
    assert.equal("d", both[4])
    assert.equal("e", both[5])
    assert.equal("f", both[6])
  end)

  it("are several side by side, by place or by name", function()
    assert.same({ "b", 2 }, data.StackDataset { set, { 1, 2, 3, 4 } }[2])
    local named = data.StackDataset { letter = set, number = { 1, 2, 3, 4 } }
    assert.same({ letter = "c", number = 3 }, named[3])
    refuses("as many samples", data.StackDataset, { set, { 1 } })
  end)

  it("pass each sample through a function", function()
    assert.equal("cc", set:map(function(s) return s .. s end)[3])
  end)
end)

describe("random_split", function()
  local set = data.TableDataset(cr.arange(1, 11):totable())

  it("gives parts that share nothing and miss nothing, the same for the same seed", function()
    local a, b = data.random_split(set, { 0.75, 0.25 }, { seed = 3 })
    assert.equal(8, #a) -- 7 and 2, and the one that is left
    assert.equal(2, #b)
    local seen = {}
    for _, part in ipairs { a, b } do
      for i = 1, #part do seen[part[i]] = (seen[part[i]] or 0) + 1 end
    end
    assert.same({ 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, seen)
    local c = data.random_split(set, { 8, 2 }, { seed = 3 })
    assert.same(list(a.positions), list(c.positions))
  end)

  it("leaves the random generator alone where a seed is given", function()
    cr.manual_seed(1)
    local before = cr.rand(1):item()
    cr.manual_seed(1)
    data.random_split(set, { 5, 5 }, { seed = 9 })
    assert.equal(before, cr.rand(1):item())
  end)

  it("refuses parts that make no whole", function()
    refuses("have 9 samples together, and the set has 10", data.random_split, set, { 4, 5 })
    refuses("must make 1", data.random_split, set, { 0.5, 0.4 })
    refuses("must be a list", data.random_split, set, {})
  end)
end)

describe("a sampler", function()
  it("gives all positions in order, or each once in a random one", function()
    assert.same({ 1, 2, 3 }, list(data.SequentialSampler(3):positions()))
    local random = data.RandomSampler(20, { seed = 5 })
    local first, second = list(random:positions(1)), list(random:positions(2))
    assert.not_same(first, second)
    assert.same(first, list(data.RandomSampler(20, { seed = 5 }):positions(1)))
    table.sort(first)
    assert.same(list(cr.arange(1, 21)), first)
  end)

  it("draws with replacement, and more than there are", function()
    local n = {}
    for i in data.RandomSampler(3, { replacement = true, num_samples = 300, seed = 1 }):iter() do
      n[i] = (n[i] or 0) + 1
    end
    assert.equal(3, #n)
    assert.equal(300, n[1] + n[2] + n[3])
    local twice = list(data.RandomSampler(4, { num_samples = 8, seed = 1 }):positions())
    table.sort(twice)
    assert.same({ 1, 1, 2, 2, 3, 3, 4, 4 }, twice)
  end)

  it("takes positions in proportion to their weights", function()
    local drawn = data.WeightedRandomSampler({ 0, 3, 1 }, 4000, { seed = 2 }):positions()
    local counts = list(drawn:bincount({ minlength = 3 }))
    assert.equal(0, counts[1])
    assert.is_true(math.abs(counts[2] - 3000) < 150, tostring(counts[2]))
    refuses("only 2 positions to draw, and num_samples is 3", data.WeightedRandomSampler, { 0, 3, 1 }, 3,
      { replacement = false })
    refuses("at least 0", data.WeightedRandomSampler, { 1, -1 }, 3)
  end)

  it("groups the positions of another", function()
    local groups = {}
    for batch in data.BatchSampler(data.SequentialSampler(5), 2):iter() do groups[#groups + 1] = batch end
    assert.same({ { 1, 2 }, { 3, 4 }, { 5 } }, groups)
    assert.equal(2, #data.BatchSampler(data.SequentialSampler(5), 2, { drop_last = true }))
  end)

  it("takes only positions of its list", function()
    local drawn = list(data.SubsetRandomSampler({ 7, 9, 11 }, { seed = 1 }):positions())
    table.sort(drawn)
    assert.same({ 7, 9, 11 }, drawn)
  end)
end)

describe("default_collate", function()
  local collate = data.default_collate

  it("stacks tensors, makes tensors of numbers and booleans, keeps strings", function()
    assert.same({ { 1, 2 }, { 3, 4 } }, list(collate { cr.tensor { 1, 2 }, cr.tensor { 3, 4 } }))
    assert.equal("int64", collate({ 1, 2 }).dtype)
    assert.equal("float32", collate({ 1, 2.5 }).dtype)
    assert.equal("bool", collate({ true, false }).dtype)
    assert.same({ "a", "b" }, collate { "a", "b" })
  end)

  it("gathers lists and named tables by their keys", function()
    local batch = collate { { x = 1, deep = { "a", 2 } }, { x = 3, deep = { "b", 4 } } }
    assert.same({ 1, 3 }, list(batch.x))
    assert.same({ "a", "b" }, batch.deep[1])
    assert.same({ 2, 4 }, list(batch.deep[2]))
  end)

  it("names the samples that do not fit", function()
    refuses("samples 1 and 3 of the batch have shapes 2 and 3", collate, { cr.ones(2), cr.ones(2), cr.ones(3) })
    refuses("sample 2 of the batch has no 'x'", collate, { { x = 1 }, { y = 1 } })
    refuses("sample 1 of the batch is 1 and sample 2 is 'a'", collate, { 1, "a" })
    refuses("give the loader a collate_fn", collate, { print })
  end)
end)

-- ---- Files ------------------------------------------------------------------------------------------------

describe("IDX files", function()
  it("are read in each of their dtypes", function()
    local bytes = path("bytes", "\0\0\8\2" .. (">I4I4"):pack(2, 3) .. "\1\2\3\4\5\255")
    local floats = path("floats", "\0\0\13\1" .. (">I4ff"):pack(2, 1.5, -2))
    local shorts = path("shorts", "\0\0\11\1" .. (">I4i2i2"):pack(2, 258, -3))
    local set = data.idx(bytes, floats, shorts)
    assert.same({ { 1, 2, 3 }, { 4, 5, 255 } }, list(set.tensors[1]))
    assert.same({ 1.5, -2 }, list(set.tensors[2]))
    assert.same({ 258, -3 }, list(set.tensors[3]))
    assert.equal("uint8 float32 int16", ("%s %s %s"):format(set.tensors[1].dtype, set.tensors[2].dtype,
      set.tensors[3].dtype))
  end)

  it("are unpacked, also where they are several parts", function()
    local plain = path("plain", "\0\0\8\1" .. (">I4"):pack(100000) .. ("x"):rep(100000))
    os.execute(("gzip -c %s > %s.gz"):format(plain, plain))
    assert.equal(100000, #data.idx(plain .. ".gz"))
    os.execute(("(head -c 500 %s | gzip; tail -c +501 %s | gzip) > %s.2.gz"):format(plain, plain, plain))
    assert.equal(100000, #data.idx(plain .. ".2.gz"))
  end)

  it("that are wrong are refused with what is wrong", function()
    refuses("is no IDX file: it has 2 bytes", data.idx, path("w1", "\0\0"))
    refuses("is no IDX file: it begins with 01000801", data.idx, path("w2", "\1\0\8\1\0\0\0\0"))
    refuses("is cut short", data.idx, path("w3", "\0\0\8\3\0\0\0\1"))
    refuses("has 1 bytes of elements, and its header says 5", data.idx, path("w4", "\0\0\8\1\0\0\0\5x"))
    refuses("more elements than bytes", data.idx, path("w5", "\0\0\8\3" .. ("\255"):rep(12)))
    refuses("No such file", data.idx, path "absent")
    refuses("is a folder", data.idx, folder)
    refuses("is cut short", data.idx, path("w6", "\31\139\8\0\0\0\0\0\0\3" .. ("\75"):rep(12)))
  end)
end)

describe("Fashion-MNIST", function()
  it("that is missing names its package", function()
    refuses("apt-get install dataset-fashion-mnist", data.fashion_mnist, "train", { folder = folder })
    refuses('part must be "train" or "test"', data.fashion_mnist, "valid")
  end)

  it("has images from 0 to 1 and classes from 1 to 10", function()
    local images = "\0\0\8\3" .. (">I4I4I4"):pack(2, 28, 28) .. ("\0"):rep(784) .. ("\255"):rep(784)
    path("t10k-images-idx3-ubyte", images)
    path("t10k-labels-idx1-ubyte", "\0\0\8\1" .. (">I4"):pack(2) .. "\0\9")
    os.execute(("gzip -f %s/t10k-*"):format(folder))
    local set = data.fashion_mnist("test", { folder = folder })
    local x, y = set:get(2)
    assert.equal("1x28x28", tostring(x.shape))
    assert.equal(1, x:amin():item())
    assert.equal(10, y:item())
    assert.equal("Ankle boot", set.classes[10])
    local xs, ys = set:batch(cr.tensor { 2, 1 })
    assert.equal("2x1x28x28", tostring(xs.shape))
    assert.same({ 10, 1 }, list(ys))
  end)
end)

describe("csv", function()
  it("has the names of its first line, and guesses the types", function()
    local set = data.csv(path("a.csv", "id,height,name\n1,1.5,ann\n2,,bob\r\n\n3,NA,\n"))
    assert.equal(3, #set)
    assert.same({ "id", "height", "name" }, set.columns)
    assert.same({ 1, 2, 3 }, list(set:column "id"))
    local heights = list(set:column "height")
    assert.equal(1.5, heights[1])
    assert.is_true(heights[2] ~= heights[2] and heights[3] ~= heights[3])
    assert.same({ "ann", "bob", "" }, set:column "name")
    assert.same({ id = 1, height = 1.5, name = "ann" }, set[1])
  end)

  it("takes quotes, with separators, line ends and quotes in them", function()
    local set = data.csv(path("q.csv", '\xEF\xBB\xBFa,b\n"x, ""y""","1\n2"\n"",z\n'))
    assert.same({ 'x, "y"', "" }, set:column "a")
    assert.same({ "1\n2", "z" }, set:column "b")
    refuses(":2: a quote has no end", data.csv, path("q2.csv", 'a\n"x\n'))
    refuses(":2: there is text behind a quote", data.csv, path("q3.csv", 'a\n"x"y\n'))
  end)

  it("takes types, classes, other separators, and no header", function()
    local text = "5;red\n7;blue\n9;red\n"
    local set = data.csv(path("t.csv", text), { sep = ";", header = { "n", "color" },
      types = { n = "float64", color = "class" }, columns = { "color", "n" } })
    assert.equal("float64", set:column("n").dtype)
    assert.same({ "blue", "red" }, set.classes.color)
    assert.same({ 2, 1, 2 }, list(set:column "color"))
    local given = data.csv(path "t.csv", { sep = ";", header = false, types = { ["2"] = { "red", "blue" } } })
    assert.same({ 1, 2, 1 }, list(given:column "2"))
    local x, y = set:tensor_dataset({ "n" }, "color"):get(2)
    assert.same({ 7 }, list(x))
    assert.equal(1, y:item())
  end)

  it("tells the line and the column of what is wrong", function()
    refuses('b.csv:3: column "n" must be an integer, got \'x\'', data.csv, path("b.csv", "n\n1\nx\n"),
      { types = { n = "int64" } })
    refuses('column "n" must be a number, got \'0x10\'', data.csv, path("h.csv", "n\n0x10\n"), { types = "float32" })
    refuses('column "n" must be an integer, got nothing', data.csv, path("m.csv", "n,k\n,1\n"), { types = "int64" })
    refuses("w.csv:2: there are 3 fields, and 2 columns", data.csv, path("w.csv", "a,b\n1,2,3\n"))
    refuses("is empty", data.csv, path("e.csv", ""))
    refuses('two columns "a"', data.csv, path("d.csv", "a,a\n1,2\n"))
    local empty = data.csv(path("c.csv", "a,b\n"))
    refuses("there is no column 'z'; there are: a, b", empty.column, empty, "z")
    refuses("columns names a column 'z'", data.csv, path "c.csv", { columns = { "z" } })
    refuses("must be a dtype", data.csv, path "c.csv", { types = { a = "number" } })
  end)

  it("gives batches by name", function()
    local set = data.csv(path("n.csv", "a,b\n1,x\n2,y\n3,z\n"))
    local batches = {}
    for batch in data.Loader(set, { batch_size = 2 }) do batches[#batches + 1] = batch end
    assert.same({ 1, 2 }, list(batches[1].a))
    assert.same({ "x", "y" }, batches[1].b)
  end)
end)

describe("arrays of NumPy", function()
  it("are a set of their rows", function()
    cr.save(path "x.npy", cr.arange(0, 6):view(3, 2))
    cr.save(path "y.npy", cr.tensor { 7, 8, 9 })
    local set = data.npy(path "x.npy", path "y.npy")
    assert.equal(3, #set)
    assert.same({ 2, 3 }, list(set[2][1]))
    assert.equal(8, set[2][2]:item())
  end)
end)

describe("a text by lines", function()
  it("has its lines without their ends", function()
    local set = data.lines(path("l.txt", "one\r\ntwo\n\nfour"))
    assert.same({ "one", "two", "", "four" }, set.list)
    assert.equal(0, #data.lines(path("l0.txt", "")))
  end)
end)

describe("images", function()
  it("come back from PPM and PGM as they were written", function()
    local image = cr.arange(0, 24):view(3, 2, 4):to "uint8"
    data.write_image(path "i.ppm", image)
    assert.is_true(data.read_image(path "i.ppm"):equal(image))
    data.write_image(path "i.pgm", cr.tensor { { 0.0, 0.5, 2.0 } })
    assert.same({ { { 0, 128, 255 } } }, list(data.read_image(path "i.pgm")))
  end)

  it("come back from PNG, where libpng is", function()
    local image = (cr.arange(0, 4 * 5 * 3) * 4):view(3, 4, 5):to "uint8"
    local done, problem = pcall(data.write_image, path "i.png", image)
    if not done then return pending(problem) end
    assert.is_true(data.read_image(path "i.png"):equal(image))
    refuses("cannot read", data.read_image, path("bad.png", "\x89PNG\r\n\26\n1234"))
  end)

  -- An image of 8x8 made by cjpeg: the upper half as bright as red (76), the lower one as blue (29).
  it("come from JPEG, where libturbojpeg is", function()
    local base64 = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQYGBcUFhYaHSUfGhsjHBYWICwg"
      .. "IyYnKSopGR8tMC0oMCUoKSj/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAB//EABgQAAIDAAAAAAAAAAAAAAAAAAAWZK"
      .. "Ph/9oACAEBAAA/ABpii2Yf/9k="
    local letters, bits, n, bytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 0, 0, {}
    for letter in base64:gmatch "[^=]" do
      bits, n = bits << 6 | letters:find(letter, 1, true) - 1, n + 6
      if n >= 8 then
        n = n - 8
        bytes[#bytes + 1] = string.char(bits >> n & 255)
      end
    end
    local text = table.concat(bytes)
    local done, image = pcall(data.read_image, path("i.jpg", text))
    if not done then return pending(image) end
    assert.equal("1x8x8", tostring(image.shape))
    assert.is_true(math.abs(image[1][1][1]:item() - 76) < 5 and math.abs(image[1][8][8]:item() - 29) < 5)
    refuses("the JPEG file is damaged", data.read_image, path("cut.jpg", text:sub(1, 120)))
  end)

  it("that are wrong are refused", function()
    refuses("neither PNG nor JPEG", data.read_image, path("w.img", "hello"))
    refuses("fewer pixels", data.read_image, path("w.ppm", "P6\n10 10\n255\nxx"))
    refuses("a .ppm file has 3 channels, got 1", data.write_image, path "x.ppm", cr.ones(2, 2))
    refuses("must end with", data.write_image, path "x.gif", cr.ones(2, 2))
  end)

  it("in folders are a dataset with a class for each folder", function()
    os.execute(("mkdir -p %s/pets/cat %s/pets/ant"):format(folder, folder))
    for i, name in ipairs { "cat/1", "cat/2", "ant/1" } do
      data.write_image(("%s/pets/%s.pgm"):format(folder, name), cr.full({ 2, 2 }, i * 10):to "uint8")
    end
    local set = data.images(folder .. "/pets")
    assert.same({ "ant", "cat" }, set.classes)
    assert.equal(3, #set)
    local x, y = set:get(3)
    assert.equal("1x2x2", tostring(x.shape))
    assert.is_true(math.abs(x:amax():item() - 20 / 255) < 1e-6)
    assert.equal(2, y)
    refuses("there are no images", data.images, folder .. "/pets/cat")
  end)
end)

-- ---- Transforms -------------------------------------------------------------------------------------------

describe("a transform", function()
  local T = data.transforms

  it("passes on what it does not change", function()
    local f = T.Compose { T.ToFloat(), T.Normalize(0.5, 0.5), T.At(2, T.OneHot(3)) }
    local x, y, z = f(cr.tensor({ 0, 255 }, { dtype = "uint8" }), cr.tensor { 3, 1 }, "more")
    assert.same({ -1, 1 }, list(x))
    assert.same({ { 0, 0, 1 }, { 1, 0, 0 } }, list(y))
    assert.equal("more", z)
  end)

  it("normalizes channels of images and the last dim of rows", function()
    local x = T.Normalize({ 1, 2 }, { 1, 2 })(cr.full({ 2, 2, 1, 1 }, 4.0))
    assert.same({ 3, 1 }, list(x:select(1, 2):flatten()))
    assert.same({ 3, 1 }, list((T.Normalize({ 1, 2 }, { 1, 2 })(cr.full({ 2 }, 4.0)))))
    refuses("std has a zero", T.Normalize, 0, 0)
    refuses("mean has 2 numbers, and x has 3 channels", T.Normalize({ 1, 2 }, 1), cr.ones(3, 2, 2))
  end)

  it("crops the middle, or a random piece of each image", function()
    local x = cr.arange(0, 25):view(1, 5, 5)
    assert.same({ { { 6, 7, 8 }, { 11, 12, 13 }, { 16, 17, 18 } } }, list((T.CenterCrop(3)(x))))
    cr.manual_seed(1)
    local seen = {}
    for _ = 1, 60 do seen[T.RandomCrop(4)(x)[1][1][1]:item()] = true end
    assert.same({ [0] = true, [1] = true, [5] = true, [6] = true }, seen)
    assert.equal("3x1x7x7", tostring(T.RandomCrop(7, { padding = 1 })(cr.ones(3, 1, 5, 5)).shape))
    refuses("the image is 5x5, smaller than 6x6", T.RandomCrop(6), x)
  end)

  it("flips some images of a batch and not others", function()
    cr.manual_seed(1)
    local x = cr.tensor { { { { 1, 2 } } } }:expand(40, 1, 1, 2)
    local y = T.RandomHorizontalFlip()(x)
    local flipped = y:select(4, 1):eq(2):sum():item()
    assert.is_true(flipped > 8 and flipped < 32, tostring(flipped))
    assert.same({ 2, 1 }, list(T.RandomHorizontalFlip(1)(x)[1]:flatten()))
    assert.same({ 1, 2 }, list(T.RandomHorizontalFlip(0)(x)[1]:flatten()))
  end)
end)

describe("cr.data", function()
  it("says what is near a wrong name", function()
    refuses("did you mean 'cr.data.Loader'?", function() return data.loader end)
  end)

  it("makes classes of one's own", function()
    local Squares = data.Dataset "Squares"
    function Squares:init(n) self.n = n end
    function Squares:len() return self.n end
    function Squares:get(i) return i, i * i * (self.n // self.n) end
    assert.same({ 3, 9 }, Squares(5)[3])
    for x, y in data.Loader(Squares(3), { batch_size = 3 }) do
      assert.same({ 1, 2, 3 }, list(x))
      assert.same({ 1, 4, 9 }, list(y))
    end
  end)
end)
