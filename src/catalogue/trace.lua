-- trace.lua: runs the catalogue's formulas once, on symbols, and writes down the calls they make.
--
-- Holds true: a formula becomes straight-line C, one operation a line, each result released at the
-- end of its block. The symbols are: an expression (a C expression of type cr_value that holds a
-- tensor), a number (a C double expression), and a parameter (an expression that holds a value).

local catalogue = require "catalogue"
local M = {}

local Expr = {} -- metatable of symbols
local arith = { __add = "add", __sub = "sub", __mul = "mul", __div = "div", __pow = "pow" }
local c_operator = { __add = "+", __sub = "-", __mul = "*", __div = "/" }
local properties = { shape = "SHAPE", dtype = "DTYPE", device = "DEVICE", ndim = "NDIM", numel = "NUMEL",
  stride = "STRIDE", offset = "OFFSET" }

local function is_symbol(x) return getmetatable(x) == Expr end

-- The state of the formula that is being traced: lines, temporaries, the way to look up `v`.
local current

-- Says which formula it is about.
local function place()
  local part = current.param and (", the derivative by " .. current.param.name) or ""
  return ("catalogue: %s%s: "):format(current.entry.name, part)
end

local function fail(message, ...) error(place() .. message:format(...), 0) end

-- Calls a formula. What Lua itself finds wrong in it comes with its line, and is a mistake like the others.
local function trace(formula, ...)
  local results = table.pack(pcall(formula, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local message = tostring(results[2])
  if message:sub(1, 11) ~= "catalogue: " then message = place() .. message end
  error(message, 0)
end

local function symbol(kind, code, extra)
  local s = { kind = kind, code = code }
  for key, value in pairs(extra or {}) do s[key] = value end
  return setmetatable(s, Expr)
end

-- A symbol of an input is looked up (and so saved) only when its value, not just its shape, is used.
local function code_of(s)
  if not s.code then s.code = s.resolve() end
  return s.code
end

-- ---- Values as C ----------------------------------------------------------------------------

local function number_code(x)
  if is_symbol(x) then
    if x.kind == "number" then return code_of(x) end
    if x.kind == "param" then return ("cr__number(%s)"):format(code_of(x)) end
    fail("a tensor stands where a number should")
  end
  if x == math.huge then return "(1.0 / 0.0)" end
  if x == -math.huge then return "(-1.0 / 0.0)" end
  return ("%.17g"):format(x)
end

local function list_code(list)
  local parts = {}
  for i, item in ipairs(list) do
    parts[i] = is_symbol(item) and ("(int64_t)" .. number_code(item)) or ("%d"):format(item)
  end
  if #parts == 0 then return "cr_ints((int64_t[]){0}, 0)" end
  return ("cr_ints((int64_t[]){%s}, %d)"):format(table.concat(parts, ", "), #parts)
end

-- The cr_value for an argument `x` of parameter p.
local function value_code(x, p)
  if x == nil then
    if not p.optional then fail("a call of an operation lacks '%s'", p.name) end
    return nil
  end
  if is_symbol(x) then
    if x.kind ~= "number" then return code_of(x) end
    local whole = p.type == "int" or p.type == "dim"
    return whole and ("cr_int((int64_t)(%s))"):format(code_of(x)) or ("cr_float(%s)"):format(code_of(x))
  end
  if type(x) == "boolean" then return ("cr_bool(%s)"):format(tostring(x)) end
  if type(x) == "string" and p.type == "dtype" then return ("cr_dtype_value(CR_%s)"):format(x:upper()) end
  if type(x) == "string" then return ('cr_string("%s")'):format(x) end
  if type(x) == "table" then
    if p.type ~= "tensors" then return list_code(x) end
    local parts = {}
    for i, item in ipairs(x) do parts[i] = code_of(item) .. ".u.t" end
    return ("cr_list((cr_tensor *[]){%s}, %d)"):format(table.concat(parts, ", "), #parts)
  end
  if p.type == "float" or math.type(x) == "float" then return ("cr_float(%s)"):format(number_code(x)) end
  if p.type == "dims" or p.type == "shape" or p.type == "ints" then return list_code { x } end
  return ("cr_int(%d)"):format(x)
end

local function default_code(p)
  if not p.has_default then return "cr_none()" end
  return value_code(p.default, p)
end

-- ---- Calls ------------------------------------------------------------------------------------

local function check_differentiable(e)
  if current.derivative and not (e.grad or e.nondiff or e.composite) then
    fail("it uses %s, which has neither a derivative nor `nondiff`", e.name)
  end
end

-- Writes the call of e, whose arguments are text, and gives a symbol for each result.
local function results_of(e, temp, text)
  if e.nout == 1 then
    current.lines[#current.lines + 1] = ("cr_value %s = cr__do%s);"):format(temp, text)
    current.owned[#current.owned + 1] = temp
    return symbol("tensor", temp)
  end
  current.lines[#current.lines + 1] = ("cr_tensor *%s[%d];"):format(temp, e.nout)
  current.lines[#current.lines + 1] = ("cr__do_all%s, %s);"):format(text, temp)
  local list = {}
  for i = 1, e.nout do
    local result = ("cr_of(%s[%d])"):format(temp, i - 1)
    current.owned[#current.owned + 1] = result
    list[i] = symbol("tensor", result)
  end
  return table.unpack(list)
end

local function call(name, ...)
  local e = current.catalogue.by_name[name]
  if not e then fail("uses the unknown operation '%s'", name) end
  if e.inplace_only then fail("uses %s, which writes in place", name) end
  check_differentiable(e)
  local args, n = { ... }, select("#", ...)
  if n > #e.params then fail("calls %s with %d arguments; it takes %d", name, n, #e.params) end
  if e.identity == "real" then return args[1] end -- no dtype is complex: it costs nothing
  local codes = {}
  for i, p in ipairs(e.params) do
    codes[i] = value_code(args[i], p) or default_code(p)
  end
  current.ntemp = current.ntemp + 1
  local temp = "t" .. current.ntemp
  if #codes == 0 then codes[1] = "{0}" end
  return results_of(e, temp, ("(CR__OP_%s, (cr_value[]){%s}"):format(name, table.concat(codes, ", ")))
end

local function arithmetic(event)
  return function(a, b)
    local tensor = (is_symbol(a) and a.kind == "tensor") or (is_symbol(b) and b.kind == "tensor")
    if tensor then return call(arith[event], a, b) end
    if event == "__pow" then
      return symbol("number", ("pow(%s, %s)"):format(number_code(a), number_code(b)))
    end
    return symbol("number", ("(%s %s %s)"):format(number_code(a), c_operator[event], number_code(b)))
  end
end

for event in pairs(arith) do Expr[event] = arithmetic(event) end
Expr.__unm = function(a)
  if a.kind == "tensor" then return call("neg", a) end
  return symbol("number", ("(-%s)"):format(number_code(a)))
end
Expr.__index = function(s, key)
  if key == "code" or key == "resolve" or key == "property" then return nil end
  if properties[key] then
    if not s.property then fail("takes .%s of something that is no argument", key) end
    return s.property(key)
  end
  if current.catalogue.by_name[key] then
    return function(self, ...) return call(key, self, ...) end
  end
  fail("uses the unknown operation '%s'", tostring(key))
end

-- ---- Derivatives --------------------------------------------------------------------------------

local function save(kind, index, name)
  local id = kind .. index
  local f = current.formula
  if not f.save_of[id] then
    f.saves[#f.saves + 1] = { kind = kind, index = index, name = name, users = 0 }
    f.save_of[id] = #f.saves
  end
  local k = f.save_of[id]
  f.saves[k].users = f.saves[k].users | current.users
  if not current.unpacked[k] then
    current.unpacked[k] = true
    current.lines[#current.lines + 1] = ("cr_value v%d = cr__unpack(n, %d); /* %s */"):format(k, k - 1, name)
    current.owned[#current.owned + 1] = "v" .. k
  end
  return "v" .. k
end

local function saved_param(p)
  local tensor = catalogue.types[p.type].tensor
  local s = symbol(tensor and "tensor" or "param", nil)
  rawset(s, "resolve", function() return save(tensor and "INPUT" or "PARAM", p.index, p.name) end)
  rawset(s, "property", function(key)
    return symbol("param", save(properties[key], p.index, p.name .. "." .. key))
  end)
  return s
end

local function saved_output(i, name)
  local s = symbol("tensor", nil)
  rawset(s, "resolve", function() return save("OUTPUT", i, name) end)
  rawset(s, "property", function(key)
    if key ~= "shape" then fail("only the shape of a result can be saved, not .%s", key) end
    return symbol("param", save("OUTPUT_SHAPE", i, name .. ".shape"))
  end)
  return s
end

local function derivative_view(e)
  return setmetatable({}, { __index = function(_, key)
    if e.by_name[key] then return saved_param(e.by_name[key]) end
    for i, name in ipairs(e.outputs) do
      if name == key then return saved_output(i - 1, name) end
    end
    if key == "needs" then
      return setmetatable({}, { __index = function(_, name)
        for i, p in ipairs(current.formula.diff) do
          if p.name == name then return symbol("param", ("cr_bool(cr__needs(n, %d))"):format(i - 1)) end
        end
        fail("it reads v.needs.%s, which is no parameter with a derivative", tostring(name))
      end })
    end
    if key == "grads" then
      return setmetatable({}, { __index = function(_, i)
        return symbol("tensor", ("g[%d]"):format(i - 1))
      end })
    end
    fail("it reads v.%s, which is no parameter and no result", tostring(key))
  end })
end

local function begin_block(param, users)
  current.param, current.users, current.lines, current.owned = param, users, {}, {}
  current.unpacked, current.ntemp = {}, 0
end

-- One input's formula, as a block of ops.c.
local function derivative_block(e, p, edge, formula, lines)
  begin_block(p, 1 << p.index)
  local result = trace(e.grad[p.name], symbol("tensor", "g[0]"), derivative_view(e))
  if result == nil then return end
  if not is_symbol(result) or result.kind ~= "tensor" then fail("it is no tensor") end
  local code = code_of(result)
  lines[#lines + 1] = ("  if (cr__needs(n, %d)) { /* %s */"):format(edge, p.name)
  for _, line in ipairs(current.lines) do lines[#lines + 1] = "    " .. line end
  lines[#lines + 1] = ("    gi[%d] = cr__take(%s);"):format(edge, code)
  for _, name in ipairs(current.owned) do lines[#lines + 1] = ("    cr__drop(%s);"):format(name) end
  lines[#lines + 1] = ("    if (!gi[%d]) return CR_E_INTERNAL;"):format(edge)
  lines[#lines + 1] = "  }"
  formula.any = true
end

-- A formula for several inputs at once, whose calls they share.
local function joint_block(e, formula, lines)
  local names, needed, users = {}, {}, 0
  for i, p in ipairs(formula.diff) do
    names[i], needed[i], users = p.name, ("cr__needs(n, %d)"):format(i - 1), users | 1 << p.index
  end
  begin_block({ name = table.concat(names, ", ") }, users)
  local results = table.pack(trace(e.grad.joint, symbol("tensor", "g[0]"), derivative_view(e)))
  if results.n ~= #formula.diff then fail("it gives %d gradients, not %d", results.n, #formula.diff) end
  lines[#lines + 1] = ("  if (%s) { /* %s */"):format(table.concat(needed, " || "), current.param.name)
  local taken, lost = {}, {}
  for i = 1, results.n do
    if not is_symbol(results[i]) or results[i].kind ~= "tensor" then fail("gradient %d is no tensor", i) end
    taken[i] = ("    if (%s) gi[%d] = cr__take(%s);"):format(needed[i], i - 1, code_of(results[i]))
    lost[i] = ("(%s && !gi[%d])"):format(needed[i], i - 1)
  end
  for _, line in ipairs(current.lines) do lines[#lines + 1] = "    " .. line end
  table.move(taken, 1, #taken, #lines + 1, lines)
  for _, name in ipairs(current.owned) do lines[#lines + 1] = ("    cr__drop(%s);"):format(name) end
  lines[#lines + 1] = ("    if (%s) return CR_E_INTERNAL;"):format(table.concat(lost, " || "))
  lines[#lines + 1] = "  }"
  formula.any = true
end

-- A formula written in C finds every parameter that is no tensor saved, in order, and with `saves` all of them, and
-- behind them the result whose name that is.
local function save_params(e, formula)
  local every = (1 << #e.params) - 1
  for _, p in ipairs(e.params) do
    local tensor = catalogue.types[p.type].tensor
    if e.saves or not tensor then
      local kind = tensor and "INPUT" or "PARAM"
      formula.saves[#formula.saves + 1] = { kind = kind, index = p.index, name = p.name, users = every }
    end
  end
  for i, name in ipairs(e.outputs) do
    if e.saves == name then
      formula.saves[#formula.saves + 1] = { kind = "OUTPUT", index = i - 1, name = name, users = every }
    end
  end
end

local function emit_tables(e, formula, head)
  if #formula.saves > 0 then
    head[#head + 1] = ("static const cr__save saves_%s[] = {"):format(e.name)
    for _, s in ipairs(formula.saves) do
      head[#head + 1] = ('    {CR__SAVE_%s, %d, %d, "%s"},'):format(s.kind, s.index, s.users, s.name)
    end
    head[#head + 1] = "};"
  end
  local list = {}
  for i, p in ipairs(formula.diff) do list[i] = tostring(p.index) end
  head[#head + 1] = ("static const uint8_t diff_%s[] = {%s};"):format(e.name, table.concat(list, ", "))
end

function M.new(cat)
  local tracer = {}
  setmetatable(cat.ops, { __index = function(_, name)
    return function(...) return call(name, ...) end
  end })

  -- Returns the derivative of e: lines of C, its saved values, and the parameters it is for.
  function tracer.derivative(e)
    local formula = { saves = {}, save_of = {}, diff = {}, c_name = "grad_" .. e.name }
    current = { entry = e, catalogue = cat, derivative = true, formula = formula }
    local lines, head = {}, {}
    if type(e.grad) == "table" and e.grad.joint then
      for i, name in ipairs(e.grad) do formula.diff[i] = e.by_name[name] end
      joint_block(e, formula, lines)
    end
    for _, p in ipairs(e.params) do
      local by_table = type(e.grad) == "table" and e.grad[p.name]
      local by_name = type(e.grad) == "string" and catalogue.types[p.type].tensor
      if by_table then derivative_block(e, p, #formula.diff, formula, lines) end
      if by_table or by_name then formula.diff[#formula.diff + 1] = p end
    end
    if type(e.grad) == "string" then save_params(e, formula) end
    emit_tables(e, formula, head)
    formula.lines = head
    if type(e.grad) == "string" then
      formula.c_name = "cr__grad_" .. e.grad
      return formula
    end
    head[#head + 1] = ("static int grad_%s(cr_node *n, const cr_value *g, cr_tensor **gi) {"):format(e.name)
    if not formula.any then head[#head + 1] = "  (void)n, (void)gi;" end
    head[#head + 1] = "  (void)g;"
    for _, line in ipairs(lines) do head[#head + 1] = line end
    head[#head + 1] = "  return 0;\n}"
    return formula
  end

  -- Returns the C of a composite's run function.
  function tracer.body(e)
    current = { entry = e, catalogue = cat, lines = {}, owned = {}, ntemp = 0 }
    local v = setmetatable({}, { __index = function(_, key)
      local p = e.by_name[key]
      if not p then fail("its body reads v.%s, which is no parameter", tostring(key)) end
      local tensor = catalogue.types[p.type].tensor
      return symbol(tensor and "tensor" or "param", ("args[%d]"):format(p.index), {
        property = function(name)
          return symbol("param", ("cr__property(CR__SAVE_%s, args[%d])"):format(properties[name], p.index))
        end })
    end })
    local results = { trace(e.body, v) }
    if #results ~= #e.outputs then fail("its body gives %d results, not %d", #results, #e.outputs) end
    local c = { ("static int cr__run_%s(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {")
      :format(e.name), "  (void)op, (void)nout, (void)args;" }
    for _, line in ipairs(current.lines) do c[#c + 1] = "  " .. line end
    local checks = {}
    for i, r in ipairs(results) do
      c[#c + 1] = ("  out[%d] = cr__take(%s);"):format(i - 1, code_of(r))
      checks[i] = ("!out[%d]"):format(i - 1)
    end
    for _, name in ipairs(current.owned) do c[#c + 1] = ("  cr__drop(%s);"):format(name) end
    c[#c + 1] = ("  return %s ? cr__undo(out, %d) : 0;\n}"):format(table.concat(checks, " || "), #results)
    return c
  end

  return tracer
end

return M
