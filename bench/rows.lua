-- rows.lua: what `make bench` measures, in the order of its table; the rows themselves stand in the files
-- beside it.
--
-- A row:  name; target, the least ratio wanted (rows without one are there to be watched);
--   setup, ours              Lua, run once and run in the loop (`cr` is the module)
--   peer_setup, peer         the same in Python (`torch`, and torch.nn.functional as `F`)
--   threads                  2 unless given
--   bytes, flops             what a call moves or computes, for the rate
--   why                      the reason, while the row is below its target
--   counted                  the calls in which `make instructions` counts instructions, for small rows
-- or, with `program = true`, both sides are whole programs: `clock = true` times them from start to
-- end, otherwise each prints a number in `unit` (or seconds); `rounds` of them, 3 unless given.

require "rows_small"
require "rows_large"
require "rows_hard"
require "rows_images"
require "rows_convolutions"
require "rows_models"
require "rows_attention"
require "rows_normalizations"
require "rows_recurrent"
require "rows_modules"
require "rows_files"
require "rows_data"

return require("row_list").rows
