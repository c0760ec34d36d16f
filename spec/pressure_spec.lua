-- pressure_spec.lua: every operation of the catalogue, its twin, its form with out and its forms over lists run out
-- of memory at each allocation: nothing has happened then, and nothing is forgotten.
--
-- Failures are not repeated with a collection here, which is slow beside the heap of the specs: to the engine the
-- repetition is a second call like the one that support/pressure.lua makes. pressure_paths_spec has the repetition.

local cr = require "cresset"
local pressure = require "spec.support.pressure"
local samples = require "spec.support.samples"
local values = require "spec.support.values"

local withstands, tensors_in = pressure.withstands, pressure.tensors_in
local alone, lasting = pressure.alone, pressure.lasting

-- Copies of a sample's tensors: floating ones are leaves if `leaves` is given, which gets them.
local function copy_args(e, args, leaves)
  if not leaves then return samples.map(args, function(t) return t:clone() end) end
  return samples.map_inputs(e, args, function(t)
    leaves[#leaves + 1] = t:clone():requires_grad_()
    return leaves[#leaves]
  end)
end

-- check(e, sample) for the first few samples of each entry that is wanted.
local function check_each(few, wanted, check)
  for _, e in ipairs(samples.public()) do
    if wanted(e) then
      it(e.name, function()
        for k, sample in ipairs(samples.of(e)) do
          local ok, problem = pcall(check, e, sample)
          if not ok then error(("sample %d: %s"):format(k, problem), 0) end
          if k == few then break end
        end
      end)
    end
  end
end

describe("out of memory, nothing has happened and nothing is forgotten in", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  check_each(2, function() return true end, function(e, sample)
    withstands(function()
      local leaves = {}
      local args = copy_args(e, sample, leaves)
      return {
        call = function() return table.unpack(samples.call(e, args)) end,
        watched = tensors_in(args), leaves = leaves, undefined = samples.is_undefined(e),
      }
    end, alone)
  end)
end)

local function twin_name(e) return e.lua:sub(-1) == "_" and e.lua or e.lua .. "_" end

-- What may be written: a result, a part of one, and a plain tensor.
local targets = {
  result = function(x, leaves)
    if not x:is_floating_point() then return x:clone() end
    leaves[#leaves + 1] = x:clone():requires_grad_()
    return leaves[#leaves] * 1
  end,
  ["part of a result"] = function(x, leaves)
    if not x:is_floating_point() or x.ndim == 0 then return nil end
    leaves[#leaves + 1] = cr.cat({ x, x }, 1):requires_grad_()
    local whole = leaves[#leaves] * 1
    return whole:narrow(1, 1, x.shape[1]), whole
  end,
  ["plain tensor"] = function(x) return x:clone() end,
}

local function has_twin(e) return e.inplace and (e.method ~= false or e.inplace_only) end

local function refused(f, ...) return not pcall(f, ...) end

for kind, target in pairs(targets) do
  describe("out of memory, nothing is written to a " .. kind .. " by", function()
    after_each(function() cr.debug.fail_alloc(0) end)
    check_each(3, has_twin, function(e, sample)
      if not cr.is_tensor(sample[1]) then return end
      local function make()
        local leaves = {}
        local args = copy_args(e, sample, kind ~= "plain tensor" and leaves or nil)
        local x, whole = target(sample[1], leaves)
        return x and {
          call = function() return x[twin_name(e)](x, table.unpack(args, 2, args.n)) end,
          watched = { x, whole, table.unpack(tensors_in(args)) }, leaves = leaves,
        }
      end
      local work = make()
      if not work or refused(work.call) then return end -- of another dtype or shape, or not to be recorded
      withstands(make, alone, lasting)
    end)
  end)
end

describe("out of memory, nothing is written to out by", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  check_each(2, function(e) return e.func ~= false and not e.inplace_only end, function(e, sample)
    if type(sample[sample.n]) == "table" then return end -- it ends with options of its own
    local ok, plain = pcall(function() return cr.no_grad(samples.call, e, copy_args(e, sample)) end)
    if not ok or not cr.is_tensor(plain[1]) or #plain > 1 then return end
    local outs = {
      function() return cr.full_like(plain[1], 1) end,
      function() return cr.full_like(plain[1], 1):t():clone():t() end,
      function() return cr.zeros({ 0 }, { dtype = plain[1].dtype, device = values.device }) end,
    }
    for _, out_of in ipairs(outs) do
      local function make()
        local args, made, out = copy_args(e, sample), pcall(out_of)
        if not made then return end -- no matrix
        return {
          call = function()
            local list = { n = args.n + 1, table.unpack(args, 1, args.n) }
            list[list.n] = { out = out }
            return cr[e.lua](table.unpack(list, 1, list.n))
          end,
          watched = { out, table.unpack(tensors_in(args)) }, undefined = samples.is_undefined(e),
        }
      end
      local work = make()
      if work and not refused(work.call) then withstands(make, alone, lasting) end
    end
  end)
end)

-- ---- Lists -------------------------------------------------------------------------------------------

-- The sample for each of three tensors in place; the lists that hold them, beside it.
local function rows_of(e, sample, leaves, as_target)
  local self, columns, args = {}, {}, nil
  for row = 1, 3 do
    args = copy_args(e, sample, leaves)
    self[row] = as_target and targets[as_target](sample[1], leaves) or args[1]
    for i = 2, args.n do
      local p = e.params[i]
      columns[i - 1] = columns[i - 1] or args[i]
      if p and (p.type == "tensor" or p.type == "operand") and args[i] ~= nil then
        if row == 1 then columns[i - 1] = {} end
        columns[i - 1][row] = args[i]
      end
    end
  end
  return self, columns, args.n - 1
end

local function is_mapped(e)
  for i = 2, #e.params do
    if e.params[i].type == "tensors" then return false end
  end
  return true
end

for _, kind in ipairs { "result", "plain tensor" } do
  describe("out of memory, a list of " .. kind .. "s is written as a whole or not at all by foreach", function()
    after_each(function() cr.debug.fail_alloc(0) end)
    check_each(3, function(e) return has_twin(e) and is_mapped(e) end, function(e, sample)
      if not cr.is_tensor(sample[1]) then return end
      local name = twin_name(e)
      local function make()
        local leaves = {}
        local self, columns, n = rows_of(e, sample, kind == "result" and leaves or nil, kind)
        return {
          call = function() return cr.foreach[name](self, table.unpack(columns, 1, n)) end,
          watched = tensors_in { self, columns }, leaves = leaves,
        }
      end
      if refused(make().call) then return end
      withstands(make, alone, lasting)
    end)
  end)
end

describe("out of memory, nothing has happened in foreach", function()
  after_each(function() cr.debug.fail_alloc(0) end)
  check_each(1, function(e) return is_mapped(e) and not e.inplace_only end, function(e, sample)
    if not cr.is_tensor(sample[1]) then return end
    local function make()
      local leaves = {}
      local self, columns, n = rows_of(e, sample, leaves)
      return {
        call = function() return cr.foreach[e.lua](self, table.unpack(columns, 1, n)) end,
        watched = tensors_in { self, columns }, leaves = leaves, undefined = samples.is_undefined(e),
      }
    end
    if refused(make().call) then return end
    withstands(make, alone)
  end)
end)
