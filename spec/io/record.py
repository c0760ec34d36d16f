"""record.py: the files of other programs that specs read, written by those programs.

Run it with PyTorch, NumPy and safetensors at hand: python3 spec/io/record.py. The specs say by hand what is in them.
"""
import os
import zipfile

import numpy
import torch
from safetensors.torch import save_file

here = os.path.dirname(os.path.abspath(__file__))


def path(name):
    return os.path.join(here, name)


def record_safetensors():
    t = torch.tensor
    save_file({
        "F64": t([1.5, -2, 1e300], dtype=torch.float64), "F32": t([1.5, -2, 0.25]),
        "F16": t([1.5, -2, 65504], dtype=torch.float16), "BF16": t([1.5, -2, 2.0**100], dtype=torch.bfloat16),
        "I64": t([1, -2, 2**63 - 1]), "I32": t([1, -2, 2**31 - 1], dtype=torch.int32),
        "I16": t([1, -2, 32767], dtype=torch.int16), "I8": t([1, -2, 127], dtype=torch.int8),
        "U8": t([1, 2, 255], dtype=torch.uint8), "U16": t([1, 2, 65535], dtype=torch.uint16),
        "U32": t([1, 2, 2**32 - 1], dtype=torch.uint32), "U64": t([1, 2, 2**64 - 1], dtype=torch.uint64),
        "BOOL": t([True, False, True]), "matrix": torch.arange(6.0).view(2, 3), "scalar": t(7.0),
        "empty": torch.zeros(0, 3), "a.b": t([1.0]),
    }, path("all.safetensors"), metadata={"format": "pt", "note": 'quotes " and \u00e9'})


def record_npy():
    a = numpy.arange(6).reshape(2, 3)
    for name, x in {
        "f8": a.astype("<f8") / 2, "f4": a.astype("<f4") / 2, "f2": a.astype("<f2") / 2, "i8": a.astype("<i8") - 2,
        "i4": a.astype("<i4") - 2, "i2": a.astype("<i2") - 2, "i1": a.astype("i1") - 2, "u1": a.astype("u1"),
        "u2": a.astype("<u2") + 65530, "u4": a.astype("<u4") + 4294967290, "u8": a.astype("<u8"), "b1": a % 2 == 0,
        "big_f8": a.astype(">f8") / 2, "big_i2": a.astype(">i2") - 2,
        "columns": numpy.asfortranarray(a.astype("<f4")), "big_columns": numpy.asfortranarray(a.astype(">i4")),
        "scalar": numpy.float32(2.5), "empty": numpy.zeros((0, 3), "<f4"), "line": numpy.arange(3, dtype="<i8"),
    }.items():
        numpy.save(path(name + ".npy"), x)
    for name, x in {
        "structured": numpy.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]), "object": numpy.array([{}, 1], dtype=object),
        "complex": numpy.zeros(2, "c8"), "text": numpy.array(["ab"]), "date": numpy.zeros(1, "M8[s]"),
    }.items():
        numpy.save(path(name + ".npy"), x, allow_pickle=True)
    numpy.savez(path("stored.npz"), weight=a.astype("<f4"), bias=numpy.arange(3, dtype="<i8"))
    numpy.savez_compressed(path("deflated.npz"), weight=numpy.zeros((100, 100), "<f4"), bias=a)
    with zipfile.ZipFile(path("mixed.npz"), "w") as z:
        z.write(path("i2.npy"), "i2.npy")
        z.writestr("note.txt", "a note")


def record_pt():
    t = torch.tensor
    tied = torch.arange(4.0).view(2, 2)
    big = torch.arange(10.0)
    torch.save({
        "F64": t([1.5, -2], dtype=torch.float64), "F32": t([1.5, -2]), "F16": t([1.5, -2], dtype=torch.float16),
        "BF16": t([1.5, -2], dtype=torch.bfloat16), "I64": t([1, 2**63 - 1]), "I32": t([1, -2], dtype=torch.int32),
        "I16": t([1, -2], dtype=torch.int16), "I8": t([1, -2], dtype=torch.int8),
        "U8": t([1, 255], dtype=torch.uint8), "BOOL": t([True, False]), "U16": t([1, 65535], dtype=torch.uint16),
        "U64": t([1, 2**64 - 1], dtype=torch.uint64), "scalar": t(7.0), "empty": torch.zeros(0, 3),
        "turned": torch.arange(6.0).view(2, 3).t(), "tied": tied, "again": tied, "row": big[2:5], "even": big[::2],
        "parameter": torch.nn.Parameter(t([3.0])), "size": torch.Size([2, 3]), "dtype": torch.float16,
        "device": torch.device("cpu"), "nested": {"list": [1, 2.5, "three", None, (True, False)], 0: "zero", -1: None},
        "long": 2**40, "none": None, "text": "\u00e9",
    }, path("all.pt"))
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(),
                              torch.nn.Linear(8, 3))
    torch.save(net.state_dict(), path("net.pth"))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.5)
    net(torch.ones(2, 1, 4, 4)).sum().backward()
    optimizer.step()
    torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict()}, path("checkpoint.pt"))
    torch.save(net, path("module.pt"))
    torch.save({"a": t([1.0])}, path("legacy.pt"), _use_new_zipfile_serialization=False)


def record_gguf():
    """Needs PyPI's gguf. quantized.npz has what its own functions make of the blocks."""
    import gguf
    from gguf import GGMLQuantizationType as Q

    w = gguf.GGUFWriter(path("small.gguf"), "llama")
    w.add_description("a small file")
    w.add_uint64("x.u64", 2**63 + 1)
    w.add_int32("x.i32", -5)
    w.add_float32("x.f32", 1.5)
    w.add_bool("x.bool", True)
    w.add_array("x.list", ["a", "b"])
    w.add_array("x.ints", [1, 2, 3])
    rng = numpy.random.default_rng(1)
    a = numpy.arange(6, dtype="<f4").reshape(2, 3) / 2
    w.add_tensor("f32", a)
    w.add_tensor("f16", a.astype("<f2"))
    w.add_tensor("i32", a.astype("<i4"))
    wanted = {}
    for name, kind, size in (("q8_0", Q.Q8_0, 34), ("q4_0", Q.Q4_0, 18), ("q4_1", Q.Q4_1, 20), ("q4_K", Q.Q4_K, 144),
                             ("q6_K", Q.Q6_K, 210)):
        blocks = rng.integers(0, 256, (2, size), dtype="u1")
        scales = numpy.array([0.125, 2.5], "<f2").view("u1").reshape(2, 2)
        at = 208 if name == "q6_K" else 0
        blocks[:, at:at + 2] = scales
        if name in ("q4_1", "q4_K"):
            blocks[:, 2:4] = scales[::-1]
        w.add_tensor(name, blocks, raw_dtype=kind)
        wanted[name] = gguf.quants.dequantize(blocks, kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    numpy.savez_compressed(path("quantized.npz"), **wanted)


if __name__ == "__main__":
    record_gguf()
    record_pt()
    record_safetensors()
    record_npy()
