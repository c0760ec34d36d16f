-- suggest.lua: what an error says after a name that does not exist, such as "did you mean 'sum'?".
--
-- Holds true: it is loaded by the first such error; a name is near another if few letters differ. Names
-- that other libraries have, and we have not, say what to use here, or that nothing is there yet (absent.lua).

local cr = require "cresset"

local absent = require "cresset.absent"

local M = {}

-- ---- Names of other libraries ------------------------------------------------------------------------

-- The bits of a float or an integer, by what C, NumPy, PyTorch and Torch7 call it, less "tensor".
local float_bits = { half = 16, float = 32, single = 32, double = 64, number = 64 }
local int_bits = { char = 8, short = 16, int = 32, long = 64, integer = 64 }

-- The name of the dtype that another library's name stands for, or nil.
local function dtype_of(name)
  local plain = name:gsub("tensor$", ""):gsub("_$", "")
  local letter, bits = plain:match "^(%l+)(%d+)$"
  if float_bits[plain] then return "float" .. float_bits[plain] end
  if int_bits[plain] then return "int" .. int_bits[plain] end
  if plain == "byte" or plain == "uchar" then return "uint8" end
  if plain == "boolean" or plain == "bool" then return cr.bool end
  if letter == "f" or letter == "fp" then return "float" .. bits end
  if letter == "bf" or plain == "bfloat" then return "bfloat16" end
  if letter == "i" or letter == "u" then return (letter == "u" and "uint" or "int") .. bits end
end

-- What to write here: for a method x.NAME, for a function cr.NAME, or for both.
local redirects = {
  -- NumPy
  array = "cr.tensor(data)", asarray = "cr.tensor(data)", ascontiguousarray = "x:contiguous()",
  copy = "x:clone()", dtype_name = "x.dtype", tolist = "x:totable()",
  numpy = "x:totable()", nbytes = "x:numel() * x:element_size()", itemsize = "x:element_size()",
  nitems = "x:numel()", power = "pow", around = "round", rint = "round",
  amax_ = "amax", ptp = "x:amax() - x:amin()", sort_ = "x:sort()", product = "prod", cumproduct = "cumprod",
  ndarray = "cr.tensor(data)", swapaxis = "swapaxes", newaxes = "cr.newaxis", invert = "bitwise_not",
  left_shift = "bitwise_left_shift", right_shift = "bitwise_right_shift", mod = "remainder",
  modulo = "remainder", fabs = "abs", nanmax = "x:nan_to_num(-cr.inf):max()", random = "cr.rand(...)",
  seed = "cr.manual_seed(seed)", shuffle = "x:index_select(1, cr.randperm(#x))",
  permutation = "cr.randperm(n)", average = "mean", degrees = "rad2deg", radians = "deg2rad",
  -- PyTorch
  as_tensor = "cr.tensor(data)", from_numpy = "cr.tensor(data)", FloatTensor = "cr.tensor(data)",
  Tensor = "cr.tensor(data)", LongTensor = 'cr.tensor(data, { dtype = "int64" })',
  DoubleTensor = 'cr.tensor(data, { dtype = "float64" })', IntTensor = 'cr.tensor(data, { dtype = "int32" })',
  ByteTensor = 'cr.tensor(data, { dtype = "uint8" })', BoolTensor = 'cr.tensor(data, { dtype = "bool" })',
  HalfTensor = 'cr.tensor(data, { dtype = "float16" })', device_of = "x.device", get_device = "x.device",
  is_cuda = 'x.device ~= "cpu"', is_leaf_ = "x.is_leaf", requires_grad_enabled = "cr.is_grad_enabled()",
  set_printoptions = "cr.set_print { precision = }", set_default_tensor_type = "cr.set_default_dtype(dtype)",
  set_num_interop_threads = "cr.set_num_threads(n)", zero_grad = "x.grad = nil", data_ptr = "x:pointer()",
  untyped_storage = "x:storage_id()", storage = "x:storage_id()", is_same = "a == b",
  is_set_to = "a == b", initial_seed = "cr.get_rng_state().seed", autograd = "cr.grad, x:backward()",
  masked_fill_value = "masked_fill", sspaddmm = "addmm", chain_matmul = "a:mm(b):mm(c)", mT_ = "mT",
  dim_ = "x:dim()", ndimension = "x:dim()", is_complex = "false: tensors are real",
  conj_physical = "conj", real = "x itself (tensors are real)",
  relu_6 = "relu6", logsoftmax = "log_softmax",
  crossentropy = "cross_entropy", mse = "mse_loss", bce_loss = "binary_cross_entropy", bce = "binary_cross_entropy",
  bce_with_logits = "binary_cross_entropy_with_logits", nll = "nll_loss", l1 = "l1_loss",
  DataLoader = "cr.data.Loader(set, { batch_size = })", Dataset = "cr.data.Dataset(name)", utils = "cr.data",
  TensorDataset = "cr.data.TensorDataset(x, y)", random_split = "cr.data.random_split(set, parts)",
  attention = "scaled_dot_product_attention", print = "print(x)", len = "#x",
  -- Torch7
  nElement = "x:numel()", nDimension = "x:dim()", isTensor = "cr.is_tensor(x)", isContiguous = "x:is_contiguous()",
  isSameSizeAs = "x:is_same_size(y)",
  cmul = "x * y, x:mul(y)", cdiv = "x / y, x:div(y)", cadd = "x:add(y, { alpha = })", csub = "x - y, x:sub(y)",
  cpow = "x ^ y, x:pow(y)", cmod = "x % y", cfmod = "x:fmod(y)", cinv = "x:reciprocal()", cmax = "x:maximum(y)",
  cmin = "x:minimum(y)", addcMul = "addcmul", csign = "sign", typeAs = "x:type_as(y)", resizeAs = "x:view_as(y)",
  expandAs = "x:expand_as(y)", viewAs = "x:view_as(y)", repeatTensor = "x:tile(...)",
  maskedFill = "x:masked_fill_(m, v)",
  maskedSelect = "x:masked_select(m)", maskedCopy = "x:masked_scatter_(m, y)", indexFill = "x:index_fill_(d, i, v)",
  indexAdd = "x:index_add_(d, i, y)", indexCopy = "x:index_copy_(d, i, y)", swish = "silu",
  manualSeed = "cr.manual_seed(seed)", setdefaulttensortype = "cr.set_default_dtype(dtype)",
  getdefaulttensortype = "cr.get_default_dtype()", setnumthreads = "cr.set_num_threads(n)",
  getnumthreads = "cr.get_num_threads()", range = "cr.arange(first, last)", apply = "operations on all elements",
  map = "operations on all elements", squeeze_all = "x:squeeze()", storageOffset = "x:storage_offset()",
  elementSize = "x:element_size()", addr_ = "x:addr(a, b)", toTable = "x:totable()", totensor = "cr.tensor(data)",
  tic = "cr.clock()", toc = "cr.clock()",
}

