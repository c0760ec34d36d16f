-- device.lua: whether there is a CUDA device to run specs on.

local cr = require "cresset"

local M = {}

local count, why = cr.cuda.device_count()
M.count = count
-- Where the environment asks for a device, its absence is a failure and no reason to skip.
M.skip = count == 0 and not os.getenv "CRESSET_CUDA" and why or nil
M.emulated = os.getenv "CRESSET_CUDA" == "emulate"

return M
