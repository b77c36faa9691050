"""Loads what `tailor export --format safetensors` wrote into torchvision's or timm's module, strictly, and compares its embeddings of real
pictures with those of `tailor export --format npy`.

    tailor export RUN --format safetensors --out m.safetensors
    tailor export RUN --format npy --out e.npy
    python scripts/reference/load_export.py m.safetensors e.npy PHOTOS

PHOTOS is the folder whose pictures the run was evaluated on: an id in e.csv is a path below it. The pictures are decoded and
resized by Pillow, as m.json says, so that the whole way from file to vector is checked. Prints the largest differences and fails
where normalised embeddings differ by more than 1e-2 (or the number that follows).

What to expect depends on the pictures. Of a ResNet-18 after a few steps, relative to the largest value: 1e-6 where pictures have
the model's size and a lossless format, 2e-3 where they are resized (by up to one level of 255 otherwise than Pillow does), 7e-3
for noisy JPEGs (whose decoders differ by a few levels).
"""

import csv
import json
import pathlib
import sys

import numpy as np
import torch
import torchvision
from PIL import Image, ImageOps
from safetensors.torch import load_file

FILTERS = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}


def module(card, weights):
    """The module that the card describes, with the weights in it."""
    names = {"torch": torch, "torchvision": torchvision}
    if "timm" in card["pytorch"]["factory"]:
        import timm

        names["timm"] = timm
    m = eval(card["pytorch"]["factory"], names)()
    names["m"] = m
    for line in card["pytorch"]["python"]:
        exec(line, names)
    m.load_state_dict(load_file(weights), strict=True)
    return m.eval()


def pixels(path, preprocessing):
    """A picture as the model takes it, [3, height, width]."""
    image = Image.open(path)
    if preprocessing["exif"]:
        image = ImageOps.exif_transpose(image)
    image = image.convert("RGB")
    array = None
    for op in preprocessing["ops"]:
        if op["op"] == "resize":
            image = image.resize((op["width"], op["height"]), FILTERS[op["filter"]])
        elif op["op"] == "normalize":
            array = torchvision.transforms.functional.to_tensor(image)
            array = torchvision.transforms.functional.normalize(array, op["mean"], op["std"])
        else:
            raise SystemExit(f"this script does not know the operation {op['op']}")
    assert list(array.shape) == preprocessing["output"], array.shape
    return array


def main():
    weights, array, photos = map(pathlib.Path, sys.argv[1:4])
    card = json.loads(weights.with_suffix(".json").read_text())
    m = module(card, weights)
    ours = np.load(array)
    with open(array.with_suffix(".csv"), newline="", encoding="utf-8") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    with torch.no_grad():
        theirs = np.stack([m(pixels(photos / name, card["preprocessing"])[None])[0].numpy() for name in ids])
    absolute = np.abs(ours - theirs).max()
    relative = absolute / np.abs(theirs).max()
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
    cosine = 1 - (unit(ours) * unit(theirs)).sum(1).min()
    direction = np.abs(unit(ours) - unit(theirs)).max()
    print(f"{len(ids)} pictures, {ours.shape[1]} dimensions; largest difference {absolute:.3g} of {np.abs(theirs).max():.3g} "
          f"({relative:.2g} relative); normalised {direction:.3g}; 1 - cosine {cosine:.3g}")
    limit = float(sys.argv[4]) if len(sys.argv) > 4 else 1e-2
    if direction > limit:
        raise SystemExit("the embeddings differ")


if __name__ == "__main__":
    main()
