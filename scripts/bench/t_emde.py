"""Times the released code of SGRAF (the hosts of T-EMDE): the training step, or the scoring of encoded images and captions; or
PyTorch's self-attention by the number of tokens.

    python scripts/bench/t_emde.py CLONE [--device cpu] [--threads 2] [--warmup 1] [--steps 3] [--batch 128]
        [--score 100x500 [--blocks N] | --curve] [saf|sgr …]

CLONE is a clone of github.com/Paranioar/SGRAF (its commit: scripts/reference/clones.py), whose model.py is changed in memory only, so
that it runs on a CPU and on Python 3: one division of integers, and the loss's mask, which it defines on a GPU alone. The
counterpart of `cargo bench --bench t_emde_step`, with the same sizes: 36 random regions of 2048, captions of 8 to 21 words, evenly
spread, hardest negatives, gradients clipped at 2, Adam at 2e-4. `--score` scores in blocks of 100 × 100, with the global vectors
computed in every block, as the released evaluation does; `--blocks` times so many of them, evenly spread, and multiplies (`longer`
says by what). `--curve` times nn.MultiheadAttention (8 heads of 128, its fused kernel) and T-EMDE's equations on 36 to 4,096 tokens.

Prints one JSON object per head: milliseconds as median, least and greatest after the steps to warm up; `cpu`, the median of a step's
processor time over all threads divided by their number (what counts on a busy machine; set OMP_WAIT_POLICY=PASSIVE then, or waiting
threads count as busy); and the most memory that the process had, in MiB (so measure one head per process). `--device cuda` takes the
first GPU, in full single precision unless `--tf32` is there. Needs torch. `load` is the machine's load average before.
"""

import argparse
import json
import os
import resource
import statistics
import time
import types
from pathlib import Path

import torch
from torch import nn

WORDS, REGIONS, FEATURES = 8481, 36, 2048
CHANGES = [("cap_emb.size(2)/2", "cap_emb.size(2)//2"), ("        if torch.cuda.is_available():\n            I = mask.cuda()\n", "        I = mask.to(scores.device)\n")]


def reference(clone):
    source = (Path(clone) / "model.py").read_text()
    for old, new in CHANGES:
        assert old in source, f"model.py has no {old!r}: is this the commit that clones.py names?"
        source = source.replace(old, new)
    module = types.ModuleType("sgraf")
    exec(compile(source, "model.py", "exec"), module.__dict__)
    return module


def data(images, captions):
    torch.manual_seed(0)
    lengths = [8 + 14 * caption // captions for caption in reversed(range(captions))]
    ids = torch.zeros(captions, lengths[0], dtype=torch.long)
    for row, length in zip(ids, lengths):
        row[:length] = torch.randint(4, WORDS, (length,))
    return torch.randn(images, REGIONS, FEATURES), ids, lengths


class Quiet:
    def update(self, *_):
        pass


def network(module, head):
    options = argparse.Namespace(
        img_dim=FEATURES, embed_size=1024, no_imgnorm=False, vocab_size=WORDS, word_dim=300, num_layers=1, bi_gru=True, no_txtnorm=False,
        sim_dim=256, module_name=head.upper(), sgr_step=3, margin=0.2, max_violation=True, learning_rate=2e-4, grad_clip=2.0,
    )
    net = module.SGRAF(options)
    net.logger = Quiet()
    return net


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def measured(args, work):
    """Wall and processor milliseconds of each step after those to warm up."""
    wall, cpu = [], []
    for _ in range(args.warmup + args.steps):
        wait(args.device)
        start, start_cpu = time.perf_counter(), time.process_time()
        work()
        wait(args.device)
        wall.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - start_cpu) * 1000 / torch.get_num_threads())
    return wall[args.warmup :], cpu[args.warmup :]


def train(module, head, args):
    net = network(module, head)
    net.train_start()
    images, ids, lengths = data(args.batch, args.batch)
    return measured(args, lambda: net.train_emb(images, ids, lengths)), 1


BLOCK = 100


