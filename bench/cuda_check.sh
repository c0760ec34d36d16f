#!/usr/bin/env bash
# cuda_check.sh: `make cuda-check [OUT=folder] [KIT=build/kit]`, for a machine with a CUDA device: builds
# the plug-in, runs the specs on the device, compares every operation with the CPU, lets
# compute-sanitizer watch a few of them, and measures. The table comes last, and goes to cuda-check.txt
# in OUT as well, a row as soon as it is known.
#
# It needs what `make deps` installs, nvcc, and for the ratios a python3 whose PyTorch sees the device;
# LUA and BUSTED name other programs than those on the PATH. A machine without packages takes all of it
# from a KIT (cuda_kit.sh), and then nothing is built.
#
# All of it ends within BUDGET seconds (470), of which the last 80 belong to the numbers.
# CRESSET_CUDA=emulate tries the script itself on a machine without a device; its numbers mean nothing.
set -u
cd "$(dirname "$0")/.." || exit 1
out=${OUT:-build/cuda-check}
mkdir -p "$out" || exit 1
log=$out/cuda-check.log
table=$out/cuda-check.txt
: > "$log"
: > "$table"
failed=0
emulated=
budget=${BUDGET:-470}
[ "${CRESSET_CUDA:-}" = emulate ] && emulated=yes

# note NAME STATUS SECONDS REMARK
note() {
  printf '%-34s %-7s %5s s  %s\n' "$1" "$2" "$3" "$4" >> "$table"
  case $2 in FAILED | MISSED) failed=1 ;; esac
}

finish() {
  echo
  cat "$table"
  exit "$failed"
}

# What a step's output says in one line: busted's count, a sanitizer's, a remark, or what went wrong.
remark_of() {
  grep -E '^remark: |successes|(ERROR|RACECHECK) SUMMARY' "$1" | tail -1 | sed 's/^remark: //'
}
mishap_of() {
  {
    grep -qE '^E: |no apt-get|still missing' "$1" &&
      sed -n 's/^installing: /these packages are not to be had here (a KIT does without): /p' "$1"
    grep -v '^make' "$1" | grep -iE 'successes|SUMMARY|missing|error|needs|not found|no apt-get' | tail -1
  } | head -1 | cut -c1-200
}

# step NAME SECONDS COMMAND...: runs within a time, and leaves some for the numbers.
step() {
  local name=$1 limit=$2 start=$SECONDS left=$((budget - 80 - SECONDS)) part status=ok remark code=0
  shift 2
  [ "$left" -lt "$limit" ] && limit=$left
  if [ "$limit" -lt 1 ]; then
    note "$name" FAILED 0 "no time left"
    return 1
  fi
  part=$(mktemp)
  echo "==== $name"
  timeout -k 10 "$limit" "$@" > "$part.raw" 2>&1 || code=$?
  sed 's/\x1b\[[0-9;]*m//g' "$part.raw" | tee -a "$log" > "$part"
  remark=$(remark_of "$part")
  if [ "$code" != 0 ]; then
    status=FAILED
    tail -40 "$part"
    remark=$(mishap_of "$part")
    [ "$code" = 124 ] && remark="stopped after $limit s; $remark"
    remark="${remark:-failed with status $code}; see $log"
  fi
  note "$name" "$status" $((SECONDS - start)) "$remark"
  rm -f "$part" "$part.raw"
  [ "$status" = ok ]
}

# ---- What there is to work with -----------------------------------------------------------------------

build=build
export PEER_LIBRARY_PATH=${LD_LIBRARY_PATH:-} # PyTorch is of this machine, and a kit's libraries are not
if [ -n "${KIT:-}" ]; then
  [ -x "$KIT/bin/cresset" ] || { echo "cuda-check: $KIT is no kit; make cuda-kit fills build/kit" >&2; exit 1; }
  build=$KIT lua=$KIT/bin/cresset busted=$KIT/busted
  export LUA_PATH="$PWD/$KIT/lua/?.lua;$PWD/$KIT/lua/?/init.lua;;" LUA_CPATH="$PWD/$KIT/lua/?.so;;"
  export LD_LIBRARY_PATH="$PWD/$KIT/system${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
else
  lua=${LUA:-$(command -v lua5.4 || echo build/bin/cresset)}
  busted=${BUSTED:-$(command -v busted)}
  eval "$(make -s env)"
