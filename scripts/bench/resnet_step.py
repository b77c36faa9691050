"""Times PyTorch's training step of a ResNet with BNNeck, identity loss and batch-hard triplet loss, on the CPU.

    python scripts/bench/resnet_step.py [--threads 2] [--steps 5] [DEPTH:BATCH:HEIGHTxWIDTH:LAST_STRIDE …]

Needs torch and torchvision (measured with 2.15.0 and 0.29.2). Prints one JSON object per configuration: milliseconds per step (forward,
backward, Adam; the input is on hand) as median, least and greatest of `--steps` steps after two that are not counted. Images are random,
4 of each identity; weights are random; 751 identities in the classifier. Quiet the machine first: `load` is its load average before.
`cpu` is the median of the processor time that a step used, over all threads, divided by their number: about `ms` on a quiet machine,
and less where others had the processors in between (set OMP_WAIT_POLICY=PASSIVE then, or waiting threads count as busy).
"""

import argparse
import json
import os
import statistics
import time

import torch
import torchvision
from torch import nn

DEFAULT = ["50:8:128x64:1", "50:16:128x64:1", "50:8:256x128:1", "50:16:256x128:1", "18:32:64x64:1", "18:32:64x64:2"]
IDENTITIES = 751


class Net(nn.Module):
    def __init__(self, depth, last_stride):
        super().__init__()
        trunk = {18: torchvision.models.resnet18, 50: torchvision.models.resnet50}[depth]()
        if last_stride == 1:
            block = trunk.layer4[0]
            (block.conv2 if depth == 50 else block.conv1).stride = (1, 1)
            block.downsample[0].stride = (1, 1)
        dim = trunk.fc.in_features
        trunk.fc = nn.Identity()
        self.trunk, self.neck = trunk, nn.BatchNorm1d(dim)
        self.neck.bias.requires_grad_(False)
        self.classifier = nn.Linear(dim, IDENTITIES, bias=False)

    def forward(self, x):
        features = self.trunk(x)
        return features, self.classifier(self.neck(features))


def triplet(features, labels, margin=0.3):
    squares = features.square().sum(1)
    d = (squares[:, None] + squares[None] - 2 * features @ features.T).clamp(min=1e-12).sqrt()
    same = labels[:, None] == labels[None]
    positive = d.masked_fill(~same, 0).amax(1)
    negative = d.masked_fill(same, float("inf")).amin(1)
    return torch.relu(positive - negative + margin).mean()


def measure(depth, batch, height, width, last_stride, steps):
    torch.manual_seed(0)
    net = Net(depth, last_stride).train()
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=3.5e-4, weight_decay=5e-4)
    x = torch.randn(batch, 3, height, width)
    labels = torch.arange(batch) // 4
    times, cpu = [], []
    for _ in range(steps + 2):
        start, start_cpu = time.perf_counter(), time.process_time()
        features, logits = net(x)
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=0.1) + triplet(features, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        times.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - start_cpu) * 1000 / torch.get_num_threads())
    return times[2:], cpu[2:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configurations", nargs="*", default=DEFAULT)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for configuration in args.configurations:
        depth, batch, size, last_stride = configuration.split(":")
        height, width = map(int, size.split("x"))
        load = os.getloadavg()[0]
        times, cpu = measure(int(depth), int(batch), height, width, int(last_stride), args.steps)
        print(
            json.dumps(
                {
                    "depth": int(depth),
                    "batch": int(batch),
                    "height": height,
                    "width": width,
                    "last_stride": int(last_stride),
                    "threads": args.threads,
                    "ms": round(statistics.median(times), 1),
                    "least": round(min(times), 1),
                    "greatest": round(max(times), 1),
                    "cpu": round(statistics.median(cpu), 1),
                    "load": round(load, 1),
                    "torch": torch.__version__,
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
