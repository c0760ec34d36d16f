-- idx.lua: IDX files, as MNIST and its kin come in, and Fashion-MNIST itself.
--
-- Holds true: files may be packed by gzip. What a header says is checked against the bytes that there are. Images stay
-- bytes in memory, and become numbers from 0 to 1 when they are taken.

local cr = require "cresset"

local check = require "cresset.data.check"
local dataset = require "cresset.data.dataset"

local M = {}

local fail = check.fail

-- Element types by their code.
local types = { [0x08] = "uint8", [0x09] = "int8", [0x0B] = "int16", [0x0C] = "int32", [0x0D] = "float32",
  [0x0E] = "float64" }

local function read(op, path)
  check.string(op, "path", path)
  local bytes, problem = cr._data.read_bytes(path)
  if not bytes then fail("%s: cannot read %s", op, problem) end
  return bytes
end

--- The tensor in an IDX file.
local function tensor(op, path)
  local bytes = read(op, path)
  local n = #bytes
  if n < 4 then fail("%s: %s is no IDX file: it has %d bytes", op, path, n) end
  local head = cr._data.bytes_text(bytes:narrow(1, 1, math.min(n, 4 + 4 * 255)))
  local zero, code, ndim = (">I2BB"):unpack(head)
  local dtype = types[code]
  if zero ~= 0 or not dtype then fail("%s: %s is no IDX file: it begins with %02x%02x%02x%02x", op, path,
    head:byte(1, 4)) end
  if ndim > 16 or n < 4 + 4 * ndim then fail("%s: the header of %s is cut short, or wrong", op, path) end
  local shape, count = {}, 1
  for d = 1, ndim do
    shape[d] = (">I4"):unpack(head, 1 + 4 * d)
    count = count * shape[d]
    if count > n then fail("%s: %s says that it has more elements than bytes", op, path) end
  end
  local offset = 4 + 4 * ndim
  local size = cr.zeros({ 1 }, { dtype = dtype }):element_size()
  if n - offset ~= count * size then
    fail("%s: %s has %d bytes of elements, and its header says %d", op, path, n - offset, count * size)
  end
  if dtype == "uint8" then return bytes:narrow(1, offset + 1, count):view(shape) end
  return cr._data.big_endian(bytes, offset, dtype, shape)
end

--- idx(path, ...): a TensorDataset of the tensors in IDX files, in the dtypes that they have.
function M.idx(...)
  local n = select("#", ...)
  if n == 0 then fail "idx: expected the path of a file, got nothing" end
  local tensors = { ... }
  for i = 1, n do tensors[i] = tensor("idx", tensors[i]) end
  return dataset.TensorDataset(table.unpack(tensors))
end

-- ---- Images and their classes --------------------------------------------------------------------------------

local Images = dataset.Dataset "ImageDataset"
Images.copies = true
M.Images = Images

function Images:init(images, labels, classes)
  self.images, self.labels, self.classes = images, labels, classes
end
function Images:len() return #self.labels end
function Images:get(i) return self.images:select(1, i):unsqueeze(1):to "float32" / 255, self.labels:select(1, i) end
function Images:batch(index)
  return self.images:index_select(1, index):unsqueeze(2):to("float32"):div_(255), self.labels:index_select(1, index)
end

--- All images and all classes, as two tensors.
function Images:tensors() return self.images:unsqueeze(2):to("float32"):div_(255), self.labels end

local folder = "/usr/share/datasets/fashion-mnist/"
local parts = { train = "train", test = "t10k" }
local names = { "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
  "Ankle boot" }

--- fashion_mnist("train" or "test", { folder = }): the 60,000 or 10,000 images of Fashion-MNIST, float32 from 0 to 1 of
-- 1x28x28, and their classes from 1 to 10; set.classes names them. From Debian's package dataset-fashion-mnist, or the
-- folder that has its four files.
function M.fashion_mnist(part, options)
  local op = "fashion_mnist"
  local o = check.options(op, options, { "folder" })
  if not parts[part] then fail('%s: part must be "train" or "test", got %s', op, check.describe(part)) end
  local at = o.folder == nil and folder or check.string(op, "folder", o.folder) .. "/"
  local prefix = at .. parts[part]
  local file = io.open(prefix .. "-labels-idx1-ubyte.gz", "rb")
  if not file then
    fail("%s: there is no %s-labels-idx1-ubyte.gz; on Debian: apt-get install dataset-fashion-mnist", op, prefix)
  end
  file:close()
  local images, labels = tensor(op, prefix .. "-images-idx3-ubyte.gz"), tensor(op, prefix .. "-labels-idx1-ubyte.gz")
  if images.ndim ~= 3 or labels.ndim ~= 1 or #images ~= #labels or labels:amax():item() > 9 then
    fail("%s: the files in %s do not fit each other: images %s, labels %s", op, at, images.shape, labels.shape)
  end
  return Images(images, labels:to "int64" + 1, { table.unpack(names) })
end

return M
