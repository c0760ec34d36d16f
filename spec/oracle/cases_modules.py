"""cases_modules.py: what modules of torch.nn make of an input, gradients by input and parameters, keys of state.

Parameters and floating buffers hold generated tensors, one seed after the other in the order of the state_dict, so a
case names its class and arguments and stores results only. Each line is { class, arguments (as Lua), mode, { inputs },
keys, { outputs }, { gradients by inputs, then by parameters }, { floating buffers after a training call } }."""
import torch

from record import D, Family, T, V, X, lua, tensor_text, units

FILL = 11


class W:
    """A float64 tensor among the arguments of a class."""

    def __init__(self, *values):
        self.values = values

    def build(self):
        return torch.tensor(self.values, dtype=torch.float64)


class Bools(V):
    """A mask among the arguments of a call."""

    def build(self):
        return torch.tensor(self.values).reshape(self.shape)


class Part:
    """A module among the arguments of a class: how it is made, and its Lua."""

    def __init__(self, make, source):
        self.build, self.source = make, source


def as_lua(value):
    """An argument of a class as Lua source; dims become 1-based."""
    if isinstance(value, Part):
        return value.source
    if isinstance(value, Bools):
        flat = ", ".join("true" if x else "false" for x in value.values)
        return "cr.tensor({ " + flat + " }):reshape({ " + ", ".join(map(str, value.shape)) + " })"
    if isinstance(value, W):
        return "cr.tensor({ " + ", ".join(repr(float(x)) for x in value.values) + ' }, { dtype = "float64" })'
    if isinstance(value, D):
        dims = [d + 1 if d >= 0 else d for d in value.dims]
        return str(dims[0]) if len(dims) == 1 else "{ " + ", ".join(map(str, dims)) + " }"
    if isinstance(value, (list, tuple)):
        return "{ " + ", ".join(as_lua(x) for x in value) + " }"
    if value is None:
        return "false"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, V):
        flat = ", ".join(repr(float(x)) for x in value.values)
        sizes = ", ".join(map(str, value.shape))
        return 'cr.tensor({ ' + flat + ' }, { dtype = "float64" }):reshape({ ' + sizes + ' })'
    return repr(value)


def built(value):
    if hasattr(value, "build"):
        return value.build()
    return value