def spread(count, wanted):
    """Which blocks are timed: evenly spread, since captions grow shorter from the first to the last."""
    wanted = min(count, wanted or count)
    return [(2 * at + 1) * count // (2 * wanted) for at in range(wanted)]


@torch.no_grad()
def score(module, head, images, captions, args):
    net = network(module, head)
    net.val_start()
    torch.manual_seed(0)
    lengths = [8 + 14 * caption // captions for caption in reversed(range(captions))]
    # Encoded in blocks, as the released evaluation does, which is not timed.
    seen, read = [], []
    for start in range(0, max(images, captions), BLOCK):
        some = lengths[start : start + BLOCK]
        count = min(BLOCK, max(images - start, 0))
        ids = torch.randint(4, WORDS, (max(len(some), 1), max(some, default=1)))
        regions, words, _ = net.forward_emb(torch.randn(max(count, 1), REGIONS, FEATURES), ids, some or [1])
        if count:
            seen.append(regions)
        if some:
            read.append((words, some))
    count = len(seen) * len(read)
    timed = spread(count, args.blocks)

    def blocks():
        for at in timed:
            net.forward_sim(seen[at % len(seen)], *read[at // len(seen)])

    return measured(args, blocks), count / len(timed)


class TEmde(nn.Module):
    """T-EMDE's equations (src/nn/t_emde.rs) with 8 partitions of 7 hyperplanes."""

    def __init__(self):
        super().__init__()
        self.weight, self.offset = nn.Parameter(torch.randn(56, 1024)), nn.Parameter(torch.zeros(56))
        self.register_buffer("digits", torch.tensor([[(w >> (6 - k)) & 1 for w in range(128)] for k in range(7)], dtype=torch.float))

    def forward(self, x):
        sides = (x @ self.weight.T - self.offset).reshape(-1, 8, 7)
        sketch = (sides @ self.digits).softmax(-1).sum(0)
        return (nn.functional.normalize(sketch, dim=-1) / 8**0.5).flatten()


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(1024, 8, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0].mean(1)


def curve(args):
    for tokens in [36, 64, 128, 256, 512, 1024, 2048, 4096]:
        torch.manual_seed(0)
        x = nn.functional.normalize(torch.randn(1, tokens, 1024, device=args.device), dim=-1).requires_grad_()
        for name, kind in [("torch_t_emde", TEmde), ("torch_self_attention", Attention)]:
            layer = kind().to(args.device).train()

            def forward():
                with torch.no_grad():
                    layer(x)

            def both():
                layer(x).pow(3).sum().backward()

            forward, both = (round(statistics.median(measured(args, work)[0]), 3) for work in (forward, both))
            print(json.dumps({"what": "curve", "layer": name, "tokens": tokens, "forward_ms": forward, "both_ms": both}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clone")
    parser.add_argument("heads", nargs="*", default=["saf", "sgr"])
    parser.add_argument("--device", type=torch.device, default="cpu")
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--blocks", type=int)
    parser.add_argument("--curve", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--score")
    # The heads may stand behind options.
    args = parser.parse_intermixed_args()
    torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.tf32
    if args.device.type == "cpu":
        # The released code asks no further.
        torch.cuda.is_available = lambda: False
    if args.curve:
        curve(args)
        return
    module = reference(args.clone)
    for head in args.heads:
        load = os.getloadavg()[0]
        if args.score:
            shape = [int(n) for n in args.score.split("x")]
            (times, cpu), longer = score(module, head, *shape, args)
        else:
            shape = [args.batch, args.batch]
            (times, cpu), longer = train(module, head, args)
        found = {
            "what": f"{'score ' if args.score else ''}{head}",
            "images": shape[0],
            "captions": shape[1],
            "threads": args.threads,
            "ms": round(statistics.median(times) * longer, 1),
            "least": round(min(times) * longer, 1),
            "greatest": round(max(times) * longer, 1),
            "cpu": round(statistics.median(cpu) * longer, 1),
            "longer": longer,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "load": round(load, 1),
            "torch": torch.__version__,
        }
        if args.device.type == "cuda":
            found["tensors_mib"] = torch.cuda.max_memory_allocated() >> 20
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
