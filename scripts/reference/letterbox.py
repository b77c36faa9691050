"""Writes tests/fixtures/letterbox.json: boxes of small pictures as the conversion scripts of the centroid triplet loss prepare them.

    pip install 'pillow<12' numpy && python scripts/reference/letterbox.py

Crop by whole pixels, `Image.thumbnail` (shrunk to fit, never enlarged), pasted in the middle of white. Pillow before 12, for the reason that
resize.py gives. Pictures shrink by less than 4, so that `thumbnail` takes no short cut (it averages whole pixels first beyond that).
"""

import base64
import json
import pathlib

import numpy as np
import PIL
from PIL import Image
from resize import FILTERS, noise

# (height, width) of the picture, corners of the box, (height, width) of the target
CASES = [
    ((40, 30), None, (32, 16)),
    ((40, 30), (3, 5, 28, 36), (32, 16)),
    ((33, 57), (0, 0, 57, 33), (20, 20)),
    ((33, 57), (10, 4, 41, 29), (20, 20)),
    ((20, 15), (2, 2, 12, 14), (20, 20)),
    ((61, 45), (1, 1, 44, 60), (21, 17)),
    ((29, 64), (5, 3, 60, 24), (16, 32)),
    ((12, 60), (0, 4, 60, 6), (8, 24)),
    ((60, 11), (2, 0, 5, 60), (24, 8)),
    ((48, 44), (7, 0, 44, 46), (13, 15)),
]


def prepare(image, box, height, width, code):
    if box is not None:
        image = Image.fromarray(np.array(image)[box[1] : box[3], box[0] : box[2]])
    image.thumbnail((width, height), code)
    canvas = Image.new("RGB", (width, height), (255, 255, 255))
    canvas.paste(image, (int((width - image.size[0]) / 2), int((height - image.size[1]) / 2)))
    return canvas


def cases():
    for seed, ((height, width), box, (to_height, to_width)) in enumerate(CASES):
        for name in ("bilinear", "bicubic", "lanczos"):
            out = prepare(Image.fromarray(noise(seed, height, width)), box, to_height, to_width, FILTERS[name])
            rgb = base64.b64encode(np.ascontiguousarray(np.array(out), np.uint8).tobytes()).decode()
            yield {
                "seed": seed, "height": height, "width": width, "box": box, "filter": name,
                "to_height": to_height, "to_width": to_width, "rgb": rgb,
            }


def sizes():
    """What `thumbnail` makes of many sizes: its rounding looks at the aspect."""
    for height, width, to_height, to_width in [
        (400, 300, 320, 320), (1, 9000, 320, 320), (301, 199, 256, 128), (333, 500, 320, 320), (77, 1000, 128, 64),
        (1000, 77, 128, 64), (21, 640, 64, 32), (640, 21, 64, 32), (59, 97, 10, 10), (97, 59, 10, 10), (40, 20, 60, 60),
        (7, 300, 32, 32), (300, 7, 32, 32), (211, 100, 9, 30), (100, 211, 30, 9), (455, 1024, 100, 100),
    ]:
        image = Image.new("RGB", (width, height))
        image.thumbnail((to_width, to_height))
        yield [height, width, to_height, to_width, image.size[1], image.size[0]]


if __name__ == "__main__":
    path = pathlib.Path(__file__).parents[2] / "tests/fixtures/letterbox.json"
    with path.open("w") as file:
        json.dump({"pillow": PIL.__version__, "cases": list(cases()), "sizes": list(sizes())}, file, indent=0)
        file.write("\n")
    print(f"{path}: {path.stat().st_size} bytes, Pillow {PIL.__version__}")
