#!/usr/bin/env bash
# cuda_check.sh: `make cuda-check [OUT=folder]`, for a machine with a CUDA device: builds the plug-in,
# runs the specs on the device, compares every operation with the CPU, lets compute-sanitizer watch a
# few of them, and measures. The table comes last, and goes to cuda-check.txt in OUT as well.
#
# All of it ends within BUDGET seconds (470), of which the last 80 belong to the numbers.
# CRESSET_CUDA=emulate tries the script itself on a machine without one; its numbers mean nothing then.
set -u
cd "$(dirname "$0")/.." || exit 1
out=${OUT:-build/cuda-check}
mkdir -p "$out"
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
  [ "$2" = FAILED ] && failed=1
}

# step NAME SECONDS COMMAND...: runs within a time; the remark is the last line with a count.
step() {
  local name=$1 limit=$2 start=$SECONDS left=$((budget - 80 - SECONDS)) part status=ok remark
  shift 2
  [ "$left" -lt "$limit" ] && limit=$left
  if [ "$limit" -lt 1 ]; then
    note "$name" FAILED 0 "no time left"
    return 1
  fi
  part=$(mktemp)
  echo "==== $name"
  timeout -k 10 "$limit" "$@" > "$part" 2>&1 || status=FAILED
  sed 's/\x1b\[[0-9;]*m//g' "$part" >> "$log"
  remark=$(sed 's/\x1b\[[0-9;]*m//g' "$part" | grep -E 'successes|ERROR SUMMARY|RACECHECK SUMMARY' | tail -1)
  [ "$status" = FAILED ] && tail -40 "$part" && remark="${remark:-stopped or failed, see the log} "
  note "$name" "$status" $((SECONDS - start)) "$remark"
  rm -f "$part"
  [ "$status" = ok ]
}

specs() { # the specs' tensors live on the device
  CRESSET_SPEC_DEVICE=cuda "$lua" "$busted" --ignore-lua -o plainTerminal "$@"
}
compared() { specs spec/cuda_ops_spec.lua; }
watched() { # TOOL
  compute-sanitizer --tool "$1" --error-exitcode 9 "$lua" "$busted" --ignore-lua -o plainTerminal \
    --filter='large tensors' spec/cuda_ops_spec.lua
}
lua=$(command -v lua5.4 || command -v lua)
busted=$(command -v busted)
export -f specs compared watched
export lua busted
eval "$(make -s env)"
export CRESSET_BUILD=build

plugin=build/lib/libcresset_cuda.so
jobs=$(nproc)
if [ -n "$emulated" ]; then
  plugin=build/lib/libcresset_cuda_emulated.so
  step "build, emulated" 900 make -j"$jobs" all build-release-cuda
else
  step "build" 300 make -j"$jobs" all cuda
fi
bytes=$(stat -c %s "$plugin" 2> /dev/null || echo 0)
verdict=ok
{ [ "$bytes" = 0 ] || [ "$bytes" -gt 20000000 ]; } && verdict=FAILED
[ -n "$emulated" ] && verdict=-
note "plug-in's size" "$verdict" 0 "$((bytes / 1000)) kB, at most 20000"

if [ -n "$busted" ]; then
  step "each operation, CPU and device" 120 bash -c compared
  step "all specs on the device" 240 bash -c 'specs spec'
  for tool in memcheck racecheck; do
    if command -v compute-sanitizer > /dev/null && [ -z "$emulated" ]; then
      step "compute-sanitizer $tool" 60 bash -c "watched $tool"
    else
      note "compute-sanitizer $tool" - 0 "not here"
    fi
  done
else
  note "specs" - 0 "busted is not installed"
fi

numbers=$(mktemp)
timeout -k 10 75 "$lua" bench/cuda.lua ${emulated:+65536 64} > "$numbers" 2>&1
status=$?
verdict=ok
[ $status != 0 ] && verdict=FAILED
[ -n "$emulated" ] && [ $status -le 1 ] && verdict=-
note "numbers" "$verdict" "$SECONDS" "in all"
{
  echo
  cat "$numbers"
} >> "$table"
rm -f "$numbers"
echo
cat "$table"
exit $failed
