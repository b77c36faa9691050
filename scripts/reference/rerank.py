"""Makes tests/fixtures/rerank.json: distances after re-ranking by k-reciprocal neighbours, as the published code computes them.

    python scripts/reference/rerank.py --clones FOLDER        (requirements.txt, clones.py)

Runs utils/re_ranking.py of reid-strong-baseline on L2-normalised vectors of a few identities with noise. Its matrices are of 16-bit
floats, whose rounding (1e-3) would hide mistakes: the same code is run here with 32-bit ones.

Format: a list of cases, each with queries [queries][dimensions], gallery [items][dimensions] (not normalised), k1, k2, lambda, and
distances [queries][items].
"""

import argparse
import json
import types
from pathlib import Path

import numpy as np
import torch
from clones import load


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--clones", required=True)
    parser.add_argument("--out", default=Path(__file__).parents[2] / "tests/fixtures/rerank.json", type=Path)
    args = parser.parse_args()
    module = load(args.clones, "reid-strong-baseline/utils/re_ranking.py")
    wide = types.SimpleNamespace(**{name: getattr(np, name) for name in dir(np) if not name.startswith("__")})
    wide.float16 = np.float32
    module.np = wide

    random = np.random.default_rng(7)
    centres = random.normal(size=(8, 6))

    def vectors(count):
        noisy = centres[random.integers(8, size=count)] + 0.55 * random.normal(size=(count, 6))
        return np.round(noisy * random.uniform(0.5, 2, size=(count, 1)), 3).astype(np.float32)

    cases = []
    # k1 / 2 is rounded to even: 7 → 4, 5 → 2. The last has fewer items than neighbours.
    for queries, items, k1, k2, share in [(9, 41, 20, 6, 0.3), (9, 41, 7, 1, 0.0), (9, 41, 5, 3, 0.1), (4, 30, 4, 2, 1.0), (3, 8, 20, 6, 0.3)]:
        q, g = vectors(queries), vectors(items)
        normal = [torch.nn.functional.normalize(torch.from_numpy(side)) for side in (q, g)]
        found = module.re_ranking(*normal, k1, k2, share)
        cases.append({
            "queries": q.tolist(),
            "gallery": g.tolist(),
            "k1": k1,
            "k2": k2,
            "lambda": share,
            "distances": np.round(found.astype(np.float64), 6).tolist(),
        })

    def short(value):
        return [short(inner) for inner in value] if isinstance(value, list) else round(value, 6)

    lines = [json.dumps({key: short(value) for key, value in case.items()}) for case in cases]
    args.out.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
