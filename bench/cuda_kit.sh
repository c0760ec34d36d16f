#!/usr/bin/env bash
# cuda_kit.sh: `make cuda-kit`, for a check on a machine that has a CUDA device but neither packages nor
# a network: fills build/kit with this build, with Lua's modules for busted, and with the libraries
# that these take from this system. There, from a checkout of the same commit with that folder in its
# place: `make cuda-check KIT=build/kit`. Its C library must be no older than the one here.
#
# Left behind: glibc and the compiler's own libraries, which that machine has, and oneDNN, which the
# engine does without.
set -eu
cd "$(dirname "$0")/.."
kit=build/kit
lua=$(command -v lua5.4)
rm -rf "$kit"
mkdir -p "$kit/bin" "$kit/lib" "$kit/lua" "$kit/system"

cp build/bin/cresset "$kit/bin"
cp -r build/lib/cresset "$kit/lib"
cp -P build/lib/libcresset.so build/lib/libcresset.so.* "$kit/lib"
if [ "${CRESSET_CUDA:-}" = emulate ]; then cp build/lib/libcresset_cuda_emulated.so "$kit/lib"
else cp build/lib/libcresset_cuda.so "$kit/lib"; fi

cp "$(command -v busted)" "$kit/busted"
pure=$("$lua" -e 'print((assert(package.searchpath("busted.core", package.path)):gsub("/busted/.*", "")))')
native=$("$lua" -e 'print((assert(package.searchpath("lfs", package.cpath)):gsub("/lfs.*", "")))')
for name in busted cliargs dkjson luassert mediator pl say lfs system term; do
  for from in "$pure/$name" "$pure/$name.lua" "$native/$name" "$native/$name.so"; do
    [ ! -e "$from" ] || cp -rL "$from" "$kit/lua"
  done
done

find "$kit" -type f \( -name '*.so*' -o -name cresset \) -exec ldd {} + | awk '$2 == "=>" && $3 ~ "^/" { print $3 }' |
  grep -Ev '/(libcresset|libc|libm|libmvec|libdl|librt|libpthread|libstdc\+\+|libgcc_s)\.so' | sort -u |
  xargs -I {} cp -L {} "$kit/system"
du -shL "$kit"
