-- entries.lua: what is told of cr.nn: its classes and functions, and the methods of modules.
--
-- Holds true: plain data, as in lua/cresset/entries.lua, which puts it in its place. An entry of a class is its name,
-- its call, what its modules compute.

local T, MODULE = "cresset.Tensor", "cresset.Module"

-- An entry of a class from its call without `nn.`.
local function class(call, doc)
  return { "cr.nn." .. call:match "^[%w_]+", "nn." .. call, doc, "fun(...: any): " .. MODULE }
end

-- An entry of a method that gives the module.
local function method(call, doc, kind)
  return { "module:" .. call:match "^[%w_]+", "m:" .. call, doc, kind or "fun(self, ...: any): " .. MODULE }
end

local handle = "fun(self, f: function, options?: table): table"

local sections = {
  { "Layers: cr.nn",
    { "cr.nn", 'local nn = cr.nn, or require "cresset.nn"',
      "Layers, losses, containers and what makes layers of one's own. Required arguments come by position, the others "
      .. "in a table at the end, with PyTorch's names and defaults; docs/nn.md tells how it fits together.",
      "cresset.nn" },
    class("Module()", "What all modules are: a table whose parameters, buffers and submodules are found by assignment "
      .. "to its fields. m(...) calls m:forward(...) with its hooks."),
    { "cr.nn.class", 'local Block = nn.class("Block", parent)',
      "A class of modules: function Block:init(...) makes the parts of one, function Block:forward(...) computes. "
      .. "Block(...) makes a module. It has whatever its parent class has (nn.Module without one), which is "
      .. "Block.super.", "fun(name: string, parent?: table): table" },
    { "cr.nn.is_module", "nn.is_module(x, class)", "Whether x is a module; if a class is given, whether it is of that "
      .. "class or of one that came from it.", "fun(x: any, class?: table): boolean" },
    { "cr.nn.Parameter", "nn.Parameter(t, { requires_grad = true })",
      "A leaf over the memory of the tensor t which a module takes for a parameter when it is assigned to a field.",
      "fun(t: " .. T .. ", requires_grad?: boolean|table): " .. T },
    { "cr.nn.Buffer", "nn.Buffer(t, { persistent = true })",
      "The tensor t as an alias which a module takes for a buffer when it is assigned to a field: it moves with the "
      .. "module, and is in its state_dict if it is persistent.", "fun(t: " .. T .. ", persistent?: "
      .. "boolean|table): " .. T },
    { "cr.nn.is_parameter", "nn.is_parameter(x)", "Whether x is a tensor that nn.Parameter has made.",
      "fun(x: any): boolean" },
    { "cr.nn.summary", "nn.summary(net, { 64, 1, 28, 28 }, { dtype =, device = })",
      "A table of a model's layers for an input of that shape (or a tensor, or a list of both): what each gives, its "
      .. "parameters and the memory of its output. print() shows it.", "fun(net: " .. MODULE
      .. ", input: any, options?: table): table" },
    { "cr.nn.clone", "nn.clone(module)", "As module:clone().", "fun(module: " .. MODULE .. "): " .. MODULE },
  },
  { "Containers",
    class("Sequential { m1, m2 }", "Calls modules one after the other. Members may be arguments, a list, or a list of "
      .. 'pairs { "name", module }. net[1] is the first, whose name in keys is "0"; #net counts them; append, insert, '
      .. "extend, remove and slice change the list."),
    class("ModuleList { m1, m2 }", "A list of modules for a forward of one's own: m.list[1], #m.list, ipairs(m.list), "
      .. "append, insert, extend, remove, slice."),
    class("ModuleDict { name = module }", "A table of modules: d.name, d:keys(), d:values(), d:items(), d:pop(name), "
      .. 'd:set(name, module), d:update(table). A list of pairs { "name", module } keeps its order; other tables are '
      .. "taken in the order of their names."),
    class("ParameterList { t1, t2 }", "A list of parameters; plain tensors become parameters."),
    class("ParameterDict { name = t }", "A table of parameters; plain tensors become parameters. Methods as those of "
      .. "ModuleDict."),
  },
  { "Methods of modules",
    { "module.class_name", "m.class_name", "The name of the module's class.", "string" },
    { "module.training", "m.training", "Whether the module is in training, as train and eval set it.", "boolean" },
    method("forward(...)", "What a call computes; each class has its own."),
    method("parameters(recurse)", "A list of all parameters; with recurse = false, of the module's own.",
      "fun(self, recurse?: boolean): " .. T .. "[]"),
    method("named_parameters(prefix, recurse)", "for name, p in m:named_parameters() do ... end",
      "fun(self, prefix?: string, recurse?: boolean): fun(): string, " .. T),
    method("buffers(recurse)", "A list of all buffers.", "fun(self, recurse?: boolean): " .. T .. "[]"),
    method("named_buffers(prefix, recurse)", "for name, t in m:named_buffers() do ... end",
      "fun(self, prefix?: string, recurse?: boolean): fun(): string, " .. T),
    method("children()", "A list of the direct submodules.", "fun(self): " .. MODULE .. "[]"),
    method("named_children()", "for name, child in m:named_children() do ... end",
      "fun(self): fun(): string, " .. MODULE),
    method("modules()", "A list of the module itself and all below it.", "fun(self): " .. MODULE .. "[]"),
    method("named_modules(prefix)", "for name, module in m:named_modules() do ... end; the module's own name is \"\".",
      "fun(self, prefix?: string): fun(): string, " .. MODULE),
    method("get_submodule(name)", "The module of a name that named_modules gives.", "fun(self, name: string): "
      .. MODULE),
    method("set_submodule(name, module)", "Puts a module in the place of the one of a name.",
      "fun(self, name: string, module: " .. MODULE .. ")"),
    method("get_parameter(name)", "The parameter of a name.", "fun(self, name: string): " .. T),
    method("get_buffer(name)", "The buffer of a name.", "fun(self, name: string): " .. T),
    method("register_parameter(name, t)", "Makes an nn.Parameter, or nil, the parameter of a name.",
      "fun(self, name: string, t?: " .. T .. ")"),
    method("register_buffer(name, t, persistent)", "Makes a tensor, or nil, a buffer: it moves with the module, "
      .. "and is in "
      .. "its state_dict unless persistent is false.", "fun(self, name: string, t?: " .. T .. ", persistent?: "
      .. "boolean)"),
    method("add_module(name, module)", "Makes a module, or nil, the submodule of a name.",
      "fun(self, name: string, module?: " .. MODULE .. ")"),
    method("register_module(name, module)", "As add_module.", "fun(self, name: string, module?: " .. MODULE .. ")"),
    method("state_dict { prefix =, keep_vars = }", "The parameters and persistent buffers by name, as a table whose "
      .. "tensors share the module's memory.", "fun(self, options?: table): "
      .. "table<string, " .. T
      .. ">"),
    method("load_state_dict(dict, { strict = true, assign = false })", "Copies tensors into those of the same names. "
      .. "Whatever does not fit is told in one error, and nothing has changed then. Gives { missing_keys =, "
      .. "unexpected_keys = }.", "fun(self, dict: table, options?: table): table"),
    method("to(dtype | device | tensor | { dtype =, device = })", "Casts floating parameters and buffers, moves "
      .. "all, and "
      .. "gives the module. Parameters stay the same objects."),
    method("half()", "As to(\"float16\")."), method("float()", "As to(\"float32\")."),
    method("double()", "As to(\"float64\")."), method("bfloat16()", "As to(\"bfloat16\")."),
    method("type(dtype)", "As to(dtype)."), method("cpu()", "As to(\"cpu\")."),
    method("cuda(device)", "As to(\"cuda\")."),
    method("train(on)", "Sets the field training of all modules below, which dropout and batch norm look at. On is the "
      .. "default."),
    method("eval()", "As train(false)."),
    method("requires_grad_(on)", "Sets requires_grad of all parameters: false freezes them."),
    method("zero_grad(set_to_none)", "Takes the gradients of all parameters away; false makes them zero.",
      "fun(self, set_to_none?: boolean)"),
    method("apply(f)", "Calls f(module) for all submodules, from below, then for the module itself."),
    method("clone()", "A copy that shares no tensor and no module."), method("deepcopy()", "As clone()."),
    method("extra_repr()", "What tostring writes between the parentheses; classes may have their own.",
      "fun(self): string"),
    method("describe()", "The text of tostring(m): PyTorch's layout, with shapes and counts of parameters.",
      "fun(self): string"),
    method("register_forward_pre_hook(f, { prepend = })", "f(module, inputs) is called before forward, with a list; a "
      .. "list or value that it gives replaces the inputs. Gives a handle with :remove().", handle),
    method("register_forward_hook(f, { prepend = })", "f(module, inputs, outputs...) is called after forward; what it "
      .. "gives, unless nil, replaces the outputs.", handle),
    method("register_full_backward_hook(f, { prepend = })", "f(module, grad_inputs, grad_outputs) is called in "
      .. "backward with two lists; a list that it gives replaces the gradients by the inputs.", handle),
    method("register_full_backward_pre_hook(f, { prepend = })", "f(module, grad_outputs) is called before the module's "
      .. "backward; a list that it gives replaces the gradients.", handle),
    method("register_state_dict_post_hook(f)", "f(module, prefix, dict) is called when state_dict has filled "
      .. "dict.", handle),
    method("register_load_state_dict_pre_hook(f)", "f(module, prefix, dict) is called before load_state_dict "
      .. "compares; it may change dict.", handle),
    method("register_load_state_dict_post_hook(f)", "f(module, prefix, result) is called after load_state_dict.",
      handle),
  },
}

-- The classes of layers stand beside it, in lines of calls and what they do.
for _, text in ipairs(require "cresset.nn.entries_layers") do
  local section = { text.title }
  for line in text[1]:gsub("\n      +", " "):gmatch "[^\n]+" do
    local call, doc = line:match "^%s*(.-) | (.-)%s*$"
    if not call then break end -- the last line
    local name = call:match "^[%w_.]+"
    local kind = text.kind or "fun(...: any): " .. MODULE
    section[#section + 1] = { "cr.nn." .. name, "nn." .. call, doc, kind }
  end
  table.insert(sections, #sections, section)
end

return sections
