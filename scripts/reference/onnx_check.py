"""Exports every trunk and holds it against onnx.checker, ONNX Runtime, timm and torchvision.

    cargo build --release
    python scripts/reference/onnx_check.py target/release/tailor [TRUNK …]

For each trunk: a few training steps on drawn pictures (so that statistics are none of a fresh network's), then
- `tailor export --format onnx` (which runs the file in tract itself), checked whole by onnx.checker, run by ONNX Runtime in batches
  of one and of many, and compared with `tailor export --format npy`: within 1e-4 of the largest value;
- the same with normalisation and length inside the graph, and with f16 weights (against its own rounding, 2e-2);
- the folder for the hub and the safetensors file, loaded strictly by timm and torchvision, within 1e-4.

The pictures are PNGs of the model's size, so that neither a decoder nor a resize comes in between. IBN variants are compared by
ONNX Runtime alone unless IBN-Net (the module `ibnnet`) can be imported.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image

import load_export

SIZE = 64
LIMIT = 1e-4

# Trunk name: the recipe's [model] trunk.
TRUNKS = {
    "resnet18": '{ depth = 18 }',
    "resnet34": '{ depth = 34 }',
    "resnet50": '{ depth = 50 }',
    "resnet101": '{ depth = 101 }',
    "resnet50-reid": '{ depth = 50, last_stride = 1, stem_relu = false }',
    "resnet18-small": '{ depth = 18, small_stem = true, width = 16 }',
    "resnet18-ibn-a": '{ depth = 18, ibn = true }',
    "resnet50-ibn-a": '{ depth = 50, ibn = true, last_stride = 1 }',
    "mobilenet-v2": '{ kind = "mobilenet-v2" }',
    "efficientnet-b0": '{ kind = "efficientnet-b0" }',
    "efficientnet-b0-tf": '{ kind = "efficientnet-b0", flavour = "tf" }',
    "efficientnet-lite0": '{ kind = "efficientnet-lite0" }',
    "efficientnet-lite1": '{ kind = "efficientnet-lite1" }',
    "efficientnet-lite2": '{ kind = "efficientnet-lite2" }',
}

RECIPE = """
extends = "quickstart"
replaces = ["data", "model", "schedule"]

[data]
dataset = "folder"
root = "photos"
sampler = {{ kind = "pk", classes = 2, per_class = 4, small_classes = "repeat", remainder = "drop" }}
train_transform = [{{ op = "resize", height = {size}, width = {size} }}, {{ op = "normalize" }}]
eval_transform = [{{ op = "resize", height = {size}, width = {size} }}, {{ op = "normalize" }}]

[model]
trunk = {trunk}

[schedule]
kind = "constant"

[train]
epochs = 3
evaluate_every = 3

[eval]
resamples = 20
pixel_baseline = false
"""


def draw(folder):
    """Eight classes of coloured blocks with noise, half of them to test on."""
    random = np.random.default_rng(0)
    for label in range(8):
        colours = random.integers(0, 256, (4, 4, 3))
        for view in range(4):
            image = np.kron(colours, np.ones((SIZE // 4, SIZE // 4, 1))) + random.normal(0, 15, (SIZE, SIZE, 3))
            split = "train" if label < 4 else "test"
            path = folder / "photos" / split / f"c{label}" / f"{view}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path)


def run_onnx(path, inputs, batch):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["image"] and [o.name for o in session.get_outputs()] == ["embedding"]
    assert session.get_inputs()[0].shape == ["batch", 3, SIZE, SIZE], session.get_inputs()[0].shape
    parts = [session.run(None, {"image": inputs[at:at + batch]})[0] for at in range(0, len(inputs), batch)]
    return np.concatenate(parts)


def relative(ours, theirs):
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())


def check(tailor, name, trunk):
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        draw(folder)
        (folder / "recipe.toml").write_text(RECIPE.format(size=SIZE, trunk=trunk))

        def call(*arguments):
            done = subprocess.run([tailor, *arguments], cwd=folder, capture_output=True, text=True)
            if done.returncode != 0:
                raise SystemExit(f"{name}: tailor {' '.join(arguments)} failed:\n{done.stderr}")
            return done.stderr

        call("train", "recipe.toml", "--device", "cpu", "--run", "run")
        export = lambda form, out, *more: call("export", "run", "--device", "cpu", "--format", form, "--out", out, *more)
        said = export("onnx", "plain.onnx")
        export("onnx", "inside.onnx", "--with-normalise", "--l2")
        export("onnx", "half.onnx", "--dtype", "f16")
        export("npy", "e.npy")
        export("safetensors", "m.safetensors")
        export("hub", "hub")
        ours, ids = load_export.embeddings(folder / "e.npy")
        preprocessing = json.loads((folder / "plain.onnx.json").read_text())["preprocessing"]
        photos = folder / "photos"
        images = np.stack([load_export.pixels(photos / id, preprocessing).numpy() for id in ids])
        levels = np.stack([np.asarray(Image.open(photos / id)).transpose(2, 0, 1) for id in ids]).astype(np.float32)

        found = {}
        for file, inputs, expected in [("plain", images, ours), ("inside", levels, load_export.unit(ours)), ("half", images, ours)]:
            path = str(folder / f"{file}.onnx")
            onnx.checker.check_model(path, full_check=True)
            found[file] = max(relative(expected, run_onnx(path, inputs, batch)) for batch in (1, len(inputs)))
        limits = {"plain": LIMIT, "inside": LIMIT, "half": 2e-2}
        sizes = [os.path.getsize(folder / f"{file}.onnx") for file in ("plain", "half")]
        compared = next(line for line in said.splitlines() if line.startswith("compare"))
        print(f"{name}: opset {onnx.load(folder / 'plain.onnx').opset_import[0].version}; ONNX Runtime "
              f"{found['plain']:.1e}, normalised inside {found['inside']:.1e}, f16 {found['half']:.1e} "
              f"({sizes[1] / sizes[0]:.2f} of the size); {compared}")
        for file, limit in limits.items():
            if not found[file] <= limit:
                raise SystemExit(f"{name}: {file}.onnx differs by {found[file]:.2e}")

        try:
            card = json.loads((folder / "m.json").read_text())
            modules = [("safetensors in torchvision", load_export.module(card, folder / "m.safetensors"), None)]
            modules += [(f"hub in {kind}", m, t) for kind, m, t in load_export.hub_modules(folder / "hub")]
        except ModuleNotFoundError as error:
            print(f"  not loaded in PyTorch: {error}")
            return
        for kind, m, transform in modules:
            prepared = torch.from_numpy(images)
            if transform is not None:
                prepared = torch.stack([transform(load_export.picture(photos / id, preprocessing)) for id in ids])
            with torch.no_grad():
                theirs = m(prepared).numpy()
            if load_export.compare(f"  {kind}", ours, theirs, LIMIT) > LIMIT:
                raise SystemExit(f"{name}: {kind} differs")


def main():
    tailor = str(pathlib.Path(sys.argv[1]).resolve())
    for name in sys.argv[2:] or TRUNKS:
        check(tailor, name, TRUNKS[name])


if __name__ == "__main__":
    main()
