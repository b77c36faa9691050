"""Makes tests/fixtures/emde.safetensors: what the first release of EMDE fits on vectors, their codes, and a sketch of some.

    python scripts/reference/emde.py --clones FOLDER        (requirements.txt, clones.py)

Runs DLSH of emde/coders/dlsh.py and codes_to_sketch of emde/utils.py.

Format: `layout` (depth, width, 1: sixteen bits), `mean`, `deviation` [dim], `directions` [16 depth, dim], `offsets` [16 depth], as
`tailor codes fit` writes them; further `vectors` [items, dim], of which the first `fitted` [1] were fitted on, `codes` [items, depth],
and `sketch` [depth * width], the sum of the first five items.
"""

import argparse
from pathlib import Path

import numpy as np
from clones import load
from safetensors.numpy import save_file


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--clones", required=True)
    parser.add_argument("--out", default=Path(__file__).parents[2] / "tests/fixtures/emde.safetensors", type=Path)
    args = parser.parse_args()
    dlsh = load(args.clones, "emde/emde/coders/dlsh.py")
    utils = load(args.clones, "emde/emde/utils.py", "emde_utils")

    np.random.seed(5)
    items, fitted, dim, depth, width = 60, 41, 12, 4, 100
    vectors = (np.random.normal(size=(items, dim)) * np.linspace(0.2, 3, dim) + np.linspace(-1, 1, dim)).astype(np.float32)
    vectors[:, 5] = 0.1
    coder = dlsh.DLSH(depth, width, dim)
    coder.fit(vectors[:fitted].astype(np.float64))
    codes = coder.transform(vectors.astype(np.float64))
    sketch = sum(utils.codes_to_sketch(row, width, depth, 1) for row in codes[:5].astype(np.int64))
    save_file(
        {
            "layout": np.array([depth, width, 1], dtype=np.int64),
            "mean": coder.standard_scaler.mean_,
            "deviation": coder.standard_scaler.scale_,
            "directions": np.ascontiguousarray(coder.random_projection.components_),
            "offsets": coder.biases,
            "vectors": vectors,
            "fitted": np.array([fitted], dtype=np.int64),
            "codes": codes.astype(np.int64),
            "sketch": sketch.astype(np.float32),
        },
        args.out,
    )
    print(f"{args.out}: {items} vectors, {len(np.unique(codes))} regions in use")


if __name__ == "__main__":
    main()
