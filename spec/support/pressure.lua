-- pressure.lua: fails each allocation of a piece of work in turn, and looks for traces.
--
-- Holds true: a piece of work that fails has changed nothing that can be seen (elements, version, header, place
-- in the graph, gradient, the generator); made again on the same tensors, it gives what it gives undisturbed.

local cr = require "cresset"
local values = require "spec.support.values"

local M = {}

-- ---- What can be seen of a tensor --------------------------------------------------------------------

local function exact(v) return math.type(v) == "float" and ("%a"):format(v) or tostring(v) end

local function text_of(t)
  local list = {}
  for i, v in ipairs(values.flat(t)) do list[i] = exact(v) end
  return ("%s %s %s"):format(t.dtype, table.concat(t.shape, "x"), table.concat(list, " "))
end

-- All of it as text, but the node, which is compared as itself.
local function state_of(t)
  local grad = t.is_leaf and t.grad
  return {
    ("%s; strides %s; version %d; %s; grad %s"):format(text_of(t), table.concat(t:stride(), " "), t._version,
      t.requires_grad and "requires grad" or "plain", grad and text_of(grad) or "none"),
    t.grad_fn or false,
  }
end

local function states_of(list)
  local seen = { cr.get_rng_state().offset }
  for i, t in ipairs(list) do seen[i + 1] = state_of(t) end
  return seen
end

local function difference(want, got)
  if want[1] ~= got[1] then return ("the generator is at %d, not %d"):format(got[1], want[1]) end
  for i = 2, #want do
    if want[i][1] ~= got[i][1] then
      return ("tensor %d is\n  %s, not\n  %s"):format(i - 1, got[i][1], want[i][1])
    end
    if not rawequal(want[i][2], got[i][2]) then return ("tensor %d has another node"):format(i - 1) end
  end
end

-- Appends the tensors in v, and the text of what else it holds as into.rest.
local function collect_tensors(v, into)
  if cr.is_tensor(v) then
    into[#into + 1] = v
  elseif type(v) == "table" then
    for _, item in ipairs(v) do collect_tensors(item, into) end
  elseif v ~= nil then
    into.rest = (into.rest or "") .. " " .. tostring(v)
  end
end

-- The text of results, of what was written, and of the gradients of both.
local function outcome_of(results, watched, leaves)
  local seen = {}
  collect_tensors(results, seen)
  for _, t in ipairs(watched) do seen[#seen + 1] = t end
  local lines, loss = { "generator " .. cr.get_rng_state().offset, seen.rest }, nil
  for _, t in ipairs(seen) do
    lines[#lines + 1] = ("%s version %d"):format(text_of(t), t._version)
    if t.requires_grad then
      local part = (t * t):sum()
      loss = loss and loss + part or part
    end
  end
  if loss and #leaves > 0 then
    for _, g in pairs { cr.grad(loss, leaves, { allow_unused = true }) } do lines[#lines + 1] = text_of(g) end
  end
  return table.concat(lines, "\n")
end

-- ---- Failing -----------------------------------------------------------------------------------------

-- make() gives a piece of work anew: call(), which does it, the tensors that it may write (watched), and those
-- that gradients are taken by (leaves); undefined: its elements mean nothing; several: the work is more than one
-- call, of which the first may have drawn.
local function begin(make)
  cr.manual_seed(7)
  local work = make()
  work.watched, work.leaves = work.watched or {}, work.leaves or {}
  return work
end

local function finish(work)
  local results = table.pack(work.call())
  return work.undefined and "" or outcome_of(results, work.watched, work.leaves)
end

-- Fails allocation n; returns whether there were as many, or a problem.
local function fail_at(make, n, options, want)
  local work = begin(make)
  local before = states_of(work.watched)
  cr.debug.fail_alloc(n, options)
  local results = table.pack(pcall(work.call))
  local happened = cr.debug.fail_left() <= 0
  cr.debug.fail_alloc(0)
  if results[1] then
    local got = work.undefined and "" or outcome_of({ table.unpack(results, 2, results.n) }, work.watched, work.leaves)
    if got ~= want then return happened, "the outcome is\n" .. got .. "\nnot\n" .. want end
    return happened
  end
  if not tostring(results[2]):find("out of memory", 1, true) then return happened, tostring(results[2]) end
  if work.several then cr.manual_seed(7) end
  local changed = difference(before, states_of(work.watched))
  if changed then return happened, changed end
  local got = finish(work)
  if got ~= want then return happened, "made again, the outcome is\n" .. got .. "\nnot\n" .. want end
  return happened
end

M.alone = { "alone", {} }
M.lasting = { "and all later ones", { lasting = true } }
M.repeated = { "alone, with the repetition", { retry = true } }
M.repeated_lasting = { "and all later ones, with the repetition", { retry = true, lasting = true } }

-- Fails each allocation of what make() makes, in each of the ways given.
function M.withstands(make, ...)
  local want = finish(begin(make))
  for _, way in ipairs { ... } do
    local n = 0
    while true do
      n = n + 1
      local happened, problem = fail_at(make, n, way[2], want)
      if not happened and not problem then break end
      if problem then error(("allocation %d failing %s: %s"):format(n, way[1], problem), 0) end
      if n > 400 then error("the work never ended", 0) end
    end
  end
end

function M.tensors_in(v)
  local list = {}
  collect_tensors(v, list)
  return { table.unpack(list) }
end

return M

