-- charlm.lua: a small transformer that learns to write licences, letter by letter.
--
-- Its text: the licences that every Debian has in /usr/share/common-licenses. After 500 steps its loss is 1.88 (2.70
-- bits a letter) where it has not read; how often letters come gives 4.64. Then it writes some lines of its own.
-- Usage: cresset examples/charlm.lua [--steps N] [--device cuda] [--bf16] [--seed N] [--text FILE] [--letters N]

local cr = require "cresset"
local nn, optim, data = cr.nn, cr.optim, cr.data

local o = { steps = 500, device = "cpu", seed = 1, letters = 400, context = 64, width = 96, heads = 4, layers = 2,
  batch = 32, lr = 3e-3 }
do
  local i = 1
  while arg[i] do
    local name = assert(arg[i]:match "^%-%-(%w+)$", "usage: see the head of this file")
    if name == "bf16" then
      o.bf16, i = true, i + 1
    else
      o[name], i = tonumber(arg[i + 1]) or assert(arg[i + 1], name .. " needs a value"), i + 2
    end
  end
end

-- ---- The text as numbers of letters ---------------------------------------------------------------------------

local function read_text()
  local parts = {}
  local paths = o.text and { o.text } or {}
  if not o.text then
    for path in io.popen "find -L /usr/share/common-licenses -type f | sort":lines() do paths[#paths + 1] = path end
  end
  local seen = {}
  for _, path in ipairs(paths) do
    local file = assert(io.open(path))
    local text = file:read "a"
    file:close()
    if not seen[text] then parts[#parts + 1] = text end -- some are links to others
    seen[text] = true
  end
  return table.concat(parts, "\n")
end

local text = read_text()
assert(#text > 2 * o.context, "there is not enough text")
local letters, number_of = {}, {}
for letter in text:gmatch "." do number_of[letter] = true end
for letter in text:gmatch "." do
  if number_of[letter] == true then
    letters[#letters + 1] = letter
    number_of[letter] = #letters
  end
end
local codes = {}
for i = 1, #text do codes[i] = number_of[text:sub(i, i)] end
codes = cr.tensor(codes)
local held = math.max(o.context + 1, #codes // 20) -- the last part is for the test
print(("%d letters, %d kinds"):format(#codes, #letters))

-- A sample: a piece of the text, and the same one letter later.
local Pieces = data.Dataset "Pieces"
function Pieces:init(all) self.all = all end
function Pieces:len() return #self.all - o.context end
function Pieces:get(i) return self.all:narrow(1, i, o.context), self.all:narrow(1, i + 1, o.context) end
local train, test = Pieces(codes:narrow(1, 1, #codes - held)), Pieces(codes:narrow(1, #codes - held + 1, held))

-- ---- The model ---------------------------------------------------------------------------------------------------

local Block = nn.class "Block"
function Block:init(width, heads)
  self.heads = heads
  self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
  self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
  self.mlp = nn.Sequential { nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width) }
end
function Block:forward(x)
  local n, t, c = x.shape[1], x.shape[2], x.shape[3]
  local q, k, v = self.qkv(self.before(x)):view(n, t, 3, self.heads, c // self.heads):permute(3, 1, 4, 2, 5):unbind(1)
  local y = nn.functional.scaled_dot_product_attention(q, k, v, { is_causal = true })
  x = x + self.out(y:transpose(2, 3):reshape(n, t, c))
  return x + self.mlp(self.between(x))
end

local Writer = nn.class "Writer"
function Writer:init()
  self.letters, self.places = nn.Embedding(#letters, o.width), nn.Embedding(o.context, o.width)
  self.blocks = nn.Sequential {}
  for _ = 1, o.layers do self.blocks:append(Block(o.width, o.heads)) end
  self.norm, self.head = nn.LayerNorm(o.width), nn.Linear(o.width, #letters)
end
function Writer:forward(x)
  local places = cr.arange(1, x:size(2) + 1, { device = x.device })
  return self.head(self.norm(self.blocks(self.letters(x) + self.places(places))))
end

cr.manual_seed(o.seed)
local net = Writer():to(o.device)
local opt = optim.AdamW(net:parameters(), { lr = o.lr, weight_decay = 0.1, betas = { 0.9, 0.98 } })
local schedule = optim.lr_scheduler.OneCycleLR(opt, o.lr, { total_steps = math.max(o.steps, 2), pct_start = 0.1 })

local function loss_of(x, y)
  x, y = x:to(o.device), y:to(o.device)
  local function compute() return nn.functional.cross_entropy(net(x):flatten(1, 2), y:flatten()) end
  if o.bf16 then return cr.autocast(o.device, { dtype = "bfloat16" }, compute) end
  return compute()
end

-- ---- Learning ------------------------------------------------------------------------------------------------------

local function test_loss()
  local mean, loader = cr.metrics.Mean(), data.Loader(test, { batch_size = 64, shuffle = true, seed = 0 })
  net:eval()
  cr.no_grad(function()
    for x, y in loader:iter() do
      mean:add(loss_of(x, y))
      if loader:state().position >= 20 then break end
    end
  end)
  net:train()
  return mean:value()
end

local sampler = data.RandomSampler(train, { replacement = true, num_samples = o.steps * o.batch, seed = o.seed })
local loader = data.Loader(train, { batch_size = o.batch, sampler = sampler })
local bar = cr.progress(loader, "learning")
for x, y in bar:iter() do
  opt:zero_grad()
  local loss = loss_of(x, y)
  loss:backward()
  nn.utils.clip_grad_norm_(net:parameters(), 1)
  opt:step()
  schedule:step()
  bar:set { loss = loss }
end
print(("%d steps, test loss %.3f (%.2f bits a letter)"):format(o.steps, test_loss(), test_loss() / math.log(2)))

-- ---- Writing -------------------------------------------------------------------------------------------------------

net:eval()
local written = cr.full({ 1, 1 }, number_of["\n"] or 1):to "int64"
cr.no_grad(function()
  for _ = 1, o.letters do
    local seen = written:narrow(2, math.max(1, written:size(2) - o.context + 1), math.min(o.context, written:size(2)))
    local scores = net(seen:to(o.device)):select(2, -1):cpu()
    written = cr.cat({ written, cr.multinomial((scores / 0.8):softmax(2), 1) }, 2)
  end
end)
local out = {}
for i, code in ipairs(written[1]:totable()) do out[i] = letters[code] end
print(table.concat(out))
