"""Exports matchers and holds their graphs and weights against ONNX Runtime and against SGRAF's released code.

    cargo build --release
    python scripts/reference/onnx_pairs_check.py target/release/tailor --clones FOLDER        (requirements.txt, clones.py)

For SAF and SGR, each with T-EMDE, the hosts' self-attention and the mean, small (64 and 16 dimensions, 36 regions of 16): a few training
steps on drawn features and captions, then

- `tailor export --format safetensors`, whose card's own lines make a checkpoint; the released code (model.py, made to run on a CPU as in
  sgraf.py) makes its model of the checkpoint's options and loads the three state dicts strictly. In the place of self-attention it is
  given the other global vectors, written down here anew from their equations, because it has no module for them;
- `tailor export --format onnx` (which runs the graphs in tract itself), checked whole by onnx.checker, run by ONNX Runtime on random
  features and captions of several lengths, images and captions in one batch and one by one;
- both against each other: vectors and scores within 1e-5, and scores within a hundredth of what lies between the highest and the lowest.

The same again with f16 weights, against its own rounding (2e-2). Then the small checkpoints of tests/fixtures/sgraf_tiny, whose scores
differ widely, are exported from their own files: their state dicts must come back entry by entry.
"""

import argparse
import json
import math
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.torch import load_file

from sgraf import FIXTURES, reference

REGIONS, FEATURES, DIM, WORDS = 36, 16, 64, 40
LIMIT, HALF = 1e-5, 2e-2

RECIPE = """
extends = "t-emde-saf-f30k"
replaces = ["schedule"]

[data]
root = "pairs"
vocabulary = "pairs/vocab.json"
batch = 20

[model]
module = "{module}"
pooling = "{pooling}"
dim = 64
similarity_dim = 16
word_dim = 32
t_emde = {{ partitions = 8, bits = 4 }}

[optimizer]
lr = 1e-2

[schedule]
kind = "constant"

[train]
epochs = 2

[eval]
resamples = 20
"""


def draw(folder):
    """Splits of the published layout and their vocabulary."""
    random = np.random.default_rng(0)
    words = ["<pad>", "<start>", "<end>", "<unk>"] + [f"word{number}" for number in range(WORDS - 4)]
    (folder / "pairs").mkdir()
    for split, count in [("train", 60), ("dev", 10), ("test", 10)]:
        np.save(folder / "pairs" / f"{split}_ims.npy", random.normal(size=(count, REGIONS, FEATURES)).astype("float32"))
        lines = [" ".join(random.choice(words[4:], size=random.integers(2, 12))) for _ in range(5 * count)]
        (folder / "pairs" / f"{split}_caps.txt").write_text("\n".join(lines) + "\n")
    numbers = {word: number for number, word in enumerate(words)}
    (folder / "pairs" / "vocab.json").write_text(json.dumps({"word2idx": numbers}))


class Mean(torch.nn.Module):
    """The mean of the tokens, of length 1."""

    def forward(self, local, _whole):
        mean = local.mean(dim=1)
        return mean / (mean.norm(dim=1, keepdim=True) + 1e-8)


class Sketch(torch.nn.Module):
    """T-EMDE's equations T1 to T5 (src/nn/t_emde.rs). Its tensors are no entries of the state dict."""

    def __init__(self, weight, offset, partitions):
        super().__init__()
        self.plain = (weight, offset, partitions)

    def forward(self, local, _whole):
        weight, offset, partitions = self.plain
        bits = len(weight) // partitions
        z = (local @ weight.T - offset).unflatten(2, (partitions, bits))
        # The product of soft bits, most significant first: not the softmax by which it is computed there.
        memberships = torch.ones(*z.shape[:3], 1)
        for bit in range(bits):
            one = torch.sigmoid(z[..., bit:bit + 1])
            memberships = torch.stack([memberships * (1 - one), memberships * one], dim=-1).flatten(3)
        counts = memberships.sum(dim=1)
        rows = counts / (counts.norm(dim=2, keepdim=True) + 1e-8)
        return rows.flatten(1) / math.sqrt(partitions)


