"""Times the released code of SGRAF (the hosts of T-EMDE) on the CPU: the training step, or the scoring of encoded images and captions.

    python scripts/bench/t_emde.py CLONE [--threads 2] [--steps 3] [--batch 128] [--score 100x500] [saf|sgr …]

CLONE is a clone of github.com/Paranioar/SGRAF (its commit: scripts/reference/clones.py), whose model.py is changed in memory only, so
that it runs on a CPU and on Python 3: one division of integers, and the loss's mask, which it defines on a GPU alone. The
counterpart of `cargo bench --bench t_emde_step`, with the same sizes: 36 random regions of 2048, captions of 8 to 21 words, evenly
spread, hardest negatives, gradients clipped at 2, Adam at 2e-4. Prints one JSON object per head: milliseconds as median, least and
greatest after one step that is not counted, and the most memory that the process had, in MiB (so measure one head per process).
Needs torch. Quiet the machine first: `load` is its load average before.
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

WORDS, REGIONS, FEATURES = 8481, 36, 2048
CHANGES = [("cap_emb.size(2)/2", "cap_emb.size(2)//2"), ("        if torch.cuda.is_available():\n            I = mask.cuda()\n", "        I = mask\n")]


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


def train(module, head, batch, steps):
    net = network(module, head)
    net.train_start()
    images, ids, lengths = data(batch, batch)
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        net.train_emb(images, ids, lengths)
        times.append((time.perf_counter() - start) * 1000)
    return times[1:]


@torch.no_grad()
def score(module, head, images, captions, steps):
    net = network(module, head)
    net.val_start()
    regions, ids, lengths = data(images, captions)
    regions, words, lengths = net.forward_emb(regions, ids, lengths)
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        # Blocks of 100 × 100, as the released evaluation scores them.
        for i in range(0, images, 100):
            for c in range(0, captions, 100):
                net.forward_sim(regions[i : i + 100], words[c : c + 100], lengths[c : c + 100])
        times.append((time.perf_counter() - start) * 1000)
    return times[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clone")
    parser.add_argument("heads", nargs="*", default=["saf", "sgr"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--score")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    module = reference(args.clone)
    for head in args.heads:
        load = os.getloadavg()[0]
        if args.score:
            shape = [int(n) for n in args.score.split("x")]
            times = score(module, head, *shape, args.steps)
        else:
            shape = [args.batch, args.batch]
            times = train(module, head, args.batch, args.steps)
        print(
            json.dumps(
                {
                    "what": f"{'score ' if args.score else ''}{head}",
                    "images": shape[0],
                    "captions": shape[1],
                    "threads": args.threads,
                    "ms": round(statistics.median(times), 1),
                    "least": round(min(times), 1),
                    "greatest": round(max(times), 1),
                    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                    "load": round(load, 1),
                    "torch": torch.__version__,
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
