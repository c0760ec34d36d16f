-- row_list.lua: the list that the files of rows fill.
--
-- Holds true: rows stand in the order in which they were added. What a row is, rows.lua says.

local M = { rows = {} }

function M.row(r) M.rows[#M.rows + 1] = r end

-- Rows that share their setup: { name, target, ours, peer } each, and fields for all of them.
function M.group(shared, list)
  for _, r in ipairs(list) do
    local new = { name = r[1], target = r[2], ours = r[3], peer = r[4] }
    for k, v in pairs(shared) do new[k] = v end
    for k, v in pairs(r) do if type(k) == "string" then new[k] = v end end
    M.row(new)
  end
end

return M