def host(module, folder, pooling):
    """The released code's model with the exported weights, loaded strictly."""
    card = json.loads((folder / "m.json").read_text())
    here = os.getcwd()
    os.chdir(folder)
    try:
        exec("\n".join(card["released"]["script"]), {})
    finally:
        os.chdir(here)
    checkpoint = torch.load(folder / "m.pth.tar", weights_only=False)
    model = module.SGRAF(checkpoint["opt"])
    if pooling != "self_attention":
        own = {name: t.float() for name, t in load_file(folder / "m.safetensors").items() if not name.startswith("model.")}
        assert sorted(own) == sorted(card["released"]["lacks"])
        pool = Mean()
        if pooling == "t_emde":
            pool = Sketch(own["similarity.global.sketch.weight"], own["similarity.global.sketch.offset"], 8)
            model.sim_enc.sim_tranglo_w = torch.nn.Linear(8 * 16, 16)
        model.sim_enc.v_global_w = model.sim_enc.t_global_w = pool
    states = checkpoint["model"]
    for encoder, state in zip([model.img_enc, model.txt_enc, model.sim_enc], states):
        assert not set(encoder.state_dict()) ^ set(state), set(encoder.state_dict()) ^ set(state)
        encoder.load_state_dict(state)
    model.val_start()
    return model


def by_host(model, features, ids, lengths):
    """Regions, words, scores. It wants captions by their lengths, the longest first."""
    order = np.argsort(-lengths, kind="stable")
    with torch.no_grad():
        regions = model.img_enc(torch.from_numpy(features))
        words = model.txt_enc(torch.from_numpy(ids[order]), lengths[order].tolist())
        scores = model.sim_enc(regions, words, lengths[order].tolist())
    back = np.argsort(order)
    return regions.numpy(), words.numpy()[back], scores.numpy()[:, back]


class Graphs:
    """The three files."""

    def __init__(self, folder):
        def load(name):
            path = str(folder / f"{name}.onnx")
            onnx.checker.check_model(path, full_check=True)
            return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

        self.image, self.text, self.score = load("image"), load("text"), load("score")

    def run(self, features, ids, lengths):
        """Regions, words, scores, logits."""
        regions, image = self.image.run(None, {"features": features})
        words, caption = self.text.run(None, {"ids": ids, "lengths": lengths})
        taken = {"regions": regions, "image": image, "words": words, "caption": caption, "lengths": lengths}
        logit, score = self.score.run(None, taken)
        return regions, words, score, logit


def check(tailor, module, head, pooling):
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        draw(folder)
        (folder / "recipe.toml").write_text(RECIPE.format(module=head, pooling=pooling))

        def call(*arguments):
            done = subprocess.run([tailor, *arguments], cwd=folder, capture_output=True, text=True)
            if done.returncode != 0:
                raise SystemExit(f"{head} {pooling}: tailor {' '.join(arguments)} failed:\n{done.stderr}")
            return done.stderr

        call("train", "recipe.toml", "--device", "cpu", "--run", "run")
        random = np.random.default_rng(1)
        features = random.normal(size=(5, REGIONS, FEATURES)).astype("float32")
        lengths = np.array([7, 12, 3, 9, 3, 20])
        ids = np.zeros((len(lengths), lengths.max() + 2), dtype=np.int64)
        for row, length in zip(ids, lengths):
            row[:length] = [1, *random.integers(3, WORDS, size=length - 2), 2]
        for dtype, limit in [("f32", LIMIT), ("f16", HALF)]:
            call("export", "run", "--format", "safetensors", "--out", "m.safetensors", "--force", "--dtype", "f32")
            said = call("export", "run", "--format", "onnx", "--out", "graphs", "--force", "--dtype", dtype)
            graphs = Graphs(folder / "graphs")
            regions, words, scores, logits = graphs.run(features, ids, lengths)
            model = host(module, folder, pooling)
            theirs = by_host(model, features, ids[:, :lengths.max()], lengths)
            found = {
                "regions": np.abs(regions - theirs[0]).max(),
                "words": np.abs(words[:, :lengths.max()] * (np.arange(lengths.max()) < lengths[:, None])[..., None]
                                - theirs[1] * (np.arange(lengths.max()) < lengths[:, None])[..., None]).max(),
                "scores": np.abs(scores - theirs[2]).max(),
            }
            one_by_one = np.array([
                [graphs.run(features[i:i + 1], ids[c:c + 1, :length], lengths[c:c + 1])[3][0, 0] for c, length in enumerate(lengths)]
                for i in range(len(features))
            ])
            batches = np.abs(one_by_one - logits).max()
            sigmoid = np.abs(1 / (1 + np.exp(-logits)) - scores).max()
            compared = next(line for line in said.splitlines() if line.startswith("compare")).split(": ")[-1]
            print(f"{head} {pooling} {dtype}: " + ", ".join(f"{name} {value:.1e}" for name, value in found.items())
                  + f" from SGRAF; scores {scores.min():.4f} to {scores.max():.4f}; logits one by one {batches:.1e}; {compared}")
            spread = scores.max() - scores.min()
            if not max(*found.values(), sigmoid) <= limit or not batches <= 1e-4 or (dtype == "f32" and found["scores"] > 0.01 * spread):
                raise SystemExit(f"{head} {pooling} {dtype} differs")


