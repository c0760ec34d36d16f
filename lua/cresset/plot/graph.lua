-- graph.lua: how a tensor came about, as a graph for Graphviz.
--
-- Holds true: each node stands once; nothing recurses, however long the graph is. The graph itself is only read, and
-- not kept alive by the figure.

local cr = require "cresset"

local check = require "cresset.data.check"

local M = {}

local fail, describe = check.fail, check.describe

local Graph = {}
Graph.__index = Graph

local function quote(text) return '"' .. tostring(text):gsub('[\\"]', "\\%0"):gsub("\n", "\\n") .. '"' end

-- The names of the leaves that the caller knows by a name.
local function names_of(op, given)
  local names = {}
  if given == nil then return names end
  if type(given) ~= "table" and type(given) ~= "function" then
    fail("%s: names must be a table of tensors by name, got %s", op, describe(given))
  end
  if type(given) == "table" then
    for name, x in pairs(given) do names[x] = tostring(name) end
  else
    for name, x in given do names[x] = tostring(name) end
  end
  return names
end

-- The lines of all nodes from the last one back, each after those that lead to it were found.
local function walk(root, names)
  local ids, lines, count = {}, {}, 0
  local queue, at = {}, 1
  local function visit(node)
    if ids[node] then return ids[node] end
    count = count + 1
    ids[node] = "n" .. count
    queue[#queue + 1] = node
    return ids[node]
  end
  visit(root)
  while queue[at] do
    local node = queue[at]
    local id, leaf = ids[node], node.variable
    if leaf then
      local name = names[leaf]
      lines[#lines + 1] = ("  %s [shape=box, style=filled, fillcolor=lightblue, label=%s];"):format(id,
        quote((name and name .. "\n" or "") .. tostring(leaf.shape)))
    else
      lines[#lines + 1] = ("  %s [label=%s];"):format(id, quote(node:name():gsub("Backward%d*$", "")))
    end
    for _, edge in ipairs(node.next_functions) do
      local other = edge[1] -- nil for what needs no gradient
      if other then lines[#lines + 1] = ("  %s -> %s;"):format(visit(other), id) end
    end
    queue[at] = false
    at = at + 1
  end
  return lines, count
end

function Graph:__tostring() return self.text end

--- save(path): .dot, or .svg and .png by Graphviz.
function Graph:save(path)
  local ending = (check.string("save", "path", path):match "%.(%w+)$" or ""):lower()
  if ending ~= "dot" and ending ~= "svg" and ending ~= "png" then
    fail("save: the path must end with .dot, .svg or .png, got %s", describe(path))
  end
  local target = ending == "dot" and path or os.tmpname()
  local file, problem = io.open(target, "w")
  if not file then fail("save: %s", problem) end
  file:write(self.text)
  file:close()
  if ending == "dot" then return self end
  if not require("cresset.plot.gnuplot").exists "dot" then
    os.remove(target)
    fail "save: Graphviz is not there (Debian: graphviz); .dot needs no other program"
  end
  local good = os.execute(("dot -T%s -o '%s' '%s' 2>/dev/null"):format(ending, path:gsub("'", "'\\''"), target))
  os.remove(target)
  if not good then fail("save: dot could not write %s", path) end
  return self
end

function M.graph(loss, options)
  local o = check.options("graph", options, { "names", "title" })
  if not cr.is_tensor(loss) then fail("graph: expected a tensor, got %s", describe(loss)) end
  local root = loss.grad_fn
  if not root then fail "graph: the tensor has no graph; nothing that made it was recorded" end
  local lines, count = walk(root, names_of("graph", o.names))
  table.insert(lines, 1, "digraph loss {\n  rankdir=TB;\n  node [fontname=\"sans-serif\", fontsize=10];")
  if o.title then table.insert(lines, 2, ("  label=%s;"):format(quote(o.title))) end
  lines[#lines + 1] = ("  out [shape=box, style=filled, fillcolor=lightgray, label=%s];\n  n1 -> out;\n}\n"):format(
    quote(tostring(loss.shape) == "" and "result" or "result\n" .. tostring(loss.shape)))
  return setmetatable({ text = table.concat(lines, "\n"), nodes = count }, Graph)
end

return M