fi
export CRESSET_BUILD=$build lua busted

# cuBLASLt may have come with PyTorch, and then it lies where no loader looks.
if [ -z "$emulated" ] && ! ldconfig -p | grep -q 'libcublasLt\.so\.1[1-3]'; then
  from=$(python3 -c 'import glob, site
for folder in site.getsitepackages():
    for path in glob.glob(folder + "/nvidia/*/lib/libcublasLt.so.1[1-3]"):
        print(path.rsplit("/", 1)[0])' 2> /dev/null | tail -1)
  [ -n "$from" ] && export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$from"
fi

# ---- Building ----------------------------------------------------------------------------------------------

plugin=$build/lib/libcresset_cuda${emulated:+_emulated}.so
jobs=$(nproc)
if [ -n "${KIT:-}" ]; then
  note "build" - 0 "brought along in $KIT"
elif [ -n "$emulated" ]; then
  step "build, emulated" 900 make -j"$jobs" all build-release-cuda || finish
else
  step "build" 300 make -j"$jobs" all cuda || finish
fi
bytes=$(stat -c %s "$plugin" 2> /dev/null || echo 0)
verdict=ok
{ [ "$bytes" = 0 ] || [ "$bytes" -gt 20000000 ]; } && verdict=FAILED
[ -n "$emulated" ] && verdict=-
note "plug-in's size" "$verdict" 0 "$((bytes / 1000)) kB, at most 20000"

seen() {
  "$lua" -e 'local cr = require "cresset"
    local count, why = cr.cuda.device_count()
    assert(count > 0, why)
    local p, x = cr.cuda.get_device_properties(), cr.rand({ 64, 64 }, { device = "cuda" })
    x:matmul(x):sum():item()
    print(("remark: %s, sm_%d%d, driver for CUDA %d.%d, matrices by %s"):format(p.name, p.major, p.minor,
      p.driver // 1000, p.driver % 1000 // 10, cr.cuda.gemm_name()))'
}
export -f seen
step "device" 60 bash -c seen || finish

# ---- Specs: their tensors live on the device -----------------------------------------------------------------

specs() {
  CRESSET_SPEC_DEVICE=cuda "$lua" "$busted" --ignore-lua -o plainTerminal "$@"
}
compared() { specs spec/cuda_ops_spec.lua; }
all_specs() { specs ${KIT:+--exclude-tags=compiles} spec; }
watched() { # TOOL
  local only=
  [ "$1" = memcheck ] && only="--leak-check no --report-api-errors no" # each code is looked at already
  # shellcheck disable=SC2086
  compute-sanitizer --tool "$1" $only --error-exitcode 9 "$lua" "$busted" --ignore-lua -o plainTerminal \
    --filter='large tensors' spec/cuda_ops_spec.lua
}
export -f specs compared all_specs watched
export KIT=${KIT:-}

PATH=$PATH:/usr/local/cuda/bin
if [ -n "$busted" ]; then
  step "each operation, CPU and device" 120 bash -c compared
  step "all specs on the device" 240 bash -c all_specs
  for tool in memcheck racecheck; do
    if command -v compute-sanitizer > /dev/null && [ -z "$emulated" ]; then
      step "compute-sanitizer $tool" 60 bash -c "watched $tool"
    else
      note "compute-sanitizer $tool" - 0 "not here"
    fi
  done
else
  note "specs" FAILED 0 "no busted on the PATH: install lua-busted, give BUSTED=, or bring a KIT"
fi

# ---- Numbers -------------------------------------------------------------------------------------------------

start=$SECONDS
numbers=$(mktemp)
timeout -k 10 75 "$lua" bench/cuda.lua ${emulated:+65536 64} > "$numbers" 2>&1
code=$?
remark=$(grep '^missed: ' "$numbers")
case $code in
  0) verdict=ok remark="all that were measured" ;;
  3) verdict=MISSED ;; # a row fell short
  *) verdict=FAILED remark="stopped with status $code, see below" ;;
esac
[ -n "$emulated" ] && [ "$verdict" = MISSED ] && verdict=-
note "numbers" "$verdict" $((SECONDS - start)) "$remark"
note "in all" - "$SECONDS" ""
{
  echo
  cat "$numbers"
} >> "$table"
rm -f "$numbers"
finish
