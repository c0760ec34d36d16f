-- csv.lua: tables of comma-separated values, as columns.
--
-- Holds true: fields may stand between quotes (and have separators, quotes written twice and line ends in them), lines
-- may end with CR LF, a mark of UTF-8 at the beginning is no part of the first name. What is wrong is told with the
-- number of its line. Columns of numbers are tensors, columns of words lists, columns of classes numbers from 1.

local cr = require "cresset"

local check = require "cresset.data.check"
local dataset = require "cresset.data.dataset"

local M = {}

local fail, describe = check.fail, check.describe

-- ---- Fields -------------------------------------------------------------------------------------------------

local function count_lines(text)
  return select(2, text:gsub("\n", ""))
end

-- The fields of a record with quotes in it, which begins at `at`, and where the next one begins; or nil and what is
-- wrong.
local function quoted_record(text, at, sep)
  local fields = {}
  while true do
    if text:sub(at, at) == '"' then
      local parts, from = {}, at + 1
      while true do
        local close = text:find('"', from, true)
        if not close then return nil, "a quote has no end" end
        parts[#parts + 1] = text:sub(from, close - 1)
        if text:sub(close + 1, close + 1) ~= '"' then at = close + 1 break end
        parts[#parts + 1] = '"'
        from = close + 2
      end
      fields[#fields + 1] = table.concat(parts)
    else
      local stop = text:find("[\n" .. sep:gsub("%W", "%%%0") .. "]", at) or #text + 1
      local last = text:sub(stop - 1, stop - 1) == "\r" and text:sub(stop, stop) ~= sep and stop - 2 or stop - 1
      fields[#fields + 1] = text:sub(at, last)
      at = stop
    end
    local c = text:sub(at, at)
    if c == "\r" and (text:sub(at + 1, at + 1) == "\n" or at == #text) then at, c = at + 1, "\n" end
    if c == "" or c == "\n" then return fields, at + 1 end
    if c ~= sep then return nil, "there is text behind a quote" end
    at = at + 1
  end
end

-- Calls each(line number, fields) for every record that is not empty.
local function records(op, path, text, sep, each)
  local at, line = text:sub(1, 3) == "\xEF\xBB\xBF" and 4 or 1, 1
  local pattern = "([^" .. sep:gsub("%W", "%%%0") .. "]*)" .. sep:gsub("%W", "%%%0")
  while at <= #text do
    local stop = text:find("\n", at, true) or #text + 1
    local record = text:sub(at, text:sub(stop - 1, stop - 1) == "\r" and stop - 2 or stop - 1)
    if record:find('"', 1, true) then
      local fields, next_at = quoted_record(text, at, sep)
      if not fields then fail("%s: %s:%d: %s", op, path, line, next_at) end
      each(line, fields)
      line = line + count_lines(text:sub(at, next_at - 1))
      at = next_at
    else
      if record ~= "" then
        local fields, n = {}, 0
        for field in (record .. sep):gmatch(pattern) do
          n = n + 1
          fields[n] = field
        end
        each(line, fields)
      end
      at, line = stop + 1, line + 1
    end
  end
end

-- ---- Columns ------------------------------------------------------------------------------------------------

local words = { inf = math.huge, ["+inf"] = math.huge, ["-inf"] = -math.huge }

-- The number that a field is, or nil.
local function number_of(field)
  if field:find "^%s*[+-]?%.?%d[%d.eE+-]*%s*$" then return tonumber(field) or nil end
  return words[field:lower()]
end

local function guess(column, missing)
  local all_whole, any = true, false
  for _, field in ipairs(column) do
    local x = not missing[field] and number_of(field)
    if x == nil then return "string" end
    if missing[field] then all_whole = false end
    if x then
      any = true
      all_whole = all_whole and math.type(x) == "integer"
    end
  end
  if not any then return "string" end
  return all_whole and "int64" or cr.get_default_dtype()
end

local function wrong(self, i, name, kind, field)
  fail('csv: %s:%d: column "%s" must be %s, got %s', self.path, self.lines[i], name, kind,
    field == "" and "nothing" or describe(field))
end

local function classes_of(self, name, column, missing, given)
  local list, numbers, values = {}, {}, {}
  for i, class in ipairs(given or {}) do list[i], numbers[class] = class, i end
  for i, field in ipairs(column) do
    if missing[field] then wrong(self, i, name, "a class", field) end
    if not numbers[field] then
      if given then wrong(self, i, name, "one of the classes " .. table.concat(given, ", "), field) end
      list[#list + 1] = field
      numbers[field] = #list
    end
  end
  if not given then -- in the order of their names, whatever comes first in the file
    table.sort(list)
    for i, class in ipairs(list) do numbers[class] = i end
  end
  for i, field in ipairs(column) do values[i] = numbers[field] end
  self.classes[name] = list
  return cr.tensor(values, { dtype = "int64" })
end

local function numbers_of(self, name, column, missing, dtype)
  local whole, values = cr.isdtype(dtype, "integral"), {}
  for i, field in ipairs(column) do
    local x = number_of(field)
    if missing[field] and not whole then x = 0 / 0
    elseif x == nil or whole and not math.tointeger(x) then
      wrong(self, i, name, whole and "an integer" or "a number", field)
    end
    values[i] = whole and math.tointeger(x) or x + 0.0
  end
  return cr.tensor(values, { dtype = dtype })
end

local function convert(self, name, column, kind, missing)
  kind = kind or guess(column, missing)
  if kind == "string" then return column end
  if #column == 0 then return cr.zeros({ 0 }, { dtype = kind == "class" and "int64" or kind }) end
  if kind == "class" or type(kind) == "table" then
    return classes_of(self, name, column, missing, type(kind) == "table" and kind or nil)
  end
  return numbers_of(self, name, column, missing, kind)
end

-- ---- The dataset ---------------------------------------------------------------------------------------------

local Csv = dataset.Dataset "CsvDataset"
M.Csv = Csv

function Csv:len() return self.count end

--- The column of a name: a tensor, or a list of strings.
function Csv:column(name)
  local column = self.by_name[name]
  if column == nil then
    fail('csv: there is no column %s; there are: %s', describe(name), table.concat(self.columns, ", "))
  end
  return column
end

function Csv:get(i)
  local sample = {}
  for _, name in ipairs(self.columns) do
    local column = self.by_name[name]
    if cr.is_tensor(column) then sample[name] = column:select(1, i):item() else sample[name] = column[i] end
  end
  return sample
end

function Csv:batch(index)
  local batch, list = {}, nil
  for _, name in ipairs(self.columns) do
    local column = self.by_name[name]
    if cr.is_tensor(column) then
      batch[name] = column:index_select(1, index)
    else
      list = list or index:totable()
      batch[name] = {}
      for k, i in ipairs(list) do batch[name][k] = column[i] end
    end
  end
  return batch
end

--- Columns of numbers side by side, a row for each sample, in the default dtype.
function Csv:matrix(names)
  if type(names) == "string" then names = { names } end
  if type(names) ~= "table" or #names == 0 then fail("matrix: expected a list of names, got %s", describe(names)) end
  local columns = {}
  for i, name in ipairs(names) do
    columns[i] = self:column(name)
    if not cr.is_tensor(columns[i]) then fail('matrix: the column "%s" has words, not numbers', name) end
    columns[i] = columns[i]:to(cr.get_default_dtype())
  end
  return cr.stack(columns, 2)
end

--- A TensorDataset of matrix(features) and the column `target`, if one is named.
function Csv:tensor_dataset(features, target)
  local x = self:matrix(features)
  if target == nil then return dataset.TensorDataset(x) end
  local y = self:column(target)
  if not cr.is_tensor(y) then fail('tensor_dataset: the column "%s" has words; give it the type "class"', target) end
  return dataset.TensorDataset(x, y)
end

-- ---- Reading -------------------------------------------------------------------------------------------------

local function text_of(path)
  check.string("csv", "path", path)
  local bytes, problem = cr._data.read_bytes(path)
  if not bytes then fail("csv: cannot read %s", problem) end
  return cr._data.bytes_text(bytes)
end

local function read_rows(self, text, o)
  local rows, header = {}, o.header
  if type(header) == "table" then self.names = { table.unpack(header) } end
  records("csv", self.path, text, o.sep, function(line, fields)
    if not self.names and header ~= false then
      self.names = fields
      return
    end
    if not self.names then
      self.names = {}
      for i = 1, #fields do self.names[i] = tostring(i) end
    end
    if #fields ~= #self.names then
      fail("csv: %s:%d: there are %d fields, and %d columns", self.path, line, #fields, #self.names)
    end
    rows[#rows + 1] = fields
    self.lines[#rows] = line
  end)
  if not self.names then fail("csv: %s is empty", self.path) end
  return rows
end

local function check_names(self, o)
  local place = {}
  for i, name in ipairs(self.names) do
    if place[name] then fail('csv: %s has two columns "%s"', self.path, name) end
    place[name] = i
  end
  for _, option in ipairs { "columns", "types" } do
    local given = type(o[option]) == "table" and o[option] or {}
    for key, value in pairs(given) do
      local name = option == "columns" and value or key
      if not place[name] then
        fail("csv: %s names a column %s; there are: %s", option, describe(name), table.concat(self.names, ", "))
      end
    end
  end
  return place
end

local function type_of(o, name)
  local kind = o.types
  if type(kind) == "table" then kind = kind[name] end
  local good = kind == nil or kind == "string" or kind == "class" or type(kind) == "table"
    or type(kind) == "string" and rawget(cr, kind) == kind and kind ~= "bool"
  if not good then
    fail('csv: the type of column "%s" must be a dtype of numbers, "string", "class" or a list of classes, got %s',
      name, describe(kind))
  end
  return kind
end

--- csv(path, { header = true, types =, columns =, sep = ",", missing = }): a dataset of the table in a file, which may
-- be packed by gzip. header: true, false, or a list of names for a file without. types: by the name of the column a
-- dtype, "string", "class" or the list of its classes; one for all; what is not named is guessed. missing: what stands
-- for no value, which becomes NaN.
function M.csv(path, options)
  local o = check.options("csv", options, { "header", "types", "columns", "sep", "missing" })
  o.sep = o.sep == nil and "," or check.string("csv", "sep", o.sep)
  if #o.sep ~= 1 or o.sep == '"' or o.sep == "\n" or o.sep == "\r" then
    fail("csv: sep must be one character, got %s", describe(o.sep))
  end
  if o.header ~= nil and type(o.header) ~= "boolean" and type(o.header) ~= "table" then
    fail("csv: header must be true, false or a list of names, got %s", describe(o.header))
  end
  local missing = {}
  for _, word in ipairs(o.missing or { "", "NA", "N/A", "nan", "NaN", "null" }) do missing[word] = true end
  local self = Csv()
  self.path, self.lines, self.classes, self.by_name = path, {}, {}, {}
  local rows = read_rows(self, text_of(path), o)
  local place = check_names(self, o)
  self.columns, self.count = o.columns and { table.unpack(o.columns) } or self.names, #rows
  for _, name in ipairs(self.columns) do
    local column, at = {}, place[name]
    for i, fields in ipairs(rows) do column[i] = fields[at] end
    self.by_name[name] = convert(self, name, column, type_of(o, name), missing)
  end
  self.lines, self.names = nil, nil
  return self
end

return M