def flat(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if value is None:
        return []
    return [t for part in value for t in flat(part)]


def fill(module):
    """The same numbers as spec/nn_oracle_spec.lua puts in."""
    with torch.no_grad():
        for i, (key, t) in enumerate(module.state_dict().items()):
            if t.is_floating_point():
                low = 0.5 if key.endswith("var") else -0.5
                t.copy_(T(*t.shape, lo=low, hi=low + 1, seed=FILL + i).build())


class Modules(Family):
    def module(self, name, args=(), inputs=(), run="train", more=(), **options):
        """One case: `more` are arguments of the call behind the inputs, as Python and as Lua."""
        module = getattr(torch.nn, name)(*[built(a) for a in args], **{k: built(v) for k, v in options.items()})
        module = module.double()
        fill(module)
        module.train(run == "train")
        self.give_seeds(name + run, list(inputs))
        tensors, leaves = [], []
        for a in inputs:
            if isinstance(a, (list, tuple)):
                part = tuple(x.build() for x in a)
                tensors.append(part)
                leaves += [x.requires_grad_() for x in part]
                continue
            t = a.build() if hasattr(a, "build") else a
            if isinstance(a, T):
                leaves.append(t.requires_grad_())
            tensors.append(t)
        keys = " ".join(module.state_dict())
        results = flat(module(*tensors, **dict((k, built(v)) for k, v in more)))
        outs = ['"' + tensor_text(r, "V" if r.is_floating_point() else "X") + '"' for r in results]
        grads = self.gradients(results, leaves + list(module.parameters()))
        buffers = []
        if run == "train":
            buffers = ['"' + tensor_text(b) + '"' for b in module.buffers() if b.is_floating_point()]
        source = [as_lua(a) for a in args]
        if options:
            source.append("{ " + ", ".join(f"{k} = {as_lua(v)}" for k, v in options.items()) + " }")
        call = ", ".join(f"{k} = {as_lua(v) if not isinstance(v, T) else lua(v)}" for k, v in more)
        self.lines.append(f"{{\"{name}\", [[{', '.join(source)}]], \"{run}\", {lua(list(inputs))}, \"{keys}\", "
                          f"{{{', '.join(outs)}}}, {{{grads}}}, {{{', '.join(buffers)}}}, [[{call}]]}},")


def plain(f):
    t = f.t
    f.module("Linear", (3, 2), [t(4, 3)])
    f.module("Linear", (3, 2), [t(3)], bias=False)
    f.module("Bilinear", (3, 2, 4), [t(2, 3), t(2, 2)])
    f.module("Bilinear", (3, 2, 4), [t(3), t(2)], bias=False)
    f.module("Identity", (), [t(2, 3)])
    f.module("Flatten", (), [t(2, 3, 2)])
    f.module("Flatten", (D(0), D(1)), [t(2, 3, 2)])
    f.module("Unflatten", (D(1), (2, 3)), [t(2, 6)])
    f.module("Unfold", (2,), [t(1, 2, 3, 3)], padding=1, stride=2)
    f.module("Fold", ((3, 4), 2), [t(1, 8, 6)])
    f.module("PixelShuffle", (2,), [t(1, 4, 2, 2)])
    f.module("PixelUnshuffle", (2,), [t(1, 1, 4, 4)])
    f.module("ChannelShuffle", (2,), [t(1, 4, 2, 2)])
    f.module("Upsample", (), [t(1, 1, 2, 3)], scale_factor=2)
    f.module("Upsample", (), [t(1, 1, 2, 3)], size=(3, 5), mode="bilinear", align_corners=True)
    f.module("Upsample", (), [t(1, 2, 3)], scale_factor=1.5, mode="linear")
    f.module("UpsamplingNearest2d", (), [t(1, 1, 2, 2)], scale_factor=2)
    f.module("UpsamplingBilinear2d", (), [t(1, 1, 2, 2)], size=(3, 3))
    f.module("CosineSimilarity", (), [t(2, 3), t(2, 3)])
    f.module("CosineSimilarity", (), [t(3, 2), t(3, 2)], dim=D(0), eps=1e-4)
    f.module("PairwiseDistance", (), [t(2, 3), t(2, 3)])
    f.module("PairwiseDistance", (1.0,), [t(2, 3), t(2, 3)], keepdim=True)
    f.module("Embedding", (5, 2), [X([0, 4, 1, 1])])
    f.module("Embedding", (5, 2), [X([0, 4, 1, 1], (2, 2))], padding_idx=D(1))
    f.module("Embedding", (5, 2), [X([0, 4, 1, 1])], scale_grad_by_freq=True)
    f.module("Embedding", (5, 2), [X([0, 4])], max_norm=0.3)
    for mode in ("sum", "mean", "max"):
        f.module("EmbeddingBag", (5, 2), [X([0, 4, 1, 1], (2, 2))], mode=mode)
        f.module("EmbeddingBag", (5, 2), [X([0, 4, 1, 1, 2]), X([0, 2, 2])], mode=mode, padding_idx=D(4))
    f.module("EmbeddingBag", (5, 2), [X([0, 4, 1, 1]), X([0, 3, 4])], mode="sum", include_last_offset=True)


def convolutions(f):
    t = f.t
    for n in (1, 2, 3):
        size = (5,) if n == 1 else (4, 5) if n == 2 else (3, 2, 3)
        f.module(f"Conv{n}d", (2, 2, 2), [t(2, 2, *size)])
        f.module(f"Conv{n}d", (2, 4, 2), [t(1, 2, *size)], stride=2, padding=1, groups=2, bias=False)
        f.module(f"ConvTranspose{n}d", (2, 2, 2), [t(1, 2, *[2] * n)], stride=2)
        f.module(f"ConvTranspose{n}d", (2, 4, 2), [t(2, *[2] * n)], stride=2, output_padding=1, groups=2)
    f.module("Conv1d", (2, 3, 3), [t(2, 5)], dilation=2)
    f.module("Conv2d", (1, 2, (2, 3)), [t(1, 1, 4, 4)], padding="same")
    f.module("Conv2d", (1, 2, (2, 3)), [t(1, 1, 4, 4)], padding="same", padding_mode="reflect")
    f.module("Conv2d", (1, 2, 3), [t(1, 1, 4, 4)], padding=(1, 2), padding_mode="circular", stride=(2, 1))
    f.module("Conv1d", (1, 2, 3), [t(1, 1, 4)], padding=1, padding_mode="replicate")
    f.module("Conv3d", (1, 1, 2), [t(1, 1, 2, 2, 2)], padding=1, padding_mode="circular")
    f.module("Conv2d", (1, 2, 2), [t(1, 1, 3, 3)], padding="valid")
    f.module("ConvTranspose2d", (1, 2, 3), [t(1, 1, 2, 2)], stride=2, padding=1, more=[("output_size", (3, 4))])
    f.module("ConvTranspose1d", (1, 2, 3), [t(1, 1, 2)], stride=3, more=[("output_size", (8,))])


def pools(f):
    t = f.t
    for n in (1, 2, 3):
        size = [4, 5, 3][:n]
        f.module(f"MaxPool{n}d", (2,), [t(1, 2, *size)])
        f.module(f"MaxPool{n}d", (3,), [t(2, *size)], stride=1, padding=1, return_indices=True)
        f.module(f"MaxPool{n}d", (2,), [t(1, 1, *size)], stride=2, ceil_mode=True)
        f.module(f"AvgPool{n}d", (2,), [t(1, 2, *size)])
        f.module(f"AvgPool{n}d", (3,), [t(1, 1, *size)], stride=2, padding=1, count_include_pad=False)
        f.module(f"LPPool{n}d", (2.0, 2), [t(1, 1, *size, lo=0.5, hi=2)])
        f.module(f"AdaptiveAvgPool{n}d", (2,), [t(1, 2, *size)])
        f.module(f"AdaptiveMaxPool{n}d", (2,), [t(1, 2, *size)], return_indices=True)
    f.module("AvgPool2d", (2, 1), [t(1, 1, 3, 3)], divisor_override=3)
    f.module("AdaptiveAvgPool2d", ((None, 2),), [t(1, 1, 3, 4)])
    f.module("AdaptiveMaxPool2d", ((2, None),), [t(1, 1, 3, 4)])
    f.module("MaxUnpool1d", (2,), [t(1, 1, 2), X([1, 2], (1, 1, 2))])
    f.module("MaxUnpool2d", (2, 2), [t(1, 1, 2, 2), X([0, 3, 8, 11], (1, 1, 2, 2))])
    f.module("MaxUnpool3d", (2,), [t(1, 1, 1, 1, 1), X([5], (1, 1, 1, 1, 1))])
    f.module("MaxUnpool1d", (2,), [t(1, 1, 2), X([1, 3], (1, 1, 2))], more=[("output_size", (5,))])
    samples = V([0.3, 0.6], (1, 1, 2))
    f.module("FractionalMaxPool2d", (2,), [t(1, 1, 5, 5)], output_size=3, _random_samples=samples)
    f.module("FractionalMaxPool2d", (2,), [t(1, 1, 6, 6)], output_ratio=(0.5, 0.6), _random_samples=samples)
    f.module("FractionalMaxPool3d", (2,), [t(1, 1, 4, 4, 4)], output_size=2,
             _random_samples=V([0.3, 0.6, 0.2], (1, 1, 3)))


def norms(f):
    t = f.t
    for n in (1, 2, 3):
        size = [3, 2, 2][:n]
        for run in ("train", "eval"):
            f.module(f"BatchNorm{n}d", (2,), [t(2, 2, *size)], run=run)
            f.module(f"InstanceNorm{n}d", (2,), [t(2, 2, *size)], run=run)
        f.module(f"BatchNorm{n}d", (2,), [t(2, 2, *size)], affine=False, momentum=0.3, eps=1e-3)
        f.module(f"BatchNorm{n}d", (2,), [t(2, 2, *size)], track_running_stats=False, run="eval")
        for run in ("train", "eval"):
            f.module(f"InstanceNorm{n}d", (2,), [t(2, 2, *size)], affine=True, track_running_stats=True, run=run)
        f.module(f"InstanceNorm{n}d", (2,), [t(2, *size)], affine=True)
    f.module("BatchNorm1d", (3,), [t(4, 3)])
    f.module("BatchNorm1d", (3,), [t(4, 3)], momentum=None)
    f.module("LayerNorm", (3,), [t(2, 3)])
    f.module("LayerNorm", ([2, 3],), [t(2, 2, 3)], bias=False, eps=1e-3)
    f.module("LayerNorm", (3,), [t(2, 3)], elementwise_affine=False)
    f.module("RMSNorm", (3,), [t(2, 3)])
    f.module("RMSNorm", ([2, 3],), [t(2, 2, 3)], eps=0.1, elementwise_affine=False)
    f.module("GroupNorm", (2, 4), [t(2, 4, 3)])
    f.module("GroupNorm", (1, 2), [t(2, 2)], affine=False)
    f.module("LocalResponseNorm", (2,), [t(1, 3, 2)], alpha=0.1, k=2.0)


def activations(f):
    t = f.t
    for name in ("ReLU ReLU6 SELU SiLU Mish Sigmoid LogSigmoid Tanh Softsign Tanhshrink Hardsigmoid Hardswish LeakyReLU "
                 "ELU CELU GELU Softplus Softshrink Hardshrink Hardtanh PReLU").split():
        f.module(name, (), [t(2, 4, lo=-4, hi=4)])
    f.module("RReLU", (), [t(2, 4)], run="eval")
    f.module("GLU", (), [t(2, 4)])
    f.module("GLU", (D(0),), [t(2, 3)])
    f.module("LeakyReLU", (0.3,), [t(2, 4)])
    f.module("ELU", (0.5,), [t(2, 4)])
    f.module("CELU", (), [t(2, 4)], alpha=2.0)
    f.module("GELU", (), [t(2, 4)], approximate="tanh")
    f.module("Softplus", (2.0, 3.0), [t(2, 4)])
    f.module("Hardtanh", (-0.5, 1.5), [t(2, 4)])
    f.module("Threshold", (0.5, 7.0), [t(2, 4)])
    f.module("PReLU", (3,), [t(2, 3, 2)], init=0.1)
    for name in ("Softmax", "Softmin", "LogSoftmax"):
        f.module(name, (D(1),), [t(2, 3)])
    f.module("Softmax2d", (), [t(1, 2, 2, 2)])
    for name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"):
        f.module(name, (), [t(1, 2, 2, 2, 2) if name == "Dropout3d" else t(2, 2, 2)], run="eval")


def paddings(f):
    t = f.t
    for n in (1, 2, 3):
        size = [3, 4, 3][:n]
        around = tuple([1, 2, 0, 1, 1, 0][:2 * n])
        for kind in ("Zero", "Reflection", "Replication", "Circular"):
            f.module(f"{kind}Pad{n}d", (1,), [t(1, 1, *size)])
            f.module(f"{kind}Pad{n}d", (around,), [t(1, *size)])
        f.module(f"ConstantPad{n}d", (around, 1.5), [t(1, *size)])


def losses(f):
    t = f.t
    for reduction in ("mean", "sum", "none"):
        f.module("L1Loss", (), [t(2, 3), t(2, 3)], reduction=reduction)
        f.module("MSELoss", (), [t(2, 3), t(2, 3)], reduction=reduction)
        f.module("CrossEntropyLoss", (), [t(2, 3), X([0, 2])], reduction=reduction)
    f.module("CrossEntropyLoss", (), [t(2, 3, 2), X([0, 2, 1, 0], (2, 2))], weight=W(1, 2, 0.5), label_smoothing=0.1)
    f.module("CrossEntropyLoss", (), [t(2, 3), t(2, 3, lo=0, hi=1)])
    f.module("NLLLoss", (), [t(3, 3), X([0, 2, 1])], weight=W(1, 2, 0.5))
    f.module("SmoothL1Loss", (), [t(2, 3), t(2, 3)], beta=0.7)
    f.module("HuberLoss", (), [t(2, 3), t(2, 3)], delta=0.7)
    f.module("BCELoss", (), [t(2, 3, lo=0.1, hi=0.9), t(2, 3, lo=0, hi=1)])
    f.module("BCELoss", (), [t(2, 3, lo=0.1, hi=0.9), t(2, 3, lo=0, hi=1)], weight=W(1, 2, 3), reduction="sum")
    f.module("BCEWithLogitsLoss", (), [t(2, 3), t(2, 3, lo=0, hi=1)], pos_weight=W(1, 2, 3))
    f.module("BCEWithLogitsLoss", (), [t(2, 3), t(2, 3, lo=0, hi=1)], weight=W(1, 2, 3))
    f.module("PoissonNLLLoss", (), [t(2, 3), t(2, 3, lo=0, hi=4)])
    f.module("PoissonNLLLoss", (), [t(2, 3, lo=1, hi=2), t(2, 3, lo=2, hi=4)], log_input=False, full=True)
    f.module("GaussianNLLLoss", (), [t(2, 3), t(2, 3), t(2, 3, lo=0.5, hi=2)], full=True)
    f.module("KLDivLoss", (), [t(2, 3, lo=-3, hi=-1), t(2, 3, lo=0.1, hi=1)], reduction="batchmean")
    f.module("KLDivLoss", (), [t(2, 3, lo=-3, hi=-1), t(2, 3, lo=-2, hi=-1)], log_target=True, reduction="sum")
    signs = V([1, -1, 1, -1], (4,))
    f.module("SoftMarginLoss", (), [t(4), signs])
    f.module("HingeEmbeddingLoss", (), [t(4), signs], margin=1.5)
    f.module("MarginRankingLoss", (), [t(4), t(4), signs], margin=0.5)
    f.module("CosineEmbeddingLoss", (), [t(4, 3), t(4, 3), signs], margin=0.2)
    f.module("MultiMarginLoss", (), [t(2, 3), X([0, 2])], p=2, margin=0.7, weight=W(1, 2, 0.5))
    f.module("MultiLabelMarginLoss", (), [t(2, 3), X([2, -1, 0, 1, 0, -1], (2, 3))])
    f.module("MultiLabelSoftMarginLoss", (), [t(2, 3), V([1, 0, 1, 0, 0, 1], (2, 3))], weight=W(1, 2, 0.5))
    f.module("TripletMarginLoss", (), [t(2, 3), t(2, 3), t(2, 3)], margin=0.5, swap=True)
    f.module("TripletMarginWithDistanceLoss", (), [t(2, 3), t(2, 3), t(2, 3)], margin=0.5)
    # PyTorch's gradient of ctc_loss is that of normalized log_probs only, so none is asked for.
    log_probs = V([round(-1 - 2 * u, 3) for u in units(40, 5)], (5, 2, 4))
    f.module("CTCLoss", (), [log_probs, X([1, 2, 3, 1], (2, 2)), V([5, 4], (2,), "int64"),
                             V([2, 1], (2,), "int64")], zero_infinity=True)


def modules():
    f = Modules("modules")
    for part in (plain, convolutions, pools, norms, activations, paddings, losses):
        part(f)
    f.write("modules")


def recurrent(f):
    t = f.t
    for name in ("RNN", "GRU", "LSTM"):
        f.module(name, (3, 2), [t(4, 2, 3)])
        f.module(name, (3, 2), [t(2, 4, 3)], batch_first=True, num_layers=2, bidirectional=True)
        f.module(name, (3, 2), [t(4, 3)], bias=False)
        state = t(1, 2, 2)
        f.module(name, (3, 2), [t(3, 2, 3), [t(1, 2, 2), t(1, 2, 2)] if name == "LSTM" else state])
        f.module(name + "Cell", (3, 2), [t(2, 3)])
        f.module(name + "Cell", (3, 2), [t(3)], bias=False)
        f.module(name + "Cell", (3, 2), [t(2, 3), [t(2, 2), t(2, 2)] if name == "LSTM" else t(2, 2)])
    f.module("LSTM", (3, 4), [t(3, 2, 3)], proj_size=2, num_layers=2)
    f.module("RNN", (3, 2), [t(3, 2, 3)], nonlinearity="relu")
    f.module("RNNCell", (3, 2), [t(2, 3)], nonlinearity="relu")


def attention(f):
    t = f.t
    f.module("MultiheadAttention", (4, 2), [t(3, 2, 4), t(5, 2, 4), t(5, 2, 4)])
    f.module("MultiheadAttention", (4, 2), [t(2, 3, 4), t(2, 5, 4), t(2, 5, 4)], batch_first=True, bias=False)
    f.module("MultiheadAttention", (4, 2), [t(3, 2, 4), t(5, 2, 3), t(5, 2, 6)], kdim=3, vdim=6)
    f.module("MultiheadAttention", (4, 2), [t(3, 2, 4), t(5, 2, 4), t(5, 2, 4)], add_bias_kv=True, add_zero_attn=True)
    f.module("MultiheadAttention", (4, 2), [t(3, 4), t(5, 4), t(5, 4)], more=[("average_attn_weights", False)])
    small = dict(dim_feedforward=6, dropout=0.0)
    for run in ("train", "eval"):
        f.module("TransformerEncoderLayer", (4, 2), [t(3, 2, 4)], run=run, **small)
    f.module("TransformerEncoderLayer", (4, 2), [t(2, 3, 4)], batch_first=True, norm_first=True, activation="gelu", **small)
    f.module("TransformerDecoderLayer", (4, 2), [t(3, 2, 4), t(5, 2, 4)], **small)
    f.module("TransformerDecoderLayer", (4, 2), [t(2, 3, 4), t(2, 5, 4)], batch_first=True, norm_first=True, bias=False,
             **small)
    hidden = Bools([False, True, False, False, False, False], (2, 3))
    later = Bools([False, True, True, False, False, True, False, False, False], (3, 3))
    added = V([0, -1, -2, 0.5, 0, -1, 1, 0, 0], (3, 3))
    query = [t(3, 2, 4), t(3, 2, 4), t(3, 2, 4)]
    f.module("MultiheadAttention", (4, 2), query, more=[("key_padding_mask", hidden)])
    f.module("MultiheadAttention", (4, 2), query, more=[("attn_mask", added), ("need_weights", False)])
    f.module("MultiheadAttention", (4, 2), query, more=[("attn_mask", later), ("key_padding_mask", hidden)])
    f.module("TransformerEncoderLayer", (4, 2), [t(3, 2, 4)],
             more=[("src_mask", later), ("src_key_padding_mask", hidden)], **small)
    f.module("TransformerEncoderLayer", (4, 2), [t(3, 2, 4)], more=[("src_mask", later), ("is_causal", True)], **small)
    f.module("TransformerDecoderLayer", (4, 2), [t(3, 2, 4), t(3, 2, 4)],
             more=[("tgt_mask", later), ("memory_mask", added), ("memory_key_padding_mask", hidden)], **small)

    def layer(kind):
        return Part(lambda: getattr(torch.nn, kind)(4, 2, **small),
                    f"nn.{kind}(4, 2, {{ dim_feedforward = 6, dropout = 0.0 }})")

    norm = Part(lambda: torch.nn.LayerNorm(4), "nn.LayerNorm(4)")
    f.module("TransformerEncoder", (layer("TransformerEncoderLayer"), 2), [t(3, 2, 4)], more=[("mask", later)])
    f.module("TransformerEncoder", (layer("TransformerEncoderLayer"), 1), [t(3, 2, 4)], norm=norm)
    f.module("TransformerDecoder", (layer("TransformerDecoderLayer"), 1), [t(3, 2, 4), t(3, 2, 4)],
             more=[("tgt_mask", later)], norm=norm)
    f.module("Transformer", (), [t(3, 2, 4), t(2, 2, 4)], d_model=4, nhead=2, num_encoder_layers=2,
             num_decoder_layers=1, **small)


def modules_sequence():
    f = Modules("modules_sequence")
    recurrent(f)
    attention(f)
    f.write("modules over sequences")


FAMILIES = [modules, modules_sequence]
