"""Prints the tables of t_emde.sh from lines of JSON: `python scripts/bench/t_emde_table.py RESULTS`."""

import json
import sys


def curve(lines):
    layers = list(dict.fromkeys(line["layer"] for line in lines))
    found = {(line["layer"], line["tokens"]): line for line in lines}
    tokens = sorted({line["tokens"] for line in lines})
    for key, what in [("forward_ms", "forwards, ms"), ("both_ms", "forwards and backwards, ms")]:
        print(f"\n{what:<28}" + "".join(f"{layer:>22}" for layer in layers))
        for count in tokens:
            print(f"{count:>22} tokens" + "".join(f"{found[layer, count][key]:>22.2f}" for layer in layers))
        # The exponent by which time grows over the last doubling.
        last = [f"{growth(found, layer, tokens, key):>22.2f}" for layer in layers]
        print(f"{'times for twice as many':<29}" + "".join(last))


def growth(found, layer, tokens, key):
    return found[layer, tokens[-1]][key] / found[layer, tokens[-2]][key]


def latency(lines):
    print(f"{'':<24}{'s (median)':>12}{'least':>10}{'greatest':>10}{'to self-attention':>20}")
    for line in lines:
        name = line["what"].removeprefix("latency ")
        base = next(one["ms"] for one in lines if one["what"] == f"latency {line['head']}:self_attention")
        seconds = [line[key] / 1000 for key in ("ms", "least", "greatest")]
        print(f"{name:<24}{seconds[0]:>12.1f}{seconds[1]:>10.1f}{seconds[2]:>10.1f}{line['ms'] / base - 1:>19.1%}" + part(line))


def part(line):
    """What is said where not all blocks were timed."""
    longer = line.get("longer") or line["of"] / line["blocks"]
    return "" if longer == 1 else f"   timed on a {1 / longer:.2%} of the blocks"


def beside(lines):
    least, parts = {}, {}
    for line in lines:
        entry = least.setdefault(line["head"], {}).setdefault(line["name"], {})
        for key in ("least", "cpu", "peak_mib", "gpu_mib"):
            if line.get(key) is not None:
                entry[key] = min(line[key], entry.get(key, float("inf")))
        if line.get("share"):
            # A disturbed product of 1024 × 1024 makes a share too good.
            entry["rate"] = max(line["matmul_gflops"], entry.get("rate", 0))
            entry["gflops"] = max(line["gflops"], entry.get("gflops", 0))
        if part(line):
            parts[line["head"], line["name"]] = part(line)
    print(f"{'':<6} {'':<22} {'self-attention':>15} {'T-EMDE':>9} {'torch':>9} {'torch / tailor':>15}")
    for head, entries in least.items():
        columns = [entries.get(name, {}) for name in ("self_attention", "t_emde", "torch")]
        rows = [("least", "ms"), ("cpu", "cpu ms"), ("peak_mib", "peak MiB"), ("gpu_mib", "GPU MiB")]
        for key, what in rows:
            values = [column.get(key) for column in columns]
            if values[0] is None:
                continue
            cells = ["" if value is None else f"{value:.0f}" for value in values]
            quotient = f"{values[2] / values[0]:.2f}" if values[2] else ""
            print(f"{head:<6} {what:<22} {cells[0]:>15} {cells[1]:>9} {cells[2]:>9} {quotient:>15}")
        shares = [f"{column['gflops'] / column['rate']:.0%}" if "rate" in column else "" for column in columns]
        rate = max((column.get("rate", 0) for column in columns), default=0)
        print(f"{head:<6} {f'of {rate:.0f} GFLOP/s':<22} {shares[0]:>15} {shares[1]:>9}")
    for (head, name), text in parts.items():
        print(f"{head} {name}:{text}")


def main():
    with open(sys.argv[1]) as file:
        lines = [json.loads(line) for line in file]
    if lines[0]["what"] == "curve":
        curve(lines)
    elif lines[0]["what"].startswith("latency"):
        latency(lines)
    else:
        beside(lines)


if __name__ == "__main__":
    main()
