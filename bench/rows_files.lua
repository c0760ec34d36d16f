-- rows_files.lua: files: how long it takes until what is in them can be used.

local row = require("row_list").row

-- 320 tensors of 70,000 floats: 90 MB, as ResNet-50's. Safetensors is no part of PyTorch, so its peer is torch.load
-- with mmap.
row {
  name = "a file of 90 MB to first use (safetensors)", threads = 1,
  setup = [[
local path, t = os.tmpname() .. ".safetensors", {}
for i = 1, 320 do t[("layer%d.conv%d.weight"):format(i // 10, i)] = cr.ones(70000) end
cr.save(path, t)
t = nil
local function use() return cr.load(path)["layer0.conv3.weight"][1]:item() end]],
  ours = "use()",
  peer_setup = [[
import os, tempfile
path = tempfile.mktemp() + ".pt"
torch.save({"layer%d.conv%d.weight" % (i // 10, i): torch.ones(70000) for i in range(1, 321)}, path)
import atexit
atexit.register(os.remove, path)]],
  peer = 'torch.load(path, mmap=True, weights_only=True)["layer0.conv3.weight"][0].item()',
}
