-- image.lua: images in files: PNG and JPEG by the system's libraries, PPM and PGM by itself.
--
-- Holds true: an image is a tensor of channels x height x width. The kind of a file is told by its first bytes when it
-- is read, by its name when it is written.

local cr = require "cresset"

local check = require "cresset.data.check"

local M = {}

local fail, describe = check.fail, check.describe

-- The size and the place of the pixels of a binary PPM or PGM file; nil where the header is none.
local function netpbm_header(text)
  local kind, at = text:match "^P([56])()"
  local numbers = {}
  for i = 1, 3 do
    local stop
    repeat -- spaces and comments
      stop = at
      at = text:match("^%s+()", at) or at
      at = text:match("^#[^\n]*\n()", at) or at
    until at == stop
    numbers[i], at = text:match("^(%d%d?%d?%d?%d?)()", at)
    if not at then return nil end
  end
  if not text:find("^%s", at) or numbers[3] ~= "255" then return nil end
  return kind == "6" and 3 or 1, tonumber(numbers[1]), tonumber(numbers[2]), at
end

local function netpbm(bytes)
  local head = cr._data.bytes_text(bytes:narrow(1, 1, math.min(#bytes, 4096)))
  local channels, width, height, at = netpbm_header(head)
  if not channels then return nil, "the header is wrong, or not of 8 bits" end
  local n = width * height * channels
  if n == 0 or #bytes - at < n then return nil, "there are fewer pixels than the header says" end
  return bytes:narrow(1, at + 1, n):view(height, width, channels)
end

local function decode(bytes)
  local head = #bytes >= 4 and cr._data.bytes_text(bytes:narrow(1, 1, 4)) or ""
  if head == "\x89PNG" then return cr._data.decode_png(bytes) end
  if head:sub(1, 3) == "\xFF\xD8\xFF" then return cr._data.decode_jpeg(bytes) end
  if head:find "^P[56]" then return netpbm(bytes) end
  return nil, "it is neither PNG nor JPEG, PPM or PGM"
end

--- read_image(path): a uint8 tensor of channels x height x width; 1 channel for gray, 3 for colors, one more for alpha.
function M.read_image(path)
  local bytes, problem = cr._data.read_bytes(check.string("read_image", "path", path))
  if not bytes then fail("read_image: cannot read %s", problem) end
  local pixels, wrong = decode(bytes)
  if not pixels then fail("read_image: cannot read %s: %s", path, wrong) end
  return pixels:permute(3, 1, 2):contiguous()
end

--- Pixels as uint8 of height x width x channels, from an image of either dtype.
function M.pixels(op, x)
  if not cr.is_tensor(x) or (x.ndim ~= 2 and x.ndim ~= 3) or x:numel() == 0 then
    fail("%s: an image must be a tensor of channels x height x width or height x width, got %s", op, describe(x))
  end
  if x.ndim == 2 then x = x:unsqueeze(1) end
  if x:size(1) > 4 then fail("%s: an image has 1 to 4 channels, got %d", op, x:size(1)) end
  x = x:detach():cpu()
  if x:is_floating_point() then x = (x:nan_to_num(0):clamp(0, 1) * 255):round():to "uint8" end
  return x:to("uint8"):permute(2, 3, 1):contiguous()
end

--- The text of a PNG file of an image.
function M.png(op, x)
  local text, problem = cr._data.encode_png(M.pixels(op, x))
  if not text then fail("%s: %s", op, problem) end
  return text
end

--- write_image(path, x): a tensor of channels x height x width or height x width as .png, .ppm or .pgm; integers from
-- 0 to 255, or floats from 0 to 1, which are cut to that.
function M.write_image(path, x)
  local ending = (check.string("write_image", "path", path):match "%.(%w+)$" or ""):lower()
  local text
  if ending == "png" then
    text = M.png("write_image", x)
  elseif ending == "ppm" or ending == "pgm" then
    local p = M.pixels("write_image", x)
    local wanted = ending == "ppm" and 3 or 1
    if p:size(3) ~= wanted then fail("write_image: a .%s file has %d channels, got %d", ending, wanted, p:size(3)) end
    text = ("P%d\n%d %d\n255\n"):format(wanted == 3 and 6 or 5, p:size(2), p:size(1)) .. cr._data.bytes_text(p)
  else
    fail("write_image: the name of the file must end with .png, .ppm or .pgm, got %s", describe(path))
  end
  local file, problem = io.open(path, "wb")
  if not file then fail("write_image: %s", problem) end
  local good, why = file:write(text)
  local closed, late = file:close()
  if not good or not closed then fail("write_image: cannot write %s: %s", path, why or late) end
end

return M
