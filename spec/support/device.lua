-- device.lua: whether there is a CUDA device to run specs on.

local cr = require "cresset"

local M = {}

local count, why = cr.cuda.device_count()
M.count = count
-- Where the environment asks for a device, its absence is a failure and no reason to skip.
M.skip = count == 0 and not os.getenv "CRESSET_CUDA" and why or nil
M.emulated = os.getenv "CRESSET_CUDA" == "emulate"

-- `describe` where there is a device, nothing elsewhere; cuda_spec.lua says why. busted gives describe to
-- spec files only, so it comes from there.
function M.only(describe)
  return function(what, body)
    if not M.skip then describe(what, body) end
  end
end

return M
