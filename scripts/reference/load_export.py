"""Loads what `tailor export` wrote into torchvision's or timm's modules, strictly, and compares their embeddings of real pictures with those of
`tailor export --format npy`.

    tailor export RUN --format safetensors --out m.safetensors
    tailor export RUN --format hub --out hub
    tailor export RUN --format npy --out e.npy
    python scripts/reference/load_export.py m.safetensors e.npy PHOTOS
    python scripts/reference/load_export.py hub e.npy PHOTOS

A folder for the hub is loaded by torchvision's factory, and by `timm.create_model("local-dir:…")` where its config.json names a
network of timm's. PHOTOS is the folder whose pictures the run was evaluated on: an id in e.csv is a path below it. The pictures are
decoded and resized by Pillow, as the preprocessing says, so that the whole way from file to vector is checked; where timm's own
transform is configured, it prepares timm's pictures. Prints the largest differences and fails where normalised embeddings differ by
more than 1e-2 (or the number that follows).

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


def build(factory, python, weights):
    """torchvision's module (or IBN-Net's), changed as the lines say, with the weights in it."""
    names = {"torch": torch, "torchvision": torchvision}
    if "timm" in factory:
        import timm

        names["timm"] = timm
        m = eval(factory, names)()
    elif factory.startswith("ibnnet."):
        # IBN-Net (github.com/XingangPan/IBN-Net), on the import path.
        import ibnnet

        names["ibnnet"] = ibnnet
        m = eval(factory, names)()
    else:
        m = eval(factory, names)(weights=None)
    names["m"] = m
    for line in python:
        exec(line, names)
    m.load_state_dict(load_file(weights), strict=True)
    return m.eval()


def module(card, weights):
    """The module that the card beside a safetensors export describes."""
    return build(card["pytorch"]["factory"], card["pytorch"]["python"], weights)


def hub_modules(folder):
    """(name, module, transform or None) of each way to load a folder for the hub."""
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    weights = folder / "model.safetensors"
    if "architecture" not in config:
        yield "torchvision", build(config["factory"], config["python"], weights), None
        return
    import timm

    m = timm.create_model(f"local-dir:{folder.resolve()}", pretrained=True).eval()
    m.load_state_dict(load_file(weights), strict=True)
    transform = None
    if "crop_mode" in config["pretrained_cfg"]:
        transform = timm.data.create_transform(**timm.data.resolve_data_config(m.pretrained_cfg))
    yield "timm", m, transform
    if config["architecture"].startswith("resnet"):  # torchvision has other names for the others
        m = getattr(torchvision.models, config["architecture"])(weights=None, num_classes=config["num_classes"])
        m.load_state_dict(load_file(weights), strict=True)
        yield "torchvision", m.eval(), None


def picture(path, preprocessing):
    """A picture as Pillow decodes it."""
    image = Image.open(path)
    if preprocessing["exif"]:
        image = ImageOps.exif_transpose(image)
    return image.convert("RGB")


def pixels(path, preprocessing):
    """A picture as the model takes it, [3, height, width]."""
    image = picture(path, preprocessing)
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


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def embeddings(array):
    """The array and its rows' ids."""
    array = pathlib.Path(array)
    with open(array.with_suffix(".csv"), newline="", encoding="utf-8") as file:
        return np.load(array), [row["id"] for row in csv.DictReader(file)]


def compare(name, ours, theirs, limit):
    """Prints the differences; fails beyond the limit."""
    absolute = np.abs(ours - theirs).max()
    relative = absolute / np.abs(theirs).max()
    cosine = 1 - (unit(ours) * unit(theirs)).sum(1).min()
    direction = np.abs(unit(ours) - unit(theirs)).max()
    print(f"{name}: {len(ours)} pictures, {ours.shape[1]} dimensions; largest difference {absolute:.3g} of {np.abs(theirs).max():.3g} "
          f"({relative:.2g} relative); normalised {direction:.3g}; 1 - cosine {cosine:.3g}")
    if not direction <= limit:
        raise SystemExit(f"{name}: the embeddings differ")
    return relative


def main():
    export, array, photos = map(pathlib.Path, sys.argv[1:4])
    limit = float(sys.argv[4]) if len(sys.argv) > 4 else 1e-2
    ours, ids = embeddings(array)
    if export.is_dir():
        preprocessing = json.loads((export / "preprocessing.json").read_text())
        modules = list(hub_modules(export))
    else:
        card = json.loads(export.with_suffix(".json").read_text())
        preprocessing = card["preprocessing"]
        modules = [("torchvision", module(card, export), None)]
    for name, m, transform in modules:
        if transform is None:
            prepare = lambda path: pixels(path, preprocessing)
        else:
            prepare = lambda path: transform(picture(path, preprocessing))
        with torch.no_grad():
            theirs = np.stack([m(prepare(photos / id)[None])[0].numpy() for id in ids])
        compare(name, ours, theirs, limit)


if __name__ == "__main__":
    main()
