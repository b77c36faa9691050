#!/bin/sh
# Times the training step of SAF and SGR on the CPU here and in the hosts' released code, taking turns, so that a busy machine hurts
# both alike.
#
#   scripts/bench/t_emde.sh CLONE [saf|sgr …]
#
# CLONE is a clone of github.com/Paranioar/SGRAF. PYTHON is a Python with torch (default: python3), ROUNDS the turns (2), STEPS the steps in
# each (2), BENCH the benchmark's binary, if it is not to be built here; SCORE=100x500 times scoring instead. Prints the least
# milliseconds and the least of the peaks of memory of all rounds, and the released code's divided by ours.
set -eu
clone=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
rounds=${ROUNDS:-2}
steps=${STEPS:-2}
[ $# -gt 0 ] || set -- saf sgr
if [ -z "${BENCH:-}" ]; then
    BENCH=$(cargo bench --bench t_emde_step --no-run --message-format=json |
        sed -n 's/.*"executable":"\([^"]*t_emde_step[^"]*\)".*/\1/p' | tail -n 1)
fi
# Threads that wait must not count as busy.
export OMP_WAIT_POLICY=PASSIVE
threads=$(getconf _NPROCESSORS_ONLN)
export RAYON_NUM_THREADS="$threads"
score=${SCORE:+--score $SCORE}
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for head; do
    round=0
    while [ "$round" -lt "$rounds" ]; do
        # shellcheck disable=SC2086
        "$BENCH" --steps "$steps" $score "$head:self_attention" | tee /dev/stderr | sed "s/^/tailor $head /" >>"$results"
        # shellcheck disable=SC2086
        "$BENCH" --steps "$steps" $score "$head:t_emde" | tee /dev/stderr | sed "s/^/t_emde $head /" >>"$results"
        # shellcheck disable=SC2086
        "$python" scripts/bench/t_emde.py "$clone" --threads "$threads" --steps "$steps" $score "$head" | tee /dev/stderr |
            sed "s/^/torch $head /" >>"$results"
        round=$((round + 1))
    done
done
"$python" - "$results" <<'END'
import json, sys

least = {}
for line in open(sys.argv[1]):
    name, head, text = line.split(" ", 2)
    found = json.loads(text)
    entry = least.setdefault(head, {}).setdefault(name, {})
    for key in ("least", "peak_mib"):
        entry[key] = min(found[key], entry.get(key, float("inf")))
print(f"{'head':<6} {'':<10} {'tailor':>9} {'+ T-EMDE':>9} {'torch':>9} {'torch / tailor':>15}")
for head, entries in least.items():
    for key, what in (("least", "ms"), ("peak_mib", "peak MiB")):
        ours, layer, theirs = (entries[name][key] for name in ("tailor", "t_emde", "torch"))
        print(f"{head:<6} {what:<10} {ours:>9.0f} {layer:>9.0f} {theirs:>9.0f} {theirs / ours:>15.2f}")
END
