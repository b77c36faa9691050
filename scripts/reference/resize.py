"""Writes tests/fixtures/resize.json: what Pillow makes of small pictures.

    pip install 'pillow<12' numpy && python scripts/reference/resize.py

Pillow before 12, because that is what the published figures were made with: its resize always goes horizontally first. Newer versions go
vertically first where that is less work, which changes enlarged pictures by several levels.

Resizes (five filters, up, down and mixed, odd sizes), colour adjustments, blurs and conversions, each with its input's seed, so that the
file holds outputs only. Inputs come from a 32-bit generator that the Rust test repeats.
"""

import base64
import io
import json
import pathlib

import numpy as np
import PIL
from PIL import Image, ImageEnhance, ImageFilter

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def noise(seed, height, width):
    """Three channels: a linear congruential generator's high bytes, mixed with a smooth gradient in every second picture."""
    state = seed
    values = np.zeros(height * width * 3, np.uint8)
    for i in range(values.size):
        state = (state * 1664525 + 1013904223) % 2**32
        values[i] = state >> 24
    picture = values.reshape(height, width, 3)
    if seed % 2 == 0:
        y, x, c = np.mgrid[0:height, 0:width, 0:3]
        ramp = (x * 255 // max(width - 1, 1) + y * 255 // max(height - 1, 1)) // 2 + 20 * c
        picture = ((ramp + picture // 8) % 256).astype(np.uint8)
    return picture


def text(array):
    return base64.b64encode(np.ascontiguousarray(array, np.uint8).tobytes()).decode()


def hue(image, factor):
    """torchvision's adjust_hue on a PIL image."""
    h, s, v = image.convert("HSV").split()
    shift = np.uint8(int(factor * 255) % 256)
    h = Image.fromarray((np.array(h, np.uint16) + shift).astype(np.uint8))
    return Image.merge("HSV", (h, s, v)).convert("RGB")


def resizes():
    sizes = [
        ((17, 23), (8, 8)),
        ((31, 13), (7, 29)),
        ((9, 11), (20, 27)),
        ((40, 30), (13, 10)),
        ((5, 7), (5, 16)),
        ((24, 1), (7, 3)),
        ((37, 41), (36, 40)),
        ((64, 48), (3, 5)),
    ]
    for index, ((height, width), (to_height, to_width)) in enumerate(sizes):
        image = Image.fromarray(noise(index, height, width))
        for name, code in FILTERS.items():
            if name == "box" and to_width == 40:
                # 41 → 40 pixels: centres fall exactly on the edges of windows, and the last bit of a double decides on which side.
                continue
            out = image.resize((to_width, to_height), code)
            yield {
                "seed": index, "height": height, "width": width, "filter": name,
                "to_height": to_height, "to_width": to_width, "rgb": text(np.array(out)),
            }


def adjustments():
    for seed, (height, width) in [(10, (9, 14)), (11, (12, 11))]:
        image = Image.fromarray(noise(seed, height, width))
        cases = [("grayscale", 0.0, image.convert("L").convert("RGB"))]
        for factor in (0.0, 0.3, 0.85, 1.0, 1.2, 2.5):
            cases.append(("brightness", factor, ImageEnhance.Brightness(image).enhance(factor)))
            cases.append(("contrast", factor, ImageEnhance.Contrast(image).enhance(factor)))
            cases.append(("saturation", factor, ImageEnhance.Color(image).enhance(factor)))
        for factor in (-0.5, -0.21, 0.0, 0.07, 0.5):
            cases.append(("hue", factor, hue(image, factor)))
        for sigma in (0.1, 0.5, 1.0, 1.7, 2.0, 6.0):
            cases.append(("blur", sigma, image.filter(ImageFilter.GaussianBlur(sigma))))
        for name, factor, out in cases:
            yield {"seed": seed, "height": height, "width": width, "name": name, "factor": factor, "rgb": text(np.array(out))}


def files():
    """Small files of every kind, and what Image.open(file).convert("RGB") shows."""
    rgb = noise(20, 12, 17)
    smooth = np.array(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(2)))
    alpha = noise(21, 12, 17)[..., :1]
    wide = (rgb[..., 0].astype(np.uint16) << 8) | 0x80 | rgb[..., 1]
    picture = Image.fromarray(rgb)
    soft = Image.fromarray(smooth)
    exif = Image.Exif()
    exif[0x0112] = 6
    cases = [
        ("rgb.png", picture, "PNG", {}),
        ("rgba.png", Image.fromarray(np.concatenate([rgb, alpha], 2)), "PNG", {}),
        ("grey.png", picture.convert("L"), "PNG", {}),
        ("grey_alpha.png", Image.merge("LA", (picture.convert("L"), Image.fromarray(alpha[..., 0]))), "PNG", {}),
        ("palette.png", picture.quantize(16), "PNG", {}),
        ("palette_transparent.png", picture.quantize(16), "PNG", {"transparency": 3}),
        ("bits.png", picture.convert("1"), "PNG", {}),
        ("grey16.png", Image.fromarray(wide), "PNG", {}),
        ("rgb.bmp", picture, "BMP", {}),
        ("rgb.tiff", picture, "TIFF", {}),
        ("palette.gif", picture.quantize(16), "GIF", {}),
        ("lossless.webp", picture, "WEBP", {"lossless": True}),
        ("rgb.jpg", soft, "JPEG", {"quality": 90, "subsampling": 0}),
        ("subsampled.jpg", soft, "JPEG", {"quality": 90}),
        ("progressive.jpg", soft, "JPEG", {"quality": 90, "progressive": True}),
        ("grey.jpg", soft.convert("L"), "JPEG", {"quality": 90}),
        ("cmyk.jpg", soft.convert("CMYK"), "JPEG", {"quality": 95}),
        ("turned.jpg", soft, "JPEG", {"quality": 95, "subsampling": 0, "exif": exif}),
    ]
    for name, image, form, options in cases:
        buffer = io.BytesIO()
        image.save(buffer, form, **options)
        buffer.seek(0)
        shown = np.array(Image.open(buffer).convert("RGB"))
        if name == "grey16.png":
            # The one exception: Pillow cuts 16-bit grey off at 255, which leaves a white picture; the high byte is what the file shows.
            shown = np.repeat((wide >> 8)[..., None], 3, 2)
        yield {
            "name": name, "file": base64.b64encode(buffer.getvalue()).decode(),
            "height": shown.shape[0], "width": shown.shape[1], "rgb": text(shown),
        }


if __name__ == "__main__":
    path = pathlib.Path(__file__).parents[2] / "tests/fixtures/resize.json"
    cases = {"pillow": PIL.__version__, "resize": list(resizes()), "adjust": list(adjustments()), "files": list(files())}
    with path.open("w") as file:
        json.dump(cases, file, indent=0)
        file.write("\n")
    print(f"{path}: {path.stat().st_size} bytes, Pillow {PIL.__version__}")
