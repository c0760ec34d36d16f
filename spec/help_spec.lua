-- help_spec.lua: every public name has help, and stands in the reference manual and in the editors' annotations.

local cr = require "cresset"
local shell = require "spec.support.shell"

local function set_of(names)
  local set = {}
  for name in names:gmatch "%S+" do set[name] = true end
  return set
end

local function public(t, set)
  for name in next, t do
    if type(name) == "string" and name:sub(1, 1) ~= "_" then set[name] = true end
  end
  return set
end

-- The methods behind the __index of a userdata of the binding.
local function methods_of(object)
  local index = debug.getmetatable(object).__index
  return type(index) == "table" and index or select(2, debug.getupvalue(index, 1))
end

local context, node, handle
do
  local F = cr.Function {
    forward = function(ctx, x)
      context = ctx
      return x * 1
    end,
    backward = function(_, g) return g end,
  }
  local x = cr.ones({ 1 }, { requires_grad = true })
  node, handle = F(x).grad_fn, x:register_hook(function() end)
end

-- The names of each owner, as programs see them.
local owners = {
  cr = public(getmetatable(cr).lazy, public(cr, {})),
  x = public(cr.methods(),
    set_of "dtype device shape ndim grad requires_grad is_leaf grad_fn data base _version retains_grad"),
  ctx = public(methods_of(context), set_of "needs_input_grad"),
  node = public(methods_of(node), set_of "next_functions variable trace"),
  handle = public(methods_of(handle), {}),
  memory = public(cr.memory, {}),
  cuda = public(cr.cuda, {}),
  debug = public(cr.debug, {}),
  nn = public(getmetatable(cr.nn).lazy, public(cr.nn, {})),
  ["nn.utils"] = public(getmetatable(cr.nn.utils).lazy, {}),
  module = public(cr.nn.Module, { training = true }),
  optim = public(getmetatable(cr.optim).files, {}),
  ["optim.lr_scheduler"] = public(getmetatable(cr.optim.lr_scheduler).files, {}),
  ["optim.swa_utils"] = public(cr.optim.swa_utils, {}),
  opt = set_of "step zero_grad add_param_group param_groups state defaults state_dict load_state_dict",
  stream = set_of "synchronize query device",
  event = set_of "record wait synchronize query elapsed",
}

local tables = {
  memory = true, cuda = true, debug = true, nn = true, ["nn.utils"] = true, optim = true,
  ["optim.lr_scheduler"] = true, ["optim.swa_utils"] = true,
}

-- Calls f(owner, name, full name) for every public name, in an order that does not change.
local function every_name(f)
  for owner, names in pairs(owners) do
    for name in pairs(names) do
      local full = tables[owner] and ("cr.%s.%s"):format(owner, name) or owner .. "." .. name
      f(owner, name, full)
    end
  end
end

local function has(text, part) assert(text:find(part, 1, true), ("%q lacks %q"):format(text, part)) end

-- The operation of a method or function, by any of its names.
local operations = {}
for _, op in ipairs(cr.operations()) do
  for _, name in ipairs { op.lua, table.unpack(op.aliases) } do
    operations[name] = op
    if op.inplace then operations[name .. "_"] = op end
  end
end

