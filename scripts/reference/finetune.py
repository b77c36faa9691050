"""recipes/finetune-clothing.toml in PyTorch: the same network, weights, losses, optimiser, schedule and protocol, by timm and torchvision.

    python scripts/reference/finetune.py PHOTOS WEIGHTS [--gallery e.csv] [--epochs 3] [--seeds 1] [--threads 2]

PHOTOS is clothing-dataset-small (train/, test/), WEIGHTS efficientnet-lite0-57934424.pth. `--gallery` takes the 1,200 training photos that
our run searched, from the list that `tailor export RUN --format npy --out e.npy` writes beside the array; without it they are drawn here.
Prints recall@1 of the frozen features and after each epoch, a JSON object per line.
"""

import argparse
import csv
import json
import math
import pathlib
import random
import time

import numpy as np
import timm
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.nn import functional as F
from torchvision import transforms as T

SIZE, BATCH = 144, 32
LR, DECAY, LAYER_DECAY, CLIP, WARMUP, END = 5e-4, 0.02, 0.87, 5.0, 0.5, 0.01
NORMALIZE = [T.ToTensor(), T.Normalize([0.5] * 3, [0.5] * 3)]
TRAIN = T.Compose([
    T.RandomResizedCrop(SIZE, (0.5, 1.0), (3 / 4, 4 / 3), interpolation=T.InterpolationMode.BICUBIC),
    T.RandomHorizontalFlip(),
    T.ColorJitter(0.2, 0.2, 0.2),
    *NORMALIZE,
])  # fmt: skip
EVAL = T.Compose([T.Resize((SIZE, SIZE), interpolation=T.InterpolationMode.BICUBIC), *NORMALIZE])


def trunk(path):
    """timm's module with the published weights, whose names are efficientnet_pytorch's."""
    net = timm.models.tf_efficientnet_lite0(num_classes=0, drop_path_rate=0.1)
    published = {k: v for k, v in torch.load(path, weights_only=True).items() if not k.startswith("_fc.")}
    # Both list their tensors in the order of the network.
    state = net.state_dict()
    assert [v.shape for v in published.values()] == [v.shape for v in state.values()]
    net.load_state_dict(dict(zip(state, published.values())))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.01
    return net


class Net(nn.Module):
    def __init__(self, weights, classes):
        super().__init__()
        self.trunk = trunk(weights)
        self.neck = nn.BatchNorm1d(1280)
        self.neck.bias.requires_grad_(False)
        self.classifier = nn.Linear(1280, classes, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)

    def parts(self):
        """Blocks from the input on."""
        net = self.trunk
        stages = [list(stage) for stage in net.blocks]
        return [[net.conv_stem, net.bn1]], stages, [[net.conv_head, net.bn2]]

    def groups(self):
        stem, stages, head = self.parts()
        blocks = stem + [[block] for stage in stages for block in stage] + head
        rates = []
        for index, block in enumerate(blocks):
            parameters = [p for m in block for p in m.parameters() if p.requires_grad]
            if parameters:
                rates.append({"params": parameters, "factor": LAYER_DECAY ** (len(blocks) - index)})
        rates.append({"params": [self.neck.weight, self.classifier.weight], "factor": 1.0})
        return rates

    def frozen(self):
        """Stem and the first two stages, as the recipe says."""
        stem, stages, _ = self.parts()
        return stem[0] + stages[0] + stages[1]

    def forward(self, x):
        return self.neck(self.trunk(x))


def load(path):
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


class Photos(torch.utils.data.Dataset):
    def __init__(self, items, transform):
        self.items, self.transform = items, transform

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        path, label = self.items[index]
        return self.transform(load(path)), label


def batches(items):
    """All photos in chance order; what does not fill a batch waits for the next epoch."""
    order = random.sample(range(len(items)), len(items))
    return [order[i : i + BATCH] for i in range(0, len(order) - BATCH + 1, BATCH)]


def embed(net, items):
    loader = torch.utils.data.DataLoader(Photos(items, EVAL), 64)
    net.eval()
    with torch.no_grad():
        return F.normalize(torch.cat([net(x) for x, _ in loader]))


def recall(net, queries, gallery):
    near = (embed(net, queries) @ embed(net, gallery).T).argmax(1)
    return float(np.mean([queries[q][1] == gallery[g][1] for q, g in enumerate(near.tolist())]))


def factor(done, epochs):
    if done < WARMUP:
        return done / WARMUP
    return END + (1 - END) * 0.5 * (1 + math.cos(math.pi * min((done - WARMUP) / (epochs - WARMUP), 1)))


def run(args, seed):
    random.seed(seed)
    torch.manual_seed(seed)
    root = pathlib.Path(args.photos)
    names = sorted(path.name for path in (root / "train").iterdir() if path.is_dir())
    items = lambda split: [(p, names.index(p.parent.name)) for p in sorted((root / split).glob("*/*.jpg"))]
    train, test = items("train"), items("test")
    if args.gallery:
        with open(args.gallery, newline="", encoding="utf-8") as file:
            rows = [root / row["id"] for row in csv.DictReader(file)]
        gallery = [(path, names.index(path.parent.name)) for path in rows if path.parent.parent.name == "train"]
    else:
        gallery = random.sample(train, 1200)
    net = Net(args.weights, len(names))
    print(json.dumps({"seed": seed, "epoch": 0, "recall@1": round(recall(net, test, gallery), 4), "gallery": len(gallery)}), flush=True)
    for module in net.frozen():
        module.requires_grad_(False)
    optimiser = torch.optim.AdamW(net.groups(), lr=LR, weight_decay=DECAY)
    per_epoch = len(train) // BATCH
    photos = Photos(train, TRAIN)
    for epoch in range(args.epochs):
        start = time.time()
        net.train()
        for module in net.frozen():
            module.eval()
        loader = torch.utils.data.DataLoader(photos, batch_sampler=batches(train), num_workers=args.workers)
        for step, (x, labels) in enumerate(loader):
            rate = factor(epoch + (step + 1 if epoch + step / per_epoch < WARMUP else step) / per_epoch, args.epochs)
            for group in optimiser.param_groups:
                group["lr"] = LR * rate * group["factor"]
            loss = F.cross_entropy(net.classifier(net(x)), labels, label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), CLIP)
            optimiser.step()
        figure = recall(net, test, gallery)
        print(
            json.dumps({"seed": seed, "epoch": epoch + 1, "recall@1": round(figure, 4), "loss": round(loss.item(), 4), "steps": step + 1, "seconds": round(time.time() - start, 1)}),
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("weights")
    parser.add_argument("--gallery")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for seed in args.seeds:
        run(args, seed)


if __name__ == "__main__":
    main()
