"""Trains SGRAF's own code and tailor on the same small files, in the same settings, over several seeds, and lays their figures side by side.

    python scripts/reference/t_emde_learn.py --clones FOLDER --tailor target/release/tailor --out FOLDER
        [--heads saf,sgr] [--seeds 1,2,3] [--epochs 10] [--only ours|theirs]        (requirements.txt, clones.py)

Implementation: Paranioar/SGRAF: model.py (networks, loss, optimiser, training step), data.py (files, batches), evaluation.py (encoding,
scores, i2t, t2i). Changed in memory, so that they run on a CPU and on Python 3: two divisions of integers, the loss's mask, which is
defined on a GPU alone, the `.cuda()` of the evaluation and its indexing by a tuple, the decoding of captions, and NLTK's tokeniser, which
wants a download (the captions are lower-case words between spaces: it would only split them). The loop over epochs and the falling rate
are train.py's, written here again without its log.

The world is that of the layer's learning test, at the hosts' number of regions: 60 concepts are normal vectors of 32 numbers; an image
shows 5 of them, each region one of the five under noise of NOISE; each of its 5 captions names 3 of the five among 3 of 8 other words. 500
images to train on, 20 for dev, 100 to test (chance: rsum 32). OUT/data gets it in the published layout.

Both train from weights that each draws by the same rules, in an order that each draws by itself, with Adam, hardest negatives, clipping
and dropout as published; dimensions, batch and rate are SETTINGS. In so small a world tailor stands on the plateau of the hardest negatives
for 25 epochs and more (0.400 a pair), so both begin with its warm-up: for WARM_UP epochs the mean of all hinges, which is the reference's
own `max_violation=False` divided. The epochs are few, so that recalls stay below 100. Both are measured with their last weights. They share
nothing but the files, so they are to agree in distribution. OUT/learn.json has each run.
"""

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np

CONCEPTS, FILLERS, SHOWN, NAMED, DIM, REGIONS = 60, 8, 5, 3, 32, 36
SPLITS = {"train": 500, "dev": 20, "test": 100}
SETTINGS = {"dim": 64, "similarity_dim": 32, "word_dim": 32, "batch": 64, "lr": 2e-3}
NOISE, WARM_UP = 0.6, 6
# The published schedules fall once, after two or three quarters.
FALL = 0.75


def write_world(folder):
    folder.mkdir(parents=True)
    random = np.random.default_rng(1)
    concepts = random.normal(size=(CONCEPTS, DIM))
    words = ["<pad>", "<start>", "<end>", "<unk>"] + [f"thing{i}" for i in range(CONCEPTS)] + [f"filler{i}" for i in range(FILLERS)]
    for split, images in SPLITS.items():
        features, captions = [], []
        for _ in range(images):
            shown = random.permutation(CONCEPTS)[:SHOWN]
            features.append(concepts[shown[np.arange(REGIONS) % SHOWN]] + NOISE * random.normal(size=(REGIONS, DIM)))
            for _ in range(5):
                named = [f"thing{concept}" for concept in random.permutation(shown)[:NAMED]]
                named += [f"filler{filler}" for filler in random.integers(FILLERS, size=3)]
                captions.append(" ".join(random.permutation(named)))
        np.save(folder / f"{split}_ims.npy", np.array(features, dtype="float32"))
        (folder / f"{split}_caps.txt").write_text("\n".join(captions) + "\n")
    numbers = {word: number for number, word in enumerate(words)}
    vocabulary = {"word2idx": numbers, "idx2word": {str(n): w for w, n in numbers.items()}, "idx": len(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary) + "\n")


def patched(clones, file, changes, scope):
    """One file of the clone as a module, with `changes` in its text and `scope` in the place of what it imports from its neighbours."""
    source = (Path(clones) / "SGRAF" / file).read_text()
    for old, new in changes:
        assert old in source, f"{file} has no {old!r}: is this the commit that clones.py names?"
        source = source.replace(old, new)
    module = types.ModuleType(file.removesuffix(".py"))
    module.__dict__.update(scope)
    exec(compile(source, file, "exec"), module.__dict__)
    return module


def reference(clones):
    from sgraf import reference as model

    data = patched(
        clones,
        "data.py",
        [("import nltk\n", ""), ("index/self.im_div", "index//self.im_div"), ("nltk.tokenize.word_tokenize(", "str.split("), ("str(caption).lower().decode('utf-8')", "caption.decode('utf-8').lower()")],
        {},
    )
    imports = ["from data import get_test_loader\n", "from vocab import Vocabulary, deserialize_vocab\n", "from model import SGRAF\n"]
    evaluation = patched(clones, "evaluation.py", [(line, "") for line in imports] + [(".float().cuda()", ".float()"), ("img_embs[ids]", "img_embs[list(ids)]")], {})
    # It writes a line for every block.
    evaluation.sys = types.SimpleNamespace(stdout=types.SimpleNamespace(write=lambda _: None))
    return model(clones), data, evaluation


class Vocabulary(dict):
    def __call__(self, word):
        return self.get(word, self["<unk>"])


class Log:
    """What model.py tells its logger: the loss of each batch."""

    def __init__(self):
        self.loss, self.pairs = 0.0, 0

    def update(self, key, value, count=0):
        if key == "Loss":
            self.loss, self.pairs = self.loss + value, self.pairs + count


