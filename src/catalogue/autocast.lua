-- autocast.lua: what autocast does to the arguments of operations: the field `autocast` of entries.
--
-- Holds true: an entry without the field computes in what it is given. The field is a policy, or { cpu =, cuda = }
-- where they differ or one has none; they are PyTorch's lists, and what comes of them for functions of other functions.
-- A policy casts the floating tensors among the arguments, but for float64, before the operation runs with autocast
-- off; what is written in place is not cast.
--   lower    to the dtype of the scope
--   float32  to float32
--   widest   to float32 if any of them is that, else to the dtype of the scope
--   refused  the call is an error

local M = {}

local policies = { lower = true, float32 = true, widest = true, refused = true }

--- What is wrong with the field of an entry, or nil.
function M.wrong(field)
  if field == nil or policies[field] then return nil end
  if type(field) ~= "table" or next(field) == nil then return "autocast is no policy" end
  for device, policy in pairs(field) do
    if device ~= "cpu" and device ~= "cuda" then return ("autocast knows no device %s"):format(device) end
    if not policies[policy] then return ("autocast has an unknown policy %s"):format(policy) end
  end
end

--- What an entry's implementation has of it in C; "" for nothing.
function M.fields(e)
  local field = e.autocast
  if not field then return "" end
  if type(field) == "string" then field = { cpu = field, cuda = field } end
  local function policy(device) return "CR__CAST_" .. (field[device] or "none"):upper() end
  return (", .casts = %s | %s << 4"):format(policy "cpu", policy "cuda")
end

return M
