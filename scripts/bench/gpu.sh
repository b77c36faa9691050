#!/usr/bin/env bash
# Times the training step on every backend that a GPU can be reached by, beside PyTorch on the same GPU, and prints one table.
#
#   scripts/bench/gpu.sh TAILOR [OUT]
#
# TAILOR is the binary, or the binary under xz; OUT a folder for everything that is measured (default: a new one in /tmp).
# What may be set, with what is taken otherwise:
#   DEVICES="cuda:0 vulkan:0 wgpu:0"   those that this binary lacks, or that are not there, are left out
#   STEPS=60                           steps of each run; the first laps compile and tune kernels and are reported apart
#   PARITY_STEPS=3                     steps of the small model that are compared with the CPU's; 0 leaves that out
#   LIMIT=150                          seconds for each run; one that is stopped still counts with what it has logged
#   SETS=""                            more `--set KEY=VALUE` for every run of tailor
#   ROWS="f32 tf32 amp amp-nhwc"       PyTorch's rows; PYTHON=python3 must have torch and torchvision, or they are left out
#   SHAPE=50:64:256x128:1              PyTorch's depth:batch:size:last stride; keep it equal to gpu.toml and SETS
#   TORCH_DEVICE=cuda                  cpu only shows that the script works
# scripts/bench/README.md says how to make the binary and how to read the table.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if (($# < 1)); then
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
  exit 2
fi
binary=$(realpath "$1")
out=${2:-$(mktemp -d /tmp/tailor-gpu.XXXXXX)}
mkdir -p "$out"
out=$(realpath "$out")
python=${PYTHON:-python3}
read -ra devices <<<"${DEVICES-cuda:0 vulkan:0 wgpu:0}"
read -ra rows <<<"${ROWS-f32 tf32 amp amp-nhwc}"
sets=()
for set in ${SETS:-}; do sets+=(--set "$set"); done
steps=${STEPS:-60}
parity_steps=${PARITY_STEPS:-3}
limit=${LIMIT:-150}

if [[ $binary == *.xz ]]; then
  # Not every machine has xz; Python's library reads the format.
  "$python" -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"), 1 << 20)' \
    "$binary" "$out/tailor"
  chmod +x "$out/tailor"
  binary=$out/tailor
fi
cd "$out"
rm -rf runs speed parity
mkdir -p speed parity

echo "== devices"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || echo "no nvidia-smi: memory is not measured"
"$binary" devices | tee devices.txt

used() { nvidia-smi --id=0 --query-gpu=memory.used --format=csv,noheader,nounits "$@" 2>/dev/null; }

# watched NAME COMMAND…: runs the command for at most $limit seconds, and notes how much more of GPU 0's memory is in use at most.
watched() {
  local name=$1 before watcher='' code=0 began=$SECONDS
  shift
  before=$(used || true)
  if [[ $before =~ ^[0-9]+$ ]]; then
    used --loop-ms=100 >"speed/$name.memory" &
    watcher=$!
  fi
  timeout --signal=TERM --kill-after=30 "$limit" "$@" >"speed/$name.out" 2>"speed/$name.err" || code=$?
  if [[ -n $watcher ]]; then
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    local peak
    peak=$(sort -n "speed/$name.memory" | tail -n 1)
    echo $((peak - before)) >"speed/$name.mib"
  fi
  echo "$name: $((SECONDS - began)) s$( ((code == 0)) || echo ", exit status $code (speed/$name.err)")"
  return 0
}

there=()
for device in ${devices[@]+"${devices[@]}"}; do
  # The best one stands with a star before it.
  if grep -qE "^[* ]+$device( |$)" devices.txt; then
    there+=("$device")
  else
    echo "$device is left out: it is not in the list above"
  fi
done

if ((parity_steps > 0)); then
  echo "== parity: $parity_steps steps of a small model"
  for device in cpu ${there[@]+"${there[@]}"}; do
    [[ -d parity/${device/:/-} ]] && continue
    watched "parity-${device/:/-}" "$binary" train "$here/gpu.toml" --device "$device" --runs "$out/parity" --run "${device/:/-}" \
      --max-steps "$parity_steps" --set train.log_every=1 --set model.trunk.depth=18 --set model.trunk.width=8 \
      --set data.sampler.classes=8 ${sets[@]+"${sets[@]}"}
  done
fi

echo "== speed: $steps steps"
for device in ${there[@]+"${there[@]}"}; do
  watched "${device/:/-}" "$binary" train "$here/gpu.toml" --device "$device" --runs "$out/runs" --run "${device/:/-}" \
    --max-steps "$steps" ${sets[@]+"${sets[@]}"}
done
if "$python" -c 'import torch, torchvision' 2>/dev/null; then
  for row in ${rows[@]+"${rows[@]}"}; do
    watched "torch-$row" "$python" "$here/resnet_step_gpu.py" --rows "$row" --steps "$steps" --device "${TORCH_DEVICE:-cuda}" \
      "${SHAPE:-50:64:256x128:1}"
  done
else
  echo "PyTorch is left out: $python has no torch and torchvision"
fi

echo
"$python" "$here/gpu_table.py" "$out" | tee table.txt
echo "everything that was measured: $out"