def theirs(modules, folder, head, seed, epochs):
    import torch

    model, data, evaluation = modules
    torch.manual_seed(seed)
    vocabulary = Vocabulary(json.loads((folder / "vocab.json").read_text())["word2idx"])
    opt = argparse.Namespace(
        img_dim=DIM, embed_size=SETTINGS["dim"], no_imgnorm=False, vocab_size=len(vocabulary), word_dim=SETTINGS["word_dim"], num_layers=1,
        bi_gru=True, no_txtnorm=False, sim_dim=SETTINGS["similarity_dim"], module_name=head.upper(), sgr_step=3, margin=0.2,
        max_violation=True, learning_rate=SETTINGS["lr"], grad_clip=2.0,
    )
    net = model.SGRAF(opt)
    loader = lambda split, batch, shuffle: torch.utils.data.DataLoader(
        data.PrecompDataset(str(folder), split, vocabulary), batch_size=batch, shuffle=shuffle, collate_fn=data.collate_fn
    )
    train = loader("train", SETTINGS["batch"], True)
    hardest, every = net.criterion, model.ContrastiveLoss(margin=0.2, max_violation=False)
    # tailor's warm-up, of the reference's own sum of all hinges.
    warm = lambda scores: every(scores) / max(len(scores) - 1, 1)
    losses = []
    for epoch in range(epochs):
        for group in net.optimizer.param_groups:
            group["lr"] = SETTINGS["lr"] * 0.1 ** (epoch // int(FALL * epochs))
        net.criterion = warm if epoch < WARM_UP else hardest
        net.logger = Log()
        for batch in train:
            net.train_start()
            net.train_emb(*batch)
        losses.append(round(net.logger.loss / net.logger.pairs, 4))
    images, captions, lengths = evaluation.encode_data(net, loader("test", 100, False))
    images = images[::5]
    scores = evaluation.shard_attn_scores(net, images, captions, lengths, opt)
    recalls = [figures[k] for figures in (evaluation.i2t(images, captions, lengths, scores), evaluation.t2i(images, captions, lengths, scores)) for k in range(3)]
    return {"recalls": recalls, "losses": losses}


def ours(program, out, head, seed, epochs):
    # Another name for another call: tailor overwrites no run.
    run = next(name for n in itertools.count() if not (out / "checkpoints" / (name := f"{head}-{seed}-{n}")).exists())
    sets = {
        "data.root": "data", "data.vocabulary": "data/vocab.json", "data.batch": SETTINGS["batch"], "model.dim": SETTINGS["dim"],
        "model.similarity_dim": SETTINGS["similarity_dim"], "model.word_dim": SETTINGS["word_dim"], "optimizer.lr": SETTINGS["lr"],
        "schedule.milestones": f"[{int(FALL * epochs)}]", "loss.warmup_epochs": WARM_UP, "train.epochs": epochs, "train.seed": seed, "train.finish": "last",
        "train.evaluate_every": 0, "train.log_every": 1, "eval.resamples": 10,
    }
    args = [program, "train", f"sgraf-{head}-f30k", "--device", "cpu", "--run", run, "--json"]
    args += [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    done = subprocess.run(args, cwd=out, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    report = json.loads(done.stdout)
    protocols = {p["protocol"]: p["metrics"] for p in [report, *report["also"]]}
    recalls = [100 * protocols[way][f"recall@{k}"]["value"] for way in ("i2t", "t2i") for k in (1, 5, 10)]
    epochs_of = {}
    for line in (out / "checkpoints" / run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        if "loss" in record:
            # `epoch` is how many are done; the last batch of one may be smaller.
            epochs_of.setdefault(math.ceil(record["epoch"] - 1e-6), []).append(record["loss"])
    pairs = 5 * SPLITS["train"]
    return {"recalls": recalls, "losses": [round(sum(of) / pairs, 4) for _, of in sorted(epochs_of.items())]}


def compare(runs, heads):
    print("rsum over seeds: mean, standard deviation; their difference with its standard error")
    for head in heads:
        sums = {side: [sum(run["recalls"]) for run in runs if (run["head"], run["side"]) == (head, side)] for side in ("theirs", "ours")}
        if min(len(values) for values in sums.values()) < 2:
            continue
        line = []
        for side, values in sums.items():
            line.append(f"{side} {statistics.mean(values):.1f} ± {statistics.stdev(values):.1f} ({', '.join(f'{v:.1f}' for v in values)})")
        off = statistics.mean(sums["ours"]) - statistics.mean(sums["theirs"])
        error = math.sqrt(sum(statistics.variance(values) / len(values) for values in sums.values()))
        print(f"{head}: {'; '.join(line)}; {off:+.1f} ± {error:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clones", required=True)
    parser.add_argument("--tailor", default="tailor")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--heads", default="saf,sgr")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--only", choices=["ours", "theirs"])
    args = parser.parse_args()
    heads, seeds = args.heads.split(","), [int(seed) for seed in args.seeds.split(",")]
    folder, record = args.out / "data", args.out / "learn.json"
    if not folder.exists():
        write_world(folder)
    runs = json.loads(record.read_text()) if record.exists() else []
    modules = None if args.only == "ours" else reference(args.clones)
    program = os.path.abspath(args.tailor) if os.sep in args.tailor else args.tailor
    for seed in seeds:
        for head in heads:
            for side in [args.only] if args.only else ["ours", "theirs"]:
                start = time.time()
                found = ours(program, args.out, head, seed, args.epochs) if side == "ours" else theirs(modules, folder, head, seed, args.epochs)
                runs.append({"head": head, "seed": seed, "side": side, "epochs": args.epochs, "seconds": round(time.time() - start), **found})
                record.write_text(json.dumps(runs) + "\n")
                recalls = " ".join(f"{r:.1f}" for r in found["recalls"])
                print(f"{head} {seed} {side}: rsum {sum(found['recalls']):.1f} ({recalls}), loss a pair {found['losses'][0]} to {found['losses'][-1]}, {runs[-1]['seconds']} s", flush=True)
    compare(runs, heads)


if __name__ == "__main__":
    main()