describe("cr.help", function()
  it("knows every public name of the module, its tables, tensors, contexts, nodes and handles", function()
    local missing, count = {}, 0
    every_name(function(_, _, full)
      count = count + 1
      if cr.help(full):find "^There is nothing" then missing[#missing + 1] = full end
    end)
    assert.same({}, missing)
    assert(count > 500, count)
  end)

  it("knows every name without its owner, too", function()
    local missing = {}
    every_name(function(_, name) if cr.help(name):find "^There is nothing" then missing[#missing + 1] = name end end)
    assert.same({}, missing)
  end)

  it("knows every operation on lists", function()
    for name in next, cr.foreach do has(cr.help("foreach." .. name), "foreach." .. name) end
    assert.truthy(cr.help("foreach.sofmax"):find "^There is nothing")
  end)

  it("tells signature and meaning of every operation", function()
    for _, op in ipairs(cr.operations()) do
      if not op.hidden and (op.method or op.func) then has(cr.help(op.lua), op.lua .. op.signature:match "%(.*$") end
    end
  end)

  it("takes names as they are written in programs", function()
    has(cr.help "x:softmax", "softmax(self: tensor, dim: dim")
    has(cr.help "cr.softmax", "softmax(self: tensor, dim: dim")
    has(cr.help "x:add_", "add(self: operand")
    has(cr.help "memory.limit", "cr.memory.limit(bytes")
    has(cr.help "cr.memory.limit", "cr.memory.limit(bytes")
    has(cr.help "cuda.set_device", "cr.cuda.set_device(device)")
    has(cr.help "foreach.add_", "cr.foreach.add_(list")
    has(cr.help "foreach.adam_", "exp_avgs")
    has(cr.help "saved_tensors", "ctx:saved_tensors()")
    has(cr.help "ctx:saved_tensors", "ctx:saved_tensors()")
    has(cr.help "x.shape", "the sizes")
  end)

  it("has topics", function()
    has(cr.help "indexing", "newaxis")
    has(cr.help "dtypes", "bfloat16")
    has(cr.help "broadcasting", "sizes must be equal")
  end)

  it("tells apart what an owner is named for", function()
    assert.is_nil(cr.help("x.grad"):find("cr.grad(", 1, true))
    has(cr.help "grad", "cr.grad(")
    has(cr.help "grad", "x.grad")
    assert.is_nil(cr.help("cuda.gemm_name"):find("bfloat16", 1, true))
  end)

  it("lists everything when asked for nothing", function()
    local text = cr.help()
    for _, name in ipairs { "softmax", "backward", "matmul", "no_grad", "memory.limit", "saved_tensors", "indexing" } do
      has(text, name)
    end
  end)

  it("suggests names for one that it does not know", function()
    has(cr.help "softmaxx", "did you mean 'softmax'?")
    has(cr.help "memory.limt", "did you mean 'memory.limit'?")
    has(cr.help "saved_tensor", "did you mean 'saved_tensors'?")
  end)
end)

-- #compiles: it is written by the programs that build the library.
describe("the reference manual #compiles", function()
  local manual, annotations
  local in_manual = {}

  setup(function()
    local folder = shell.folder()
    local program = assert(shell.run("find src -name manual.lua"):match "%S+")
    local told, status = shell.run(("lua5.4 %s %s"):format(program, folder))
    assert.equal(0, status, told)
    manual, annotations = shell.read(folder .. "/reference.md"), shell.read(folder .. "/cresset.d.lua")
    os.execute("rm -rf " .. folder)
    for call in manual:gmatch "`([%w_%.:]+)" do in_manual[call] = true end
    for name in manual:gmatch "\n### ([%w_%.:]+)" do in_manual[name] = true end
    for list in manual:gmatch "also called ([%w_, ]+)" do
      for name in list:gmatch "[%w_]+" do in_manual[name] = true end
    end
  end)

  it("has every public name", function()
    local missing = {}
    every_name(function(owner, name, full)
      local op = (owner == "x" or owner == "cr") and operations[name]
      local plain = name:match "^(.-[^_])_$" or name
      local there = in_manual[full] or in_manual[full:gsub("%.([^%.]*)$", ":%1")]
        or op and (in_manual[name] or in_manual[plain])
      if not there then missing[#missing + 1] = full end
    end)
    table.sort(missing)
    assert.same({}, missing)
  end)

  it("has a heading for every link of its contents", function()
    for target in manual:gmatch "%]%(#([^%)]+)%)" do
      local found = false
      for heading in manual:gmatch "\n#+ ([^\n]+)" do
        found = found or heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-") == target
      end
      assert(found, target)
    end
  end)

  it("has annotations that are Lua, and name what is written by hand", function()
    assert(load(annotations, "@cresset.d.lua"))
    for _, line in ipairs { "---@field backward fun(self: cresset.Tensor", "---@field tensor fun(data: any",
      "---@field saved_tensors fun(self: cresset.Context)", "---@field limit fun(bytes: integer",
      "---@field shape integer[]", "function Tensor:softmax(dim, dtype) end", "function cr.zeros(" } do
      has(annotations, line)
    end
  end)
end)