def check_released(tailor, module, head):
    """A checkpoint of the released code, exported from its own file."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        tiny = FIXTURES / "sgraf_tiny"
        text = RECIPE.format(module=head, pooling="self_attention").replace("dim = 64", "dim = 32").replace("word_dim = 32", "word_dim = 16")
        (folder / "recipe.toml").write_text(text)
        sets = ["--set", f"data.root={tiny}", "--set", f"data.vocabulary={tiny / 'vocab.json'}", "--weights", str(tiny / f"{head}.pth.tar")]
        for form, out in [("safetensors", "m.safetensors"), ("onnx", "graphs")]:
            done = subprocess.run([tailor, "export", "recipe.toml", "--format", form, "--out", out, *sets], cwd=folder, capture_output=True, text=True)
            if done.returncode != 0:
                raise SystemExit(f"{head}: {done.stderr}")
        theirs = torch.load(tiny / f"{head}.pth.tar", weights_only=False)["model"]
        ours = load_file(folder / "m.safetensors")
        named = {f"model.{number}.{name}": t for number, state in enumerate(theirs) for name, t in state.items()}
        assert set(ours) == set(named), set(ours) ^ set(named)
        for name, t in named.items():
            assert name.endswith("num_batches_tracked") or torch.equal(ours[name], t), name
        random = np.random.default_rng(1)
        features = random.normal(size=(5, REGIONS, FEATURES)).astype("float32")
        lengths = np.array([7, 12, 3, 9, 3, 20])
        ids = random.integers(4, 24, size=(len(lengths), lengths.max()))
        scores, logits = Graphs(folder / "graphs").run(features, ids, lengths)[2:]
        expected = by_host(host(module, folder, "self_attention"), features, ids, lengths)[2]
        found = np.abs(scores - expected).max()
        compared = next(line for line in done.stderr.splitlines() if line.startswith("compare")).split(": ")[-1]
        print(f"{head} released: {len(named)} entries the same; scores {found:.1e} from SGRAF, {scores.min():.4f} to {scores.max():.4f}; "
              f"logits {logits.min():.2f} to {logits.max():.2f}; {compared}")
        if not found <= LIMIT:
            raise SystemExit(f"{head} released differs")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tailor")
    parser.add_argument("--clones", required=True)
    arguments = parser.parse_args()
    tailor, module = str(pathlib.Path(arguments.tailor).resolve()), reference(arguments.clones)
    for head in ["saf", "sgr"]:
        for pooling in ["t_emde", "self_attention", "mean"]:
            check(tailor, module, head, pooling)
        check_released(tailor, module, head)


if __name__ == "__main__":
    main()
