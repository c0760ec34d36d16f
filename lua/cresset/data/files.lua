-- files.lua: datasets of files: arrays of NumPy, folders of images, the lines of a text.
--
-- Holds true: arrays and lines are read when the dataset is made; images when they are asked for, so that only their
-- names are kept and workers read them side by side.

local cr = require "cresset"

local check = require "cresset.data.check"
local dataset = require "cresset.data.dataset"

local M = {}

local fail = check.fail

--- npy(path, ...): a TensorDataset of the arrays in .npy files.
function M.npy(...)
  local n = select("#", ...)
  if n == 0 then fail "npy: expected the path of a file, got nothing" end
  local tensors = {}
  for i = 1, n do
    tensors[i] = cr.load(check.string("npy", "path", (select(i, ...))))
    if not cr.is_tensor(tensors[i]) then fail("npy: %s holds no single array", (select(i, ...))) end
  end
  return dataset.TensorDataset(table.unpack(tensors))
end

--- lines(path): the lines of a text file, without their ends.
function M.lines(path)
  local bytes, problem = cr._data.read_bytes(check.string("lines", "path", path))
  if not bytes then fail("lines: cannot read %s", problem) end
  local text, list = cr._data.bytes_text(bytes), {}
  if text ~= "" and text:sub(-1) ~= "\n" then text = text .. "\n" end
  for line in text:gmatch "(.-)\r?\n" do list[#list + 1] = line end
  return dataset.TableDataset(list)
end

-- ---- Images -------------------------------------------------------------------------------------------------

local endings = { png = true, jpg = true, jpeg = true, ppm = true, pgm = true }

local function names_in(op, folder)
  local names, problem = cr._data.list_folder(folder)
  if not names then fail("%s: cannot read the folder %s", op, problem) end
  table.sort(names)
  return names
end

local ImageFolder = dataset.Dataset "ImageFolder"
M.ImageFolder = ImageFolder

function ImageFolder:len() return #self.paths end
function ImageFolder:get(i)
  local image = require("cresset.data.image").read_image(self.paths[i]):to "float32" / 255
  if self.transform then image = self.transform(image) end
  return image, self.labels[i]
end

--- images(folder, { transform = }): the images (.png, .jpg, .ppm, .pgm) in the subfolders of a folder, float32 from 0
-- to 1 of channels x height x width, through transform if one is given, and the number of the subfolder, from 1 in the
-- order of their names; set.classes names them.
function M.images(folder, options)
  local o = check.options("images", options, { "transform" })
  check.string("images", "folder", folder)
  local self = ImageFolder()
  self.paths, self.labels, self.classes = {}, {}, {}
  self.transform = check.callable("images", "transform", o.transform)
  for _, class in ipairs(names_in("images", folder)) do
    local names = cr._data.list_folder(folder .. "/" .. class)
    if names then
      self.classes[#self.classes + 1] = class
      table.sort(names)
      for _, name in ipairs(names) do
        if endings[(name:match "%.(%w+)$" or ""):lower()] then
          self.paths[#self.paths + 1] = ("%s/%s/%s"):format(folder, class, name)
          self.labels[#self.labels + 1] = #self.classes
        end
      end
    end
  end
  if #self.paths == 0 then fail("images: there are no images in the subfolders of %s", folder) end
  return self
end

return M
