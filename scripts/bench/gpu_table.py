"""Prints what scripts/bench/gpu.sh measured as two tables: agreement with the CPU, and speed beside PyTorch.

    python scripts/bench/gpu_table.py OUT

Needs nothing but Python.
"""

import json
import statistics
import sys
from pathlib import Path

# Above this a loss is not that of the same computation: TF32 products alone explain some 1e-3.
TOLERANCE = 1e-2


def lines(path):
    """Whole JSON lines of a file; the last one of a run that was stopped may be torn."""
    found = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                pass
    return found


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))))
    print()


def parity(out):
    def losses(folder):
        return {line["step"]: line["loss"] for line in lines(folder / "metrics.jsonl") if line["split"] == "train"}

    cpu = losses(out / "parity" / "cpu")
    if not cpu:
        return
    print("Loss of a small model, and how far from the CPU's (relative)")
    rows = [["device", *(f"step {step}" for step in cpu), "off by", ""]]
    for folder in sorted((out / "parity").iterdir(), key=lambda folder: folder.name != "cpu"):
        own = losses(folder)
        shared = [step for step in cpu if isinstance(own.get(step), float)]
        off = max((abs(own[step] - cpu[step]) / abs(cpu[step]) for step in shared), default=float("nan"))
        # Written so that NaN is wrong.
        good = len(shared) == len(cpu) and off <= TOLERANCE
        values = [f"{own[step]:.6f}" if step in shared else str(own.get(step, "none")) for step in cpu]
        rows.append([folder.name, *values, f"{off:.1e}", "" if good else "WRONG"])
    table(rows)


def mib(out, name):
    path = out / "speed" / f"{name}.mib"
    return path.read_text().strip() if path.is_file() else "–"


def tailor(out, folder):
    """Median of the laps after the first half: the others compile and tune."""
    name = folder.name
    laps = [line for line in lines(folder / "metrics.jsonl") if line["split"] == "system"]
    steps = [line["step"] for line in laps]
    if len(laps) < 2:
        return None, [f"tailor {name}", "too few steps: see " + str(out / "speed" / f"{name}.err")]
    batch = batch_size(out, name)
    steady = laps[len(laps) // 2 :]
    speed = statistics.median(lap["images_per_second"] for lap in steady)
    wait = statistics.median(lap["data_wait"] for lap in steady)
    # What the first lap took longer than a steady one of its length.
    first = steps[0] * batch * (1 / laps[0]["images_per_second"] - 1 / speed)
    return speed, [
        f"tailor {name}",
        f"{speed:.1f}",
        f"{1000 * batch / speed:.1f}",
        mib(out, name),
        f"{100 * wait:.0f} %",
        f"{first:.0f} s",
        str(steps[-1]),
    ]


def batch_size(out, name):
    """What one step trains on, as the run's own record has it."""
    import tomllib

    sampler = tomllib.loads((out / "runs" / name / "recipe.toml").read_text(encoding="utf-8"))["data"]["sampler"]
    return sampler["classes"] * sampler["per_class"] if sampler["kind"] == "pk" else sampler["batch"]


def speed(out):
    torch = [line for path in sorted((out / "speed").glob("torch-*.out")) for line in lines(path)]
    head = ["", "images/s", "ms/step", "GPU MiB", "data wait", "first lap +", "steps"]
    rows = [head + [f"× torch {line['row']}" for line in torch]]

    def ratios(own):
        return [f"{own / line['images_per_second']:.2f}" if own else "" for line in torch]

    for folder in sorted((out / "runs").iterdir()) if (out / "runs").is_dir() else []:
        own, row = tailor(out, folder)
        rows.append([*row, *[""] * (len(head) - len(row)), *ratios(own)])
    for line in torch:
        name = f"torch-{line['row']}"
        own = line["images_per_second"]
        rows.append([f"torch {line['row']}", f"{own:.1f}", f"{line['ms']:.1f}", mib(out, name), "", "", "", *ratios(own)])
    print("One training step: tailor and PyTorch")
    table(rows)
    for line in torch[:1]:
        print(f"PyTorch {line['torch']} on {line['device']}, ResNet-{line['depth']}, batch {line['batch']},", end=" ")
        print(f"{line['height']} × {line['width']}, last stride {line['last_stride']}")


def main():
    out = Path(sys.argv[1])
    parity(out)
    speed(out)


if __name__ == "__main__":
    main()
