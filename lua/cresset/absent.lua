-- absent.lua: names that users of other libraries look for, and that are not there yet, with what serves today.
--
-- Holds true: none of them is a name of the module or of tensors; what serves exists. "" stands for nothing.

local M = {}

local foreach = "cr.foreach.adam_ and cr.foreach.sgd_ are whole steps of optimizers"
local layers = "a layer is a function of tensors: cr.linear(x, w, b):relu()"
local sequence = "rows are taken by x:index_select(1, positions), shuffled ones by cr.randperm(n)"
local files = "x:totable() and cr.tensor(data) go through tables"

-- What serves today, by name.
M.names = {
  -- Parts of PyTorch
  nn = layers, Module = layers, ModuleList = layers, Sequential = layers, Linear = "cr.linear(x, weight, bias)",
  Embedding = "cr.embedding(weight, positions)", Dropout = "x:dropout(p)", LayerNorm = "cr.layer_norm(x, shape)",
  ReLU = "x:relu()", Softmax = "x:softmax(dim)", CrossEntropyLoss = "cr.cross_entropy(x, target)",
  MSELoss = "cr.mse_loss(x, y)", Parameter = "cr.randn({ 2, 3 }, { requires_grad = true })",
  parameters = "a table of tensors that require grad", optim = foreach, Optimizer = foreach,
  Adam = "cr.foreach.adam_ is a whole step", AdamW = "cr.foreach.adam_ is a whole step",
  SGD = "cr.foreach.sgd_ is a whole step", RMSprop = foreach, Adagrad = foreach, lr_scheduler = foreach,
  clip_grad_norm_ = "cr.foreach.mul_(grads, factor) scales a list",
  clip_grad_value_ = "cr.foreach.clamp_(grads, -c, c)", data = sequence, utils = sequence, DataLoader = sequence,
  Dataset = sequence, TensorDataset = sequence, save = files, load = files, linalg = "x:matmul(y), x:norm()",
  fft = "", special = "cr.erf, cr.lgamma and others",
  distributions = "cr.randn, cr.rand, cr.bernoulli, cr.multinomial", jit = "", onnx = "", compile = "", vmap = "",
  distributed = "", sparse = "", quantization = "",
  -- Convolutions and pooling
  Conv1d = "cr.conv1d(x, weight, bias)", Conv2d = "cr.conv2d(x, weight, bias)", Conv3d = "cr.conv3d(x, weight, bias)",
  MaxPool2d = "cr.max_pool2d(x, kernel_size)", AvgPool2d = "cr.avg_pool2d(x, kernel_size)",
  Upsample = "cr.interpolate(x, size)",
  BatchNorm1d = "cr.batch_norm(x, mean, var)", BatchNorm2d = "cr.batch_norm(x, mean, var)", lstm = "",
  gru = "", rnn = "", LSTM = "", GRU = "", RNN = "", Transformer = "cr.scaled_dot_product_attention(q, k, v)",
  -- Linear algebra
  svd = "", svdvals = "", pinverse = "", pinv = "", det = "", logdet = "", slogdet = "", inv = "", inverse = "",
  eig = "", eigh = "", eigvals = "", symeig = "", solve = "", lstsq = "", qr = "", lu = "", cholesky = "",
  matrix_exp = "", matrix_rank = "", matrix_power = "x:matmul(x)", kron = "",
  -- Others
  stft = "", istft = "", complex = "",
  complex64 = "", complex128 = "", cfloat = "", cdouble = "", view_as_real = "", view_as_complex = "", imag = "",
  angle = "", polar = "",
}

--- What an error adds after such a name, or nil if it is none: "; it is not there yet (today: ...)".
function M.tell(name)
  local serves = M.names[name]
  return serves and "; it is not there yet" .. (serves ~= "" and " (today: " .. serves .. ")" or "")
end

return M
