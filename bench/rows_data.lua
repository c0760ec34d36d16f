-- rows_data.lua: files of samples, and passes of a loader.
-- For rows.lua, which says what a row is.
--
-- Holds true: both sides read the same files of Debian's package dataset-fashion-mnist, and take 60,000 images in
-- shuffled batches of 64. Without workers the peer's loader calls its set for each sample, as it always does.

local row = require("row_list").row

-- Seconds of a piece of either language.
local function timed(ours, peer)
  return ("local t = cr.clock() %s print(cr.clock() - t)"):format(ours),
    ("import time\nt = time.perf_counter()\n%s\nprint(time.perf_counter() - t)"):format(peer)
end

local images = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"
local ours, peer = timed('local set = cr.data.fashion_mnist "train"', ([[
data = gzip.open("%s").read()
x = torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=16).view(60000, 28, 28)]]):format(images))
row { name = "Fashion-MNIST read", target = 1.5, program = true, ours = ours,
  peer = "import gzip, torch\n" .. peer }

for _, workers in ipairs { 0, 2 } do
  local here, there = timed("for x, y in loader do end", "for a, b in loader: pass")
  row {
    name = ("a pass of a loader, %d workers"):format(workers), target = 5, program = true, rounds = 1,
    ours = ([[
      local set = cr.data.TensorDataset(cr.rand(60000, 1, 28, 28), cr.randint(1, 11, { 60000 }))
      local loader = cr.data.Loader(set, { batch_size = 64, shuffle = true, seed = 1, num_workers = %d })
      %s]]):format(workers, here),
    peer = ([[
import torch
from torch.utils.data import TensorDataset, DataLoader
x, y = torch.rand(60000, 1, 28, 28), torch.randint(0, 10, (60000,))
loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True, num_workers=%d)
%s]]):format(workers, there),
  }
end
