#!/bin/sh
# Times a trunk's training step on the CPU here and in PyTorch, taking turns, so that a busy machine hurts both alike.
#
#   scripts/bench/run.sh [NET:BATCH:HEIGHTxWIDTH:LAST_STRIDE …]
#
# PYTHON is a Python with torch and torchvision (default: python3), ROUNDS the turns (3), STEPS the steps in each (5),
# BENCH the benchmark's binary, if it is not to be built here. Prints the least of all rounds: milliseconds per step, processor
# milliseconds per step and thread (what counts on a busy machine), and ours divided by PyTorch's.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
rounds=${ROUNDS:-3}
steps=${STEPS:-5}
[ $# -gt 0 ] || set -- 18:32:64x64:1 50:8:256x128:1 mobilenet-v2:16:144x144:2 efficientnet-lite0:16:144x144:2
if [ -z "${BENCH:-}" ]; then
    BENCH=$(cargo bench --bench resnet_step --no-run --message-format=json |
        sed -n 's/.*"executable":"\([^"]*resnet_step[^"]*\)".*/\1/p' | tail -n 1)
fi
# Threads that wait must not count as busy.
export OMP_WAIT_POLICY=PASSIVE
threads=$(getconf _NPROCESSORS_ONLN)
export RAYON_NUM_THREADS="$threads"
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for configuration; do
    round=0
    while [ "$round" -lt "$rounds" ]; do
        "$BENCH" --steps "$steps" "$configuration" | sed "s/^/tailor $configuration /" >>"$results"
        "$python" scripts/bench/resnet_step.py --threads "$threads" --steps "$steps" "$configuration" |
            sed "s/^/torch $configuration /" >>"$results"
        round=$((round + 1))
    done
done
"$python" - "$results" <<'END'
import json, sys

least = {}
for line in open(sys.argv[1]):
    name, configuration, text = line.split(" ", 2)
    found = json.loads(text)
    entry = least.setdefault(configuration, {}).setdefault(name, {})
    for key in ("least", "cpu"):
        if found.get(key) is not None:
            entry[key] = min(found[key], entry.get(key, float("inf")))
print(f"{'net:batch:size:last stride':<30} {'':<6} {'tailor':>8} {'torch':>8} {'ratio':>6}")
for configuration, entries in least.items():
    for key, what in (("least", "ms"), ("cpu", "cpu ms")):
        ours, theirs = entries["tailor"].get(key), entries["torch"].get(key)
        if ours is not None and theirs:
            print(f"{configuration:<30} {what:<6} {ours:>8.1f} {theirs:>8.1f} {ours / theirs:>6.2f}")
END
