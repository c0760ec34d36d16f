-- entries.lua: what is told of what shows a program at work: progress, metrics, plots, the profiler, TensorBoard.
--
-- Holds true: plain data in the form of the entries.lua above, which loads it.

local T = "cresset.Tensor"

return { { "Watching a program at work",
  { "cr.progress", 'cr.progress(what, "label", { fields = {}, total =, every = 0.1, width = 24, out =, terminal = })',
    "for x, y in cr.progress(loader, \"epoch 1\") do: passes all values on and shows how far it has come: a bar, the "
    .. "rate, the time that is left, and what p:set { loss = l } has set; a line for each tenth where there is no "
    .. "terminal. what is a loader, a list, a tensor, a count or an iterator.",
    "fun(what: any, label?: string, options?: table): table" },
  { "cr.metrics", "cr.metrics.accuracy(scores, target)", "What is said of a model's answers. docs/watching.md tells "
    .. "all of it.", "table" },
  { "cr.metrics.accuracy", "cr.metrics.accuracy(scores or classes, target)", "The share of right answers, from 0 to 1.",
    "fun(scores: " .. T .. ", target: " .. T .. "): number" },
  { "cr.metrics.top_k", "cr.metrics.top_k(scores, target, k)",
    "The share of samples whose class is among the k best scores.",
    "fun(scores: " .. T .. ", target: " .. T .. ", k: integer): number" },
  { "cr.metrics.confusion", "cr.metrics.confusion(scores or classes, target, { classes = })",
    "Row i counts what samples of class i were taken for.",
    "fun(scores: " .. T .. ", target: " .. T .. ", options?: table): " .. T },
  { "cr.metrics.precision", 'cr.metrics.precision(scores or classes, target, { average = "macro", classes = })',
    'Of what was taken for a class, the share that is of it: the mean over classes ("macro"), over samples ("micro"), '
    .. 'by their sizes ("weighted"), or for each class ("none").',
    "fun(scores: " .. T .. ", target: " .. T .. ", options?: table): number|" .. T },
  { "cr.metrics.recall", "cr.metrics.recall(scores or classes, target, options)",
    "Of what is of a class, the share that was taken for it. Options as of precision.",
    "fun(scores: " .. T .. ", target: " .. T .. ", options?: table): number|" .. T },
  { "cr.metrics.f1", "cr.metrics.f1(scores or classes, target, options)",
    "The harmonic mean of precision and recall. Options as of precision.",
    "fun(scores: " .. T .. ", target: " .. T .. ", options?: table): number|" .. T },
  { "cr.metrics.auc", "cr.metrics.auc(scores, target)",
    "The area under the ROC curve. target: booleans, 0 and 1, or classes 1 and 2.",
    "fun(scores: " .. T .. ", target: " .. T .. "): number" },
  { "cr.metrics.Mean", "cr.metrics.Mean()", "A running mean: m:add(value, weight), m:value(), m:reset().",
    "fun(): table" },
  { "cr.plot", "print(cr.plot.line(y))", "Figures: print() shows one in the terminal, figure:save(path) writes it as "
    .. ".svg, .png or .txt.", "table" },
  { "cr.plot.line", "cr.plot.line(y), cr.plot.line(x, y), cr.plot.line { name = y, name = { x, y } }",
    "Curves. Options of all figures: title, xlabel, ylabel, width and height in characters.",
    "fun(x: any, y?: any, options?: table): table" },
  { "cr.plot.scatter", "cr.plot.scatter(x, y), cr.plot.scatter { name = { x, y } }", "Points.",
    "fun(x: any, y?: any, options?: table): table" },
  { "cr.plot.histogram", "cr.plot.histogram(x, { bins = 20, range = { low, high } })",
    "How many elements lie in each of the bins.", "fun(x: any, options?: table): table" },
  { "cr.plot.heatmap", "cr.plot.heatmap(matrix)", "The elements of a matrix as shades.",
    "fun(x: any, options?: table): table" },
  { "cr.plot.confusion", "cr.plot.confusion(counts, { names = })", "A table of confusion with names of classes.",
    "fun(counts: any, options?: table): table" },
  { "cr.plot.images", "cr.plot.images(batch, { columns = 8 })", "Images side by side.",
    "fun(batch: any, options?: table): table" },
  { "cr.plot.graph", "cr.plot.graph(loss, { names = { name = tensor }, title = })",
    "How a tensor came about: tostring gives it for Graphviz, save writes .dot, .svg or .png.",
    "fun(loss: " .. T .. ", options?: table): table" },
  { "cr.profiler", "cr.profiler.profile(f)", "Where the time and the memory of operations go.", "table" },
  { "cr.profiler.profile", "cr.profiler.profile(f, { shapes = true }), cr.profiler.profile(options)",
    "A profile of what f() does, and f's values; without f, of all until p:stop(). p:table { sort_by = \"self\" }, "
    .. "p:averages(), p:events(), p:save(path) for Chrome.", "fun(f?: function|table, options?: table): table, ..." },
  { "cr.profiler.range", "cr.profiler.range(name, f, ...)",
    "Calls f(...) as a part of that name in the profile that is on; without f a value for `local _ <close> =`.",
    "fun(name: string, f?: function, ...: any): ..." },
  { "cr.tensorboard", 'cr.tensorboard.Writer "runs/first"', "Writes what TensorBoard shows.", "table" },
  { "cr.tensorboard.Writer", "cr.tensorboard.Writer(folder)",
    "w:scalar(tag, value, step), w:scalars(tag, values, step), w:histogram(tag, x, step), w:image(tag, x, step), "
    .. "w:text(tag, text, step), w:hparams(settings, metrics), w:flush(), w:close().", "fun(folder: string): table" },
} }
