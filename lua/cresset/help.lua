-- help.lua: cr.help "name" says what an operation, a method or a function of the module does.
--
-- Holds true: what the catalogue declares is told in its own words; below stands only what is written
-- by hand in the binding and in Lua.

local cr = require "cresset"

local M = {}

local by_hand = {
  tensor = { "cr.tensor(data, { dtype =, device =, requires_grad = })",
    "A tensor made of a number, a boolean, a table of them (nested for more dims), or a copy of a tensor. Integers "
    .. "give int64, booleans bool; any float in a table makes all of it the default dtype. 0-dim tensors in a table "
    .. "are numbers of their dtype, outside the graph. Tables and userdata with __len and __index count as lists." },
  item = { "x:item()", "The only element of x, as a Lua number or boolean." },
  totable = { "x:totable()", "All elements as nested tables of Lua numbers; a number for a 0-dim tensor." },
  deepcopy = { "x:deepcopy()", "A leaf of its own with a copy of x's elements and gradient. x must be a leaf." },
  size = { "x:size(dim)", "The size of a dim, or a table of all sizes. x.shape is the same table." },
  stride = { "x:stride(dim)", "How many elements apart in memory the neighbours along a dim are, or a table of all." },
  dim = { "x:dim()", "The number of dims. x.ndim is the same." },
  numel = { "x:numel()", "The number of elements. x:nelement() is the same." },
  element_size = { "x:element_size()", "Bytes per element." },
  is_contiguous = { "x:is_contiguous()", "Whether the elements lie in memory in row-major order without gaps." },
  is_floating_point = { "x:is_floating_point()", "Whether the dtype is a floating one." },
  storage_id = { "x:storage_id()", "A number that tensors that share memory have in common." },
  storage_offset = { "x:storage_offset()", "How many elements of the memory come before x's first one." },
  shares_storage = { "x:shares_storage(y)", "Whether both look at the same memory." },
  pointer = { "x:pointer()", "The address of the first element, as light userdata. Refused if x requires grad." },
  set_data = { "x:set_data(y)", "x takes over y's memory and shape and stays the leaf that it is; x.data = y." },
  resize_ = { "x:resize_(sizes...)", "Gives x another shape, in place; new elements are undefined." },
  close = { "x:close()", "Gives x's memory back at once, as the end of `local x <close>` does." },
  to = { "x:to(dtype | device | other | { dtype =, device =, copy = })",
    "x in another dtype or on another device; x itself where nothing changes. Gradients flow." },
  type = { "x:type(dtype)", "Without an argument the name of the dtype; else as x:to(dtype)." },
  type_as = { "x:type_as(other)", "x in the dtype and on the device of another tensor." },
  cpu = { "x:cpu()", 'As x:to("cpu").' },
  cuda = { "x:cuda(); cr.cuda.is_available(), device_count(), set_device(device), current_device(), "
    .. "get_device_name(device), get_device_properties(device), synchronize(device), Stream(), current_stream(device), "
    .. "stream(s, f, ...), Event(), graph(f), memory_stats(device), empty_cache(device), reset_peak(device), "
    .. "set_tf32(on), get_tf32(), gemm_name()",
    'x:cuda() is x:to("cuda"). The table chooses devices ("cuda:1", or their numbers from 0), makes what the '
    .. "entries Stream, Event and graph tell of, counts memory, and lets float32 "
    .. "products round their factors to TF32." },
  Stream = { "cr.cuda.Stream { device =, high_priority = }",
    "A queue of work: s:synchronize() waits for it, s:query() asks whether it is done, s:device() names the device. "
    .. "cr.cuda.stream(s, f, ...) calls f with its work on s; local _ <close> = cr.cuda.stream(s) covers a scope." },
  Event = { "cr.cuda.Event { timing = true }",
    "A mark in a stream: e:record(s), e:wait(s) (later work on s waits), e:synchronize(), e:query(), and "
    .. "e:elapsed(later) in milliseconds. Without s the current stream is meant." },
  graph = { "cr.cuda.graph(f)",
    "Calls f once and keeps its work; the returned step() does all of it again with one call, on what the tensors "
    .. "hold by then, and returns f's tensors with their new contents. f may not wait for the device." },
  pin_memory = { "x:pin_memory()", "A copy in page-locked memory, from and to which devices copy on their own." },
  copy_queued_ = { "x:copy_queued_(src)",
    "Copies between pinned memory and a device without waiting; what arrives on the host is there after "
    .. "cr.cuda.synchronize()." },
  is_pinned = { "x:is_pinned()", "Whether x lies in page-locked memory." },
  record_stream = { "x:record_stream(s)", "Says that the stream s works with x's memory too." },
  backward = { "x:backward { gradient =, retain_graph =, create_graph =, inputs = }",
    "Adds the gradients of x by every leaf it depends on to the leaves' grad." },
  grad = { "cr.grad(outputs, inputs, { grad_outputs =, retain_graph =, create_graph =, allow_unused = })",
    "The gradients of outputs by inputs, as many values as inputs; touches no grad field. As a field, x.grad is the "
    .. "gradient that backward has accumulated." },
  Function = { "cr.Function { name =, forward = function(ctx, ...) end, backward = function(ctx, ...) end }",
    "An operation of your own with its derivative; call it as f(...) or f.apply(...). What backward needs goes "
    .. "into ctx:save_for_backward(...) or, if it is no tensor, into a field of ctx. A result may be a field too, but "
    .. "a table or a function in a field must not hold one: the graph would keep itself alive." },
  no_grad = { "cr.no_grad(f, ...) or local _ <close> = cr.no_grad()", "Without recording for backward." },
  enable_grad = { "cr.enable_grad(f, ...) or local _ <close> = cr.enable_grad()", "With recording for backward." },
  inference_mode = { "cr.inference_mode(f, ...) or local _ <close> = cr.inference_mode()",
    "As no_grad, and results can never take part in a graph." },
  gradcheck = { "cr.gradcheck(f, inputs, { eps =, atol =, rtol =, nondet_tol =, check_undefined_grad =, "
    .. "raise_exception =, fast_mode = })", "Compares f's derivatives with differences of its values." },
  gradgradcheck = { "cr.gradgradcheck(f, inputs, grad_outputs, options)", "The same for second derivatives." },
  einsum = { 'cr.einsum("ij,jk->ik", a, b)', "Sums of products, told by letters for the dims: what the result lacks is "
    .. "summed over, a letter twice in a tensor is its diagonal, \"...\" stands for further dims." },
  checkpoint = { "cr.checkpoint(f, ..., { use_reentrant =, preserve_rng_state = })",
    "Calls f(...) without keeping what it saves, and calls it again in backward." },
  manual_seed = { "cr.manual_seed(seed)", "Same seed, same random numbers." },
  get_rng_state = { "cr.get_rng_state()", "The state of this thread's random generator, for set_rng_state." },
  set_rng_state = { "cr.set_rng_state(state)", "Puts back what get_rng_state gave." },
  set_default_dtype = { "cr.set_default_dtype(dtype)",
    "The dtype of float numbers and of creation; float32 at first." },
  clock = { "cr.clock()",
    "Seconds on a clock that only goes forward: the difference of two calls is the time between." },
  set_num_threads = { "cr.set_num_threads(n)", "How many threads an operation may use; results do not depend on it." },
  gemm_name = { "cr.gemm_name()",
    "What multiplies large bfloat16 matrices on the CPU: oneDNN, or what is built in." },
  isa_name = { "cr.isa_name()",
    'The level of x86-64 whose vector loops run: "v2", "v3" or "v4", "base" on other machines.' },
  set_print = { "cr.set_print { precision =, threshold =, edgeitems =, linewidth = }", "How tensors are printed." },
  foreach = { "cr.foreach.NAME(list, ...)",
    "The operation NAME on each tensor of a list: cr.foreach.add_(list, other, { alpha = }), cr.foreach.sqrt(list). "
    .. "An argument that may be a tensor or a number may be a table with one for each; false skips. foreach.sgd_ "
    .. "and foreach.adam_ are whole steps of optimizers." },
  memory = { "cr.memory.stats(device), limit(bytes, device), empty_cache(device), reset_peak(device)",
    "Bytes that tensors take; of the CPU unless a device is named." },
  set_deadline = { "cr.set_deadline(seconds)",
    "Calls and plain Lua fail once so many seconds have passed; 0 lifts it, but not what the host has set." },
  set_warning_handler = { "cr.set_warning_handler(f)", "f(sentence) instead of Lua's warn; nil takes it back." },
  detect_anomaly = { "local _ <close> = cr.detect_anomaly { check_nan = }, or cr.detect_anomaly(f, ...)",
    "backward fails at the first operation that gives NaN, and says where in Lua it was called." },
  set_detect_anomaly = { "cr.set_detect_anomaly(on, check_nan)", "The same until it is set again." },
  is_anomaly_enabled = { "cr.is_anomaly_enabled()", "Whether anomaly mode is on." },
  set_grad_enabled = { "cr.set_grad_enabled(on)",
    "Records for backward, or does not; `local _ <close> =` puts it back." },
  is_grad_enabled = { "cr.is_grad_enabled()", "Whether operations are recorded for backward." },
  is_inference_mode_enabled = { "cr.is_inference_mode_enabled()", "Whether inference mode is on." },
  is_inference = { "x:is_inference()", "Whether x was made in inference mode." },
  saved_tensors_hooks = { "local _ <close> = cr.saved_tensors_hooks(pack, unpack)",
    "What operations save for backward goes through pack; unpack gives it back." },
  queue_callback = { "cr.queue_callback(f)", "From inside a backward pass: f() runs at its end." },
  requires_grad_ = { "x:requires_grad_(on)", "As x.requires_grad = on, and gives x. On is the default." },
  retain_grad = { "x:retain_grad()", "x, which is no leaf, keeps its grad too." },
  detach_ = { "x:detach_()", "Takes x out of its graph: x becomes a leaf." },
  register_hook = { "x:register_hook(f)",
    "f(gradient) is called when backward has x's gradient; what it returns takes its place. Gives a handle with "
    .. ":remove()." },
  register_post_accumulate_grad_hook = { "x:register_post_accumulate_grad_hook(f)",
    "f(x) is called when backward has added to the grad of x, a leaf. Gives a handle with :remove()." },
  nelement = { "x:nelement()", "The number of elements. x:numel() is the same." },
  get_default_dtype = { "cr.get_default_dtype()", "The dtype of float numbers and of creation." },
  get_num_threads = { "cr.get_num_threads()", "How many threads one operation may use." },
  promote_types = { "cr.promote_types(a, b)", "The smallest dtype that holds what both dtypes hold." },
  operations = { "cr.operations()", "A list of what the catalogue says of each operation." },
  warn = { "cr.warn(sentence)", "Warns as the engine does." },
  raise = { "cr.raise(message)",
    "error(message) at the line of the first caller that is none of Cresset's own Lua files." },
  is_same_size = { "x:is_same_size(y)", "Whether both have the same shape, as x.shape == y.shape." },
  is_nonzero = { "x:is_nonzero()", "Whether the only element of x is other than zero." },
  help = { 'cr.help "name"', "What an operation, a method, a field or a function does; a list of all without a name." },
  is_tensor = { "cr.is_tensor(x)", "Whether x is a tensor." },
  newaxis = { "x[{ cr.newaxis, 1 }]", "In an index: a new dim of size 1." },
}

