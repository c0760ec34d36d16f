-- wolfe.lua: a line search for the strong Wolfe conditions, by cubic interpolation.
--
-- Holds true: the search is PyTorch's, evaluation by evaluation; it keeps no state.

local M = {}

local function copy(list) return table.move(list, 1, #list, 1, {}) end

-- Where a cubic with these values and slopes at x1 and x2 is least, within bounds.
local function interpolate(x1, f1, g1, x2, f2, g2, low, high)
  if not low then low, high = math.min(x1, x2), math.max(x1, x2) end
  local d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
  local square = d1 * d1 - g1 * g2
  if square >= 0 then
    local d2 = math.sqrt(square)
    local at = x1 <= x2 and x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
      or x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return math.min(math.max(at, low), high)
  end
  return (low + high) / 2
end

-- A place on the line: how far, the value, the gradient, the slope.
local function place(t, f, g, slope) return { t = t, f = f, g = g, slope = slope } end

-- Places between which a step lies that fits, or one that does; and how many evaluations that took.
local function bracket(search, start, t)
  local evaluate, c1, c2 = search.evaluate, search.c1, search.c2
  local before, now, evals, i = start, evaluate(t), 1, 0
  while i < search.most do
    if now.f > start.f + c1 * now.t * start.slope or (i > 1 and now.f >= before.f) then
      return { before, now }, evals, i
    elseif math.abs(now.slope) <= -c2 * start.slope then
      return { now }, evals, i, true
    elseif now.slope >= 0 then
      return { before, now }, evals, i
    end
    local least, most = now.t + 0.01 * (now.t - before.t), now.t * 10
    local further = interpolate(before.t, before.f, before.slope, now.t, now.f, now.slope, least, most)
    before, now = now, evaluate(further)
    evals, i = evals + 1, i + 1
  end
  return { start, now }, evals, i
end

-- Keeps a step away from the ends of the bracket where it makes too little of it.
local function away(t, low, high, hurried)
  local eps = 0.1 * (high - low)
  if math.min(high - t, t - low) < eps then
    if not (hurried or t >= high or t <= low) then return t, true end
    return math.abs(t - high) < math.abs(t - low) and high - eps or low + eps, false
  end
  return t, false
end

-- Which of two places has the lower value; the second where either is NaN.
local function order(two)
  if two[1].f <= two[2].f then return 1, 2 end
  return 2, 1
end

-- Narrows a bracket down to a step that fits.
local function zoom(search, start, two, evals, i)
  local evaluate, hurried = search.evaluate, false
  local low, high = order(two)
  while i < search.most do
    local a, b = two[1], two[2]
    if math.abs(b.t - a.t) * search.size < search.tolerance then break end
    local t = interpolate(a.t, a.f, a.slope, b.t, b.f, b.slope)
    t, hurried = away(t, math.min(a.t, b.t), math.max(a.t, b.t), hurried)
    local now = evaluate(t)
    evals, i = evals + 1, i + 1
    if now.f > start.f + search.c1 * now.t * start.slope or now.f >= two[low].f then
      two[high] = now
      low, high = order(two)
    else
      local fits = math.abs(now.slope) <= -search.c2 * start.slope
      if not fits and now.slope * (two[high].t - two[low].t) >= 0 then two[high] = two[low] end
      two[low] = now
      if fits then break end
    end
  end
  return two[low], evals
end

--- From the place where value, gradient and slope along d are f, g and slope, first tries t. `objective(t)` gives value
-- and gradient there; `size` is the largest element of d. Returns value, gradient, t, and how many evaluations it took.
function M.search(objective, t, d, f, g, slope, size, tolerance, most)
  local search = { c1 = 1e-4, c2 = 0.9, most = most, size = size, tolerance = tolerance }
  function search.evaluate(at)
    local value, gradient = objective(at)
    return place(at, value, gradient, gradient:dot(d):item())
  end
  local start = place(0, f, g, slope)
  local ends, evals, i, done = bracket(search, start, t)
  local best = ends[1]
  if #ends == 2 and not done then best, evals = zoom(search, start, copy(ends), evals, i) end
  return best.f, best.g, best.t, evals
end

return M
