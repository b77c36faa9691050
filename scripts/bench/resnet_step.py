"""Times PyTorch's training step of a ResNet (or mobilenet-v2, efficientnet-b0, efficientnet-lite0) with BNNeck, identity loss and batch-hard triplet loss, on the CPU.

    python scripts/bench/resnet_step.py [--threads 2] [--steps 5] [NET:BATCH:HEIGHTxWIDTH:LAST_STRIDE …]

Needs torch and torchvision, and timm for efficientnet-lite0 (measured with 2.15.0 and 0.29.2). Prints one JSON object per configuration: milliseconds per step (forward,
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
    def __init__(self, net, last_stride):
        super().__init__()
        if net in ("18", "50"):
            trunk = {"18": torchvision.models.resnet18, "50": torchvision.models.resnet50}[net]()
            if last_stride == 1:
                block = trunk.layer4[0]
                (block.conv2 if net == "50" else block.conv1).stride = (1, 1)
                block.downsample[0].stride = (1, 1)
            dim = trunk.fc.in_features
            trunk.fc = nn.Identity()
        elif net == "efficientnet-lite0":
            import timm

            trunk, dim = timm.models.tf_efficientnet_lite0(num_classes=0, drop_path_rate=0.2), 1280
        else:
            trunk, dim = {"mobilenet-v2": torchvision.models.mobilenet_v2, "efficientnet-b0": torchvision.models.efficientnet_b0}[net](), 1280
            trunk.classifier = nn.Identity()
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


def measure(net, batch, height, width, last_stride, steps):
    torch.manual_seed(0)
    net = Net(net, last_stride).train()
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
        net, batch, size, last_stride = configuration.split(":")
        height, width = map(int, size.split("x"))
        load = os.getloadavg()[0]
        times, cpu = measure(net, int(batch), height, width, int(last_stride), args.steps)
        print(
            json.dumps(
                {
                    "net": net,
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
