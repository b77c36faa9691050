"""Pillow and torchvision on the images of `cargo bench --bench loader`, one thread each, beside its figures.

    cargo bench --bench loader
    pip install torch torchvision pillow && python scripts/bench/loader.py

Without torchvision the pipeline row is done with Pillow and NumPy, which is what torchvision's transforms call on PIL images.
"""

import io
import json
import math
import pathlib
import random
import time

import numpy as np
import PIL
from PIL import Image, ImageOps

ROOT = pathlib.Path(__file__).parents[2] / "target"
HEIGHT, WIDTH = 256, 128
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])

try:
    import torch
    import torchvision
    from torchvision import transforms

    torch.set_num_threads(1)
    ENGINE = f"torchvision {torchvision.__version__}, torch {torch.__version__}"
except ImportError:
    torch = None
    ENGINE = "Pillow and NumPy (torchvision is not installed)"


def erase(array):
    """Random erasing as the ReID baselines have it: on `[3, height, width]`, filled with the raw mean."""
    if random.random() >= 0.5:
        return array
    for _ in range(100):
        area = random.uniform(0.02, 0.4) * HEIGHT * WIDTH
        aspect = random.uniform(0.3, 1 / 0.3)
        h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if w < WIDTH and h < HEIGHT:
            top, left = random.randint(0, HEIGHT - h), random.randint(0, WIDTH - w)
            for channel in range(3):
                array[channel, top : top + h, left : left + w] = float(MEAN[channel])
            break
    return array


def numpy_pipeline(image):
    image = image.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = ImageOps.expand(image, 10)
    left, top = random.randint(0, 20), random.randint(0, 20)
    image = image.crop((left, top, left + WIDTH, top + HEIGHT))
    array = (np.asarray(image, np.float32) / 255 - MEAN) / STD
    return erase(np.ascontiguousarray(array.transpose(2, 0, 1)))


def pipeline():
    if torch is None:
        return numpy_pipeline
    return transforms.Compose([
        transforms.Resize((HEIGHT, WIDTH)),
        transforms.RandomHorizontalFlip(0.5),
        transforms.Pad(10),
        transforms.RandomCrop((HEIGHT, WIDTH)),
        transforms.ToTensor(),
        transforms.Normalize(MEAN.tolist(), STD.tolist()),
        erase,
    ])


def fine_tuning():
    """Of recipes/finetune-clothing.toml; needs torchvision."""
    return transforms.Compose([
        transforms.RandomResizedCrop(144, (0.5, 1.0), (3 / 4, 4 / 3), transforms.InterpolationMode.BICUBIC),
        transforms.RandomHorizontalFlip(0.5),
        transforms.ColorJitter(0.2, 0.2, 0.2),
        transforms.ToTensor(),
        transforms.Normalize([0.5] * 3, [0.5] * 3),
    ])


def decode(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


def rate(work, items, seconds=4.0):
    """Images per second: the best of several passes' means."""
    work(items[0])
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        for item in items:
            work(item)
        best = max(best, len(items) / (time.perf_counter() - start))
    return best


def ours(name, count):
    path = ROOT / "criterion/loader" / name / "new/estimates.json"
    if not path.exists():
        return None
    return count / (json.loads(path.read_text())["median"]["point_estimate"] * 1e-9)


if __name__ == "__main__":
    files = [path.read_bytes() for path in sorted((ROOT / "bench-images").glob("*.jpg"))]
    if not files:
        raise SystemExit("no images in target/bench-images: run `cargo bench --bench loader` first")
    images = [decode(data) for data in files]
    transform = pipeline()
    rows = [
        ("decode", decode, files),
        ("resize_256x128_bilinear", lambda i: i.resize((128, 256), Image.Resampling.BILINEAR), images),
        ("resize_224x224_bicubic", lambda i: i.resize((224, 224), Image.Resampling.BICUBIC), images),
        ("pipeline", lambda data: transform(decode(data)), files),
    ]
    if torch is not None:
        tuning = fine_tuning()
        rows.append(("pipeline_finetune", lambda data: tuning(decode(data)), files))
    print(f"{len(files)} JPEGs, the first {images[0].width}×{images[0].height}, {sum(map(len, files)) // len(files)} bytes each; one thread")
    print(f"Pillow {PIL.__version__}; {ENGINE}")
    print(f"{'images/s':26}{'tailor':>10}{'Python':>10}{'ratio':>8}")
    for name, work, items in rows:
        theirs, mine = rate(work, items), ours(name, len(files))
        shown = f"{mine:10.0f}{theirs:10.0f}{mine / theirs:8.2f}" if mine else f"{'-':>10}{theirs:10.0f}{'-':>8}"
        print(f"{name:26}{shown}")
