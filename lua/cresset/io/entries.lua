-- entries.lua: what is told of files and bytes, as lua/cresset/entries.lua tells of the rest.
--
-- Holds true: plain data; nothing is required here.

local T = "cresset.Tensor"

return {
  { "Files and bytes",
    { "cr.load", "cr.load(path, { lazy =, device =, dtype =, raw =, metadata = })",
      "What a file holds, by the end of its name: .safetensors, .npy, .npz, .pt, .pth, .gguf, .t7. Tensors of "
      .. "files that are not compressed are mapped: a large file is there at once, and is read as it is used; what"
      .. " is written to them reaches no file. lazy = true makes each tensor when it is first asked for; device "
      .. "says where tensors go, dtype what floats become; raw = true gives the bytes of tensors whose dtype there"
      .. " is none for; with metadata = true a second result has the file's own. What is no such file is an error "
      .. "that names it and the fault. docs/files.md tells all of it.",
      "fun(path: string, options?: table): any, table?" },
    { "cr.save", "cr.save(path, value, { metadata =, compressed = })",
      "Writes a file, by the end of its name: .safetensors takes tensors, and nested tables of tensors, "
      .. "numbers, strings and booleans, which cr.load gives back as they were; a flat table of tensors by names "
      .. "becomes a plain file that other programs read. .npy takes a tensor, .npz a table of them, .pt what "
      .. "torch.load gives back as dicts and lists. The file appears when it is whole and on the disk: until then,"
      .. " and where anything fails, the old one stands. metadata: a table of strings (.safetensors); compressed: "
      .. "deflates the members (.npz).",
      "fun(path: string, value: any, options?: table)" },
    { "cr.frombuffer", "cr.frombuffer(source, dtype, shape, { offset =, count = })",
      "A tensor of the bytes of a string, which are copied, or of a file of io.open, which is mapped: writes to the "
      .. "tensor reach neither. offset counts bytes from 0; without a shape, all (or `count`) elements in one dim.",
      "fun(source: string|file*, dtype: string, shape?: integer|integer[], options?: table): " .. T },
    { "x:tobytes", "x:tobytes()", "The elements in row-major order, as a string of the machine's bytes.",
      "fun(self): string" },
    { "cr.to_dlpack", "cr.to_dlpack(x, { versioned = true })",
      "A capsule by which another library takes x over without copying, as DLPack describes it; x must not require "
      .. "grad. capsule:release() gives the pointer as a light userdata, and whether it is versioned, to who calls its "
      .. "deleter; a capsule that nobody takes gives x up when it is collected.",
      "fun(x: " .. T .. ", options?: table): userdata" },
    { "cr.from_dlpack", "cr.from_dlpack(capsule)",
      "The tensor of a capsule, over the same memory; only once. A light userdata that points to a structure of DLPack "
      .. "will do, with { versioned = true } for the newer kind. Memory that is read-only, not aligned or has negative "
      .. "strides is copied; that of other devices than the CPU is refused.",
      "fun(capsule: userdata, options?: table): " .. T },
  },
}
