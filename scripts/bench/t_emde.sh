#!/usr/bin/env bash
# Times SAF and SGR here and in the hosts' released code, taking turns, so that a busy machine hurts both alike.
#
#   scripts/bench/t_emde.sh [--device cpu] [CLONE] [saf|sgr …]                     the training step at batch 128
#   scripts/bench/t_emde.sh [--device cpu] --score 1000x5000 [CLONE] [saf|sgr …]   scoring of encoded images and captions
#   scripts/bench/t_emde.sh [--device cpu] --latency [1000x5000] [saf|sgr …]       scoring with three global modules
#   scripts/bench/t_emde.sh [--device cpu] --curve                                 T-EMDE and self-attention by tokens
#
# CLONE is a clone of github.com/Paranioar/SGRAF; without it the released code is left out. `--device` is any of `tailor devices`; for
# any but `cpu` the released code runs on CUDA. What may be set, with what is taken otherwise:
#   PYTHON=python3      must have torch, or PyTorch is left out
#   BENCH=              the benchmark's binary, built here otherwise (for a GPU: FEATURES=cuda)
#   ROUNDS=2            turns
#   STEPS=2 WARMUP=1    steps in each turn (--latency: 5 runs), after steps that do not count
#   BLOCKS= REF_BLOCKS= blocks of 100 × 100 that are scored, evenly spread, here and there (otherwise all); times are multiplied, and
#                       the table says so
# Prints the least milliseconds, processor milliseconds per thread (what counts on a busy machine), GFLOP/s as a share of the machine's
# own product of 1024 × 1024 matrices, and the peak of memory of all rounds, and the released code's divided by ours.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
device=cpu what=train shape='' clone='' heads=()
while (($#)); do
  case $1 in
  --device) device=$2 && shift ;;
  --score) what=score shape=$2 && shift ;;
  --latency)
    what=latency shape=1000x5000
    if [[ ${2:-} =~ ^[0-9]+x[0-9]+$ ]]; then shape=$2 && shift; fi
    ;;
  --curve) what=curve ;;
  saf | sgr) heads+=("$1") ;;
  *)
    if [[ ! -f $1/model.py ]]; then
      sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
      echo "$1 is no option, and no clone of SGRAF" >&2
      exit 2
    fi
    clone=$(cd "$1" && pwd)
    ;;
  esac
  shift
done
((${#heads[@]})) || heads=(saf sgr)
python=${PYTHON:-python3}
"$python" -c 'import torch' 2>/dev/null || { echo "PyTorch is left out: $python has no torch" >&2 && python=''; }
if [[ -z ${BENCH:-} ]]; then
  cd "$here/../.."
  BENCH=$(cargo bench --bench t_emde_step ${FEATURES:+--features "$FEATURES"} --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*t_emde_step[^"]*\)".*/\1/p' | tail -n 1)
fi
# Threads that wait must not count as busy.
export OMP_WAIT_POLICY=PASSIVE
RAYON_NUM_THREADS=$(getconf _NPROCESSORS_ONLN)
export RAYON_NUM_THREADS
results=$(mktemp)
trap 'rm -f "$results" "$results.gpu"' EXIT

used() { nvidia-smi --id=0 --query-gpu=memory.used --format=csv,noheader,nounits "$@" 2>/dev/null; }

# turn NAME HEAD COMMAND…: adds what the command prints, and on a GPU how much more of its memory was in use at most.
turn() {
  local name=$1 head=$2 before='' watcher='' gpu=null line
  shift 2
  if [[ $device != cpu ]]; then before=$(used || true); fi
  if [[ $before =~ ^[0-9]+$ ]]; then
    used --loop-ms=100 >"$results.gpu" &
    watcher=$!
  fi
  "$@" >"$results.new"
  if [[ -n $watcher ]]; then
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    gpu=$(($(sort -n "$results.gpu" | tail -n 1) - before))
  fi
  while read -r line; do
    echo "$name: $line" >&2
    echo "{\"name\": \"$name\", \"head\": \"$head\", \"gpu_mib\": $gpu, ${line#\{}" >>"$results"
  done <"$results.new"
  rm -f "$results.new"
}

ours() { "$BENCH" --device "$device" --steps "${STEPS:-2}" --warmup "${WARMUP:-1}" ${BLOCKS:+--blocks "$BLOCKS"} "$@"; }
theirs() {
  local gpu=cuda
  [[ $device != cpu ]] || gpu=cpu
  "$python" "$here/t_emde.py" "${clone:-.}" --device "$gpu" --threads "$RAYON_NUM_THREADS" \
    --steps "${STEPS:-2}" --warmup "${WARMUP:-1}" ${REF_BLOCKS:+--blocks "$REF_BLOCKS"} "$@"
}

case $what in
curve)
  turn tailor '' ours --curve
  [[ -z $python ]] || turn torch '' theirs --curve
  ;;
latency)
  STEPS=${STEPS:-5}
  for head in "${heads[@]}"; do
    turn tailor "$head" ours --latency "$shape" "$head:self_attention" "$head:t_emde" "$head:mean"
  done
  ;;
*)
  for head in "${heads[@]}"; do
    for ((round = 0; round < ${ROUNDS:-2}; round++)); do
      for global in self_attention t_emde; do
        turn "$global" "$head" ours ${shape:+--score "$shape"} "$head:$global"
      done
      [[ -z $python || -z $clone ]] || turn torch "$head" theirs ${shape:+--score "$shape"} "$head"
    done
  done
  ;;
esac

${python:-python3} "$here/t_emde_table.py" "$results"
