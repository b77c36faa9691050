"""Times PyTorch's training step of a ResNet with BNNeck, identity loss and batch-hard triplet loss, on a GPU.

    python scripts/bench/resnet_step_gpu.py [--steps 30] [--rows f32,tf32,amp,amp-nhwc] [DEPTH:BATCH:HEIGHTxWIDTH:LAST_STRIDE …]

The network, the losses and Adam are those of resnet_step.py. Rows: `f32` in full single precision, `tf32` with TF32 products and
convolutions, `amp` with bfloat16 autocast, `amp-nhwc` the same in channels-last layout. Needs torch and torchvision with CUDA.

Each step copies its batch from pinned host memory; steps are timed in blocks of five with the device waited for at the end of
each, after ten steps that are not counted (`--warmup`). Prints one JSON object per configuration and row: images per second and
milliseconds per step (medians over the blocks), and the most memory that tensors took.
"""

import argparse
import contextlib
import json
import statistics
import time

import torch
from resnet_step import Net, triplet
from torch import nn

BLOCK = 5


def measure(row, depth, batch, height, width, last_stride, steps, warmup, device):
    tf32 = row == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    layout = torch.channels_last if row.endswith("nhwc") else torch.contiguous_format
    torch.manual_seed(0)
    net = Net(str(depth), last_stride).to(device, memory_format=layout).train()
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=3.5e-4, weight_decay=5e-4)
    host = torch.randn(batch, 3, height, width)
    labels = (torch.arange(batch) // 4).to(device)
    cuda = device.type == "cuda"
    if cuda:
        host = host.pin_memory()
        torch.cuda.reset_peak_memory_stats()

    def step():
        x = host.to(device, non_blocking=True).contiguous(memory_format=layout)
        autocast = torch.autocast(device.type, torch.bfloat16) if row.startswith("amp") else contextlib.nullcontext()
        with autocast:
            features, logits = net(x)
        # Distances lose too much in half precision.
        features, logits = features.float(), logits.float()
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=0.1) + triplet(features, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss

    def block(count):
        start = time.perf_counter()
        for _ in range(count):
            loss = step()
        value = loss.item()  # Waits for the device, as tailor does for a line of its log.
        assert value == value, "the loss is not a number"
        return (time.perf_counter() - start) / count

    block(max(warmup, 1))
    seconds = [block(BLOCK) for _ in range(max(steps // BLOCK, 1))]
    return {
        "row": row,
        "depth": depth,
        "batch": batch,
        "height": height,
        "width": width,
        "last_stride": last_stride,
        "images_per_second": round(batch / statistics.median(seconds), 1),
        "ms": round(statistics.median(seconds) * 1000, 1),
        "least": round(min(seconds) * 1000, 1),
        "greatest": round(max(seconds) * 1000, 1),
        "tensors_mib": round(torch.cuda.max_memory_allocated() / 2**20) if cuda else None,
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if cuda else "cpu",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configurations", nargs="*", default=["50:64:256x128:1"])
    parser.add_argument("--rows", default="f32,tf32,amp,amp-nhwc")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--device", default="cuda", help="cpu only shows that the script works")
    args = parser.parse_args()
    for configuration in args.configurations:
        depth, batch, size, last_stride = configuration.split(":")
        height, width = map(int, size.split("x"))
        for row in args.rows.split(","):
            found = measure(
                row, int(depth), int(batch), height, width, int(last_stride), args.steps, args.warmup, torch.device(args.device)
            )
            print(json.dumps(found), flush=True)
            if args.device == "cuda":
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