-- ---- Nearness ----------------------------------------------------------------------------------------

-- How many letters must be put in, taken out, changed or swapped; `most` + 1 for more than that.
local function distance(a, b, most)
  if math.abs(#a - #b) > most then return most + 1 end
  local before, row = {}, {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local last = row
    local best = i
    row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local d = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        d = math.min(d, before[j - 2] + 1)
      end
      row[j] = d
      best = math.min(best, d)
    end
    if best > most then return most + 1 end
    before = last
  end
  return row[#b]
end

-- The name of the set nearest to `name`, or nil. Capitals and underscores count as nothing.
local function nearest(name, set)
  local function plain(s) return s:lower():gsub("_", "") end
  local wanted, best, least = plain(name), nil, nil
  local most = #wanted < 3 and 0 or #wanted < 6 and 1 or #wanted < 9 and 2 or 3
  for candidate in pairs(set) do
    local d = distance(wanted, plain(candidate), most)
    -- Of equally near ones: the one with the same ending underscore, then the first by alphabet.
    local rank = d * 4 + ((candidate:sub(-1) == "_") == (name:sub(-1) == "_") and 0 or 2)
      + (candidate:byte(1) == name:byte(1) and 0 or 1)
    if d <= most and (not least or rank < least or rank == least and candidate < best) then
      best, least = candidate, rank
    end
  end
  return best
end

M.nearest = nearest

local function add_names(set, from)
  for name in next, from do
    if type(name) == "string" and name:sub(1, 1) ~= "_" then set[name] = true end
  end
  return set
end

-- ---- Kinds -------------------------------------------------------------------------------------------

local function functions()
  return add_names(add_names(require("cresset.help").aliases "func", cr), getmetatable(cr).lazy)
end

local function of_tensors()
  local help = require "cresset.help"
  return add_names(add_names(help.aliases "method", cr.methods()), help.fields)
end

-- What to write for a name that cr.nn has, or nil.
local function in_nn(name)
  if rawget(cr.nn, name) ~= nil or getmetatable(cr.nn).lazy[name] then return "; there is cr.nn." .. name end
end

-- What to write for a name that cr.optim has, or nil.
local function in_optim(name)
  for _, path in ipairs { "optim", "optim.lr_scheduler" } do
    if getmetatable(require("cresset." .. path)).files[name] then return ("; there is cr.%s.%s"):format(path, name) end
  end
end

-- What to use instead of a name of another library; nil for names that are ours or nobody's.
local function elsewhere(name, own)
  if own[name] then return nil end
  return redirects[name] and "; here it is " .. redirects[name] or absent.tell(name)
end

local kinds = {}

-- A method or a field of tensors.
function kinds.field(name)
  local own = of_tensors()
  local told = elsewhere(name, own)
  if functions()[name] then return ("; there is cr.%s"):format(name) end
  if told then return told end
  local near = nearest(name, own)
  if near then return ("; did you mean '%s'?"):format(near) end
  near = nearest(name, functions())
  return near and ("; did you mean 'cr.%s'?"):format(near) or ""
end

-- A function of the module.
kinds["function"] = function(name)
  local own = functions()
  local told = elsewhere(name, own) or in_nn(name) or in_optim(name)
  if told then return told end
  if require("cresset.help").fields[name] then return (": it is a field of tensors, x.%s"):format(name) end
  if of_tensors()[name] then return (": it is a method, x:%s(...)"):format(name) end
  local near = nearest(name, own)
  return near and ("; did you mean 'cr.%s'?"):format(near) or ""
end

-- Whatever cr.help may be asked for.
function kinds.anything(name)
  local own = add_names(add_names(functions(), of_tensors()), require("cresset.help").names())
  local told = elsewhere(name, own)
  if told then return told end
  local near = nearest(name, own)
  return near and ("; did you mean '%s'?"):format(near) or ""
end

function kinds.dtype(name)
  local plain = name:lower():gsub("^torch%.", ""):gsub("^np%.", ""):gsub("^numpy%.", "")
  local set = {}
  if plain:find "^complex" or plain == "cfloat" or plain == "cdouble" then
    return "; complex dtypes are not there yet"
  end
  for key, value in next, cr do -- each dtype is a constant of the module: cr.bool == "bool"
    if key == value then set[key] = true end
  end
  local known = set[plain] and plain or set[dtype_of(plain) or ""] and dtype_of(plain) or nearest(plain, set)
  return known and ('; did you mean "%s"?'):format(known) or ""
end

-- A name in a table of the module, such as cr.memory; of cr.foreach, an operation.
local function member(path)
  return function(name)
    local meta = getmetatable(cr[path])
    if functions()[name] then return ("; there is cr.%s"):format(name) end
    local near = nearest(name, add_names(meta.names and meta.names() or {}, cr[path]))
    return near and ("; did you mean 'cr.%s.%s'?"):format(path, near) or ""
  end
end

for _, path in ipairs { "foreach", "memory", "cuda", "debug", "data", "metrics", "plot",
  "profiler", "tensorboard" } do kinds[path] = member(path) end

--- What an error about an unknown name of a kind ("field", "function", "dtype") adds; "" if nothing.
function M.advise(kind, name)
  if #name > 80 then return "" end
  return kinds[kind](name)
end

--- quote(text, mark): a string of the caller's as messages have it: between marks ('), on one line, at most 80 bytes.
M.quote = getmetatable(cr).quote

--- Raises the error of a name that the module does not have.
function M.no_function(name)
  cr.raise(("cresset has no function or field %s%s"):format(M.quote(name), M.advise("function", name)))
end

--- Raises the error of a name that a table of the module does not have.
function M.no_member(path, name)
  cr.raise(("cresset.%s has no function %s%s"):format(path, M.quote(name), M.advise(path, name)))
end

M.redirects = redirects
M.absent = absent.names

return M