M.fields = {
  dtype = "the name of the dtype", device = "the name of the device", shape = "a table of the sizes",
  ndim = "the number of dims", grad = "the accumulated gradient, or nil; may be assigned",
  requires_grad = "whether backward reaches it; may be assigned on leaves",
  is_leaf = "whether it was made by no recorded operation", grad_fn = "the node that made it, or nil",
  data = "the same memory outside every graph; may be assigned", base = "the tensor that it is a view of, or nil",
  _version = "the number of in-place writes to its memory",
  retains_grad = "whether a tensor that is no leaf keeps its grad",
}

local function wrap(text, indent)
  local lines, line = {}, indent
  for word in text:gmatch("%S+") do
    if #line + #word + 1 > 80 and line ~= indent then
      lines[#lines + 1] = line
      line = indent
    end
    line = line == indent and line .. word or line .. " " .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

local function forms(op, name)
  local ways = {}
  if op.method then ways[#ways + 1] = ("x:%s(...)"):format(name) end
  if op.func or op.lua:find(".", 1, true) then ways[#ways + 1] = ("cr.%s(...)"):format(name) end
  local text = "Called as " .. table.concat(ways, " or ") .. "."
  if op.inplace and not op.inplace_only then text = text .. (" In place: x:%s_(...)."):format(name) end
  if op.view then text = text .. " The result shares x's memory." end
  if op.creates then text = text .. " Also takes requires_grad." end
  return text .. (op.differentiable and " Has a derivative." or " Has no derivative.")
end

local function of_operation(op, name)
  local signature = op.lua .. op.signature:match("%(.*$")
  if #op.aliases > 0 then signature = signature .. "\n  Also called " .. table.concat(op.aliases, ", ") .. "." end
  return table.concat({ signature, wrap(op.doc, "  "), wrap(forms(op, name), "  ") }, "\n")
end

local function overview()
  local seen, names = {}, {}
  for _, op in ipairs(cr.operations()) do
    if not op.hidden and not seen[op.lua] then
      seen[op.lua] = true
      names[#names + 1] = op.lua
      table.move(op.aliases, 1, #op.aliases, #names + 1, names)
    end
  end
  for name in pairs(by_hand) do
    if not seen[name] then names[#names + 1] = name end
  end
  table.sort(names)
  return 'cr.help "name" tells about one of:\n' .. wrap(table.concat(names, " "), "  ")
end

local function is_called(op, name)
  if op.lua == name then return true end
  for _, alias in ipairs(op.aliases) do
    if alias == name then return true end
  end
  return false
end

--- The aliases of all operations, as a set: of methods, or of functions; in-place twins are among them.
function M.aliases(kind)
  local set = {}
  for _, op in ipairs(cr.operations()) do
    for _, alias in ipairs(op[kind] and op.aliases or {}) do
      set[alias] = true
      if op.inplace then set[alias .. "_"] = true end
    end
  end
  return set
end

--- Returns a text about an operation, a method, a field or a function of the module.
function M.help(name)
  if name == nil then return overview() end
  if type(name) ~= "string" then
    cr.raise(('help: the name must be a string, as in cr.help "sum", got a %s'):format(type(name)))
  end
  local parts, twin = {}, name:match("^(.-[^_])_$")
  if by_hand[name] then
    parts[1] = by_hand[name][1] .. "\n" .. wrap(by_hand[name][2], "  ")
  elseif M.fields[name] then
    parts[1] = ("x.%s\n  %s"):format(name, M.fields[name])
  else
    for _, op in ipairs(cr.operations()) do
      local fits = is_called(op, name) or op.inplace and is_called(op, twin)
      if fits and not op.hidden then parts[#parts + 1] = of_operation(op, op.lua) end
    end
  end
  if #parts == 0 then
    local suggest = require "cresset.suggest"
    return ("There is nothing called %s%s; cr.help() lists what there is."):format(suggest.quote(name),
      suggest.advise("anything", name))
  end
  return table.concat(parts, "\n\n")
end

return M
