-- absent.lua: names that users of other libraries look for, and that are not there yet, with what serves today.
--
-- Holds true: none of them is a name of the module or of tensors; what serves exists. "" stands for nothing.

local M = {}

-- What serves today, by name.
M.names = {
  -- Parts of PyTorch
  linalg = "x:matmul(y), x:norm()",
  fft = "", special = "cr.erf, cr.lgamma and others",
  distributions = "cr.randn, cr.rand, cr.bernoulli, cr.multinomial", jit = "", onnx = "", compile = "", vmap = "",
  distributed = "", sparse = "", quantization = "",
  rnn = "cr.rnn_tanh(x, hx, params), cr.rnn_relu",
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
