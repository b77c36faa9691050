"""Makes tests/fixtures/sgraf_tiny/: small checkpoints of SGRAF as its train.py saves them, features, captions, and the figures that its
evaluation.py computes of them.

    python scripts/reference/sgraf_checkpoint.py --clones FOLDER        (requirements.txt, clones.py)

Implementation: Paranioar/SGRAF, model.py (made to run on a CPU as in sgraf.py; 32 and 16 dimensions, 36 regions of 16) and evaluation.py
(i2t, t2i). Weights are drawn, not trained: the figures are near chance, but their ranks are those of every single score.

saf.pth.tar, sgr.pth.tar: {epoch, model: [image, text, similarity], best_rsum, opt, Eiters}. test_ims.npy [12, 36, 16], test_caps.txt, 60
lines, vocab.json. figures.json: {saf, sgr, mean of both} -> {i2t, t2i} -> [R@1, R@5, R@10, median rank, mean rank].
"""

import argparse
import ast
import json
from pathlib import Path

import numpy as np
import torch

from sgraf import FIXTURES, reference

OUT = FIXTURES / "sgraf_tiny"
IMAGES, REGIONS, IMAGE_DIM, DIM, SIMILARITY, WORD_DIM = 12, 36, 16, 32, 16, 16
WORDS = ["<pad>", "<start>", "<end>", "<unk>"] + [f"word{i}" for i in range(20)]


def ranking(clones):
    """i2t and t2i alone: the module imports what they do not need."""
    tree = ast.parse((Path(clones) / "SGRAF" / "evaluation.py").read_text())
    wanted = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in ("i2t", "t2i")]
    scope = {"np": np}
    exec(compile(ast.Module(wanted, []), "evaluation.py", "exec"), scope)
    return scope["i2t"], scope["t2i"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clones", required=True)
    clones = parser.parse_args().clones
    module, (i2t, t2i) = reference(clones), ranking(clones)
    OUT.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    features = random.normal(size=(IMAGES, REGIONS, IMAGE_DIM)).astype("float32")
    np.save(OUT / "test_ims.npy", features)
    captions = [[int(word) for word in random.integers(4, len(WORDS), size=random.integers(2, 9))] for _ in range(5 * IMAGES)]
    # A word that the vocabulary lacks.
    captions[7][1] = 3
    text = [" ".join("unheard" if word == 3 else WORDS[word] for word in caption) for caption in captions]
    (OUT / "test_caps.txt").write_text("\n".join(text) + "\n")
    numbers = {word: number for number, word in enumerate(WORDS)}
    vocabulary = {"word2idx": numbers, "idx2word": {str(n): w for w, n in numbers.items()}, "idx": len(WORDS)}
    (OUT / "vocab.json").write_text(json.dumps(vocabulary) + "\n")
    figures, scores = {}, []
    for head in ["SAF", "SGR"]:
        torch.manual_seed(1)
        opt = argparse.Namespace(
            grad_clip=2.0, img_dim=IMAGE_DIM, embed_size=DIM, no_imgnorm=False, vocab_size=len(WORDS), word_dim=WORD_DIM, num_layers=1,
            bi_gru=True, no_txtnorm=False, sim_dim=SIMILARITY, module_name=head, sgr_step=3, margin=0.2, max_violation=True,
            learning_rate=2e-4,
        )
        model = module.SGRAF(opt)
        with torch.no_grad():
            # Scores that differ, and statistics that are not those of the beginning.
            model.sim_enc.sim_eval_w.weight.mul_(20)
            for name, value in [*model.img_enc.named_buffers(), *model.sim_enc.named_buffers()]:
                if name.endswith("running_mean"):
                    value.normal_(std=0.1)
                if name.endswith("running_var"):
                    value.uniform_(0.5, 1.5)
        state = {"epoch": 3, "model": model.state_dict(), "best_rsum": 1.5, "opt": opt, "Eiters": 7}
        torch.save(state, OUT / f"{head.lower()}.pth.tar")
        model.val_start()
        matrix = np.zeros((IMAGES, len(captions)))
        with torch.no_grad():
            regions = model.img_enc(torch.from_numpy(features))
            for number, caption in enumerate(captions):
                ids = torch.tensor([[1, *caption, 2]])
                words = model.txt_enc(ids, [ids.shape[1]])
                matrix[:, number] = model.sim_enc(regions, words, [ids.shape[1]])[:, 0].numpy()
        scores.append(matrix)
        print(head, "scores", matrix.min(), "to", matrix.max(), "closest", np.diff(np.sort(matrix, axis=1), axis=1).min())
    for name, matrix in [("saf", scores[0]), ("sgr", scores[1]), ("mean", (scores[0] + scores[1]) / 2)]:
        ways = {"i2t": i2t, "t2i": t2i}
        figures[name] = {way: [float(x) for x in rank(features, None, None, matrix)] for way, rank in ways.items()}
        print(name, figures[name])
    (OUT / "figures.json").write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
