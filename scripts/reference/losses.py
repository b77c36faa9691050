"""Makes tests/fixtures/losses.{safetensors,json}: losses and their gradients, as independent implementations compute them.

    python scripts/reference/losses.py --clones FOLDER        (requirements.txt, clones.py)

Implementations, named by each case's `source`:
    baseline     michuanhaohao/reid-strong-baseline, layers/
    ctl          mikwieczorek/centroids-reid, losses/, and the training step of train_ctl_model.py, run on given features
    fastreid     JDAI-CV/fast-reid, fastreid/modeling/losses/
    pml          the package pytorch-metric-learning
    torch        torch.nn.functional
    brute force  loops over the definition in this file, in f64: where no implementation of that form is published

Format. losses.json lists the cases: `name`, `kind` (label_smoothing, triplet, centroid_triplet, center, quadruplet, ctl_objective), the
kind's settings, `source`. losses.safetensors holds `NAME.features` [rows, d] (logits for label_smoothing), `NAME.labels` (i32),
`NAME.real` (u8), `NAME.loss` [1], `NAME.grad` (of the features or logits), and for some kinds `NAME.centers`, `NAME.centers_grad`.

ctl_objective is one whole training step of the reference: `features` stands for the backbone's output, `classifier` and `bn_weight` for
the neck (its bias is 0); `id`, `triplet`, `center`, `centroid` are the weighted parts, `loss` their sum, `grad`, `classifier_grad`,
`bn_weight_grad` its gradients, `centers_grad` the gradient that the centres' optimiser sees.
"""

import argparse
import copy
import json
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from einops import rearrange, repeat
from pytorch_metric_learning import distances, losses, miners, reducers
from safetensors.torch import save_file

from clones import function, load

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"


class Cases:
    def __init__(self):
        self.tensors, self.meta = {}, []

    def add(self, name, kind, source, loss, inputs, real=None, **settings):
        """`inputs` by name, those that require gradients get `_grad`; `loss` is a scalar whose graph leads to them."""
        loss.backward()
        labels = inputs["labels"]
        real = torch.ones(len(labels), dtype=torch.bool) if real is None else real
        record = {"labels": labels.to(torch.int32), "real": real.to(torch.uint8), "loss": loss.detach().reshape(1).float()}
        for key, value in inputs.items():
            if key == "labels":
                continue
            record[key] = value.detach().float()
            if value.grad is not None:
                record["grad" if key == "features" else f"{key}_grad"] = value.grad.detach().float()
        self.tensors |= {f"{name}.{key}": value.clone().contiguous() for key, value in record.items()}
        self.meta.append({"name": name, "kind": kind, "source": source, **settings})
        assert all(torch.isfinite(v).all() for v in record.values() if v.is_floating_point()), name
        print(f"{name} ({source}): {loss.item():.6f}")


def leaf(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).requires_grad_()


def classes(p, k):
    return torch.arange(p).repeat_interleave(k)


def label_smoothing(cases, clones):
    baseline = load(clones, "reid-strong-baseline/layers/triplet_loss.py")
    for epsilon, rows, count in [(0.1, 12, 7), (0.0, 5, 3), (0.3, 8, 40)]:
        logits, labels = leaf(rows, count, scale=3), torch.randint(count, (rows,))
        real = torch.rand(rows) < 0.7
        real[0] = True
        ours = baseline.CrossEntropyLabelSmooth(count, epsilon=epsilon, use_gpu=False)
        inputs = {"features": logits, "labels": labels}
        cases.add(f"smooth_{epsilon}", "label_smoothing", "baseline", ours(logits[real], labels[real]), inputs, real, epsilon=epsilon)
    logits, labels = leaf(16, 11, scale=2), torch.randint(11, (16,))
    loss = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    cases.add("smooth_torch", "label_smoothing", "torch", loss, {"features": logits, "labels": labels}, epsilon=0.1)


def triplet(cases, clones):
    baseline = load(clones, "reid-strong-baseline/layers/triplet_loss.py")
    ctl = load(clones, "centroids-reid/losses/triplet_loss.py")
    load(clones, "fast-reid/fastreid/modeling/losses/utils.py", "fastreid_losses.utils")
    fastreid = load(clones, "fast-reid/fastreid/modeling/losses/triplet_loss.py", "fastreid_losses.triplet_loss")

    def case(name, source, compute, labels, real=None, d=8, scale=1.0, **settings):
        features = leaf(len(labels), d, scale=scale)
        settings = {"squared": False, "legacy_padding": False, **settings}
        cases.add(name, "triplet", source, compute(features), {"features": features, "labels": labels}, real, **settings)

    y = classes(6, 4)
    case("triplet_hard", "baseline", lambda f: baseline.TripletLoss(0.3)(f, y)[0], y, margin=0.3)
    case("triplet_soft", "baseline", lambda f: baseline.TripletLoss(None)(f, y)[0], y, margin=None)
    mixed = y[torch.randperm(24)]
    case("triplet_fastreid", "fastreid", lambda f: fastreid.triplet_loss(f, mixed, 0.3, False, True), mixed, margin=0.3, scale=0.5)
    real = torch.rand(24) < 0.75
    case(
        "triplet_legacy", "ctl", lambda f: ctl.TripletLoss(0.5)(f, y, mask=real)[0], y, real, margin=0.5, legacy_padding=True
    )
    uneven = torch.tensor([0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3, 4, 4])
    real = torch.tensor([1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1]).bool()
    for power, margin in [(1, 0.5), (2, 2.0)]:
        distance = distances.LpDistance(normalize_embeddings=False, p=2, power=power)

        def compute(f):
            f, labels = f[real], uneven[real]
            pairs = miners.BatchHardMiner(distance=distance)(f, labels)
            return losses.TripletMarginLoss(margin=margin, distance=distance, reducer=reducers.MeanReducer())(f, labels, pairs)

        case(f"triplet_pml_{power}", "pml", compute, uneven, real, margin=margin, squared=power == 2)


def center(cases, clones):
    baseline = load(clones, "reid-strong-baseline/layers/center_loss.py")
    for name, rows, count, all_real in [("center", 12, 5, True), ("center_padded", 16, 9, False)]:
        module = baseline.CenterLoss(count, 6, use_gpu=False)
        features, labels = leaf(rows, 6), torch.randint(count, (rows,))
        real = torch.ones(rows).bool() if all_real else torch.rand(rows) < 0.7
        inputs = {"features": features, "labels": labels, "centers": module.centers}
        cases.add(name, "center", "baseline", module(features[real], labels[real]), inputs, real)


class CtlStep:
    """What the training step of the reference asks of its module, with given features in the backbone's place."""

    def __init__(self, clones, features, count, weights, margin=0.5, per_class=4):
        triplet = load(clones, "centroids-reid/losses/triplet_loss.py")
        center = load(clones, "centroids-reid/losses/center_loss.py")
        scope = {"torch": torch, "np": np, "repeat": repeat, "rearrange": rearrange, "copy": copy, "defaultdict": defaultdict}
        self.create_masks_train = function(clones, "centroids-reid/modelling/bases.py", "create_masks_train", scope)
        self.step = function(clones, "centroids-reid/train_ctl_model.py", "training_step", scope)
        names = ("QUERY_XENT_WEIGHT", "QUERY_CONTRASTIVE_WEIGHT", "CENTER_LOSS_WEIGHT", "CENTROID_CONTRASTIVE_WEIGHT")
        self.hparams = SimpleNamespace(
            SOLVER=SimpleNamespace(USE_WARMUP_LR=False, **dict(zip(names, weights))),
            DATALOADER=SimpleNamespace(NUM_INSTANCE=per_class),
        )
        self.losses_names = ["query_xent", "query_triplet", "query_center", "centroid_triplet"]
        self.losses_dict = {name: [] for name in self.losses_names}
        self.contrastive_loss = triplet.TripletLoss(margin)
        self.center_loss = center.CenterLoss(count, features.shape[1], use_gpu=False)
        self.xent = triplet.CrossEntropyLabelSmooth(count, use_gpu=False)
        self.bn = torch.nn.BatchNorm1d(features.shape[1])
        self.bn.bias.requires_grad_(False)
        self.fc_query = torch.nn.Linear(features.shape[1], count, bias=False)
        self.backbone = lambda x: (None, x)
        self.features = features

    def optimizers(self, use_pl_optimizer):
        idle = SimpleNamespace(zero_grad=lambda: None, step=lambda: None, param_groups=[])
        return idle, idle

    def manual_backward(self, loss, optimizer):
        loss.backward()

    def run(self, labels, real):
        return self.step(self, (self.features, labels, None, real), 0)["loss"]


def already(loss):
    """A loss that was propagated elsewhere: its `backward` leaves the gradients alone."""
    return SimpleNamespace(backward=lambda: None, detach=loss.detach, item=loss.item)


def padded(p, k, short):
    """Which rows of p × k are real when class c has short[c] samples."""
    return torch.tensor([[i < short.get(c, k) for i in range(k)] for c in range(p)]).flatten()


def centroid_triplet(cases, clones):
    for name, p, k, short, scale in [
        ("ctl_full", 5, 4, {}, 0.3),
        ("ctl_padded", 6, 4, {1: 3, 4: 2, 5: 3}, 0.3),
        ("ctl_pairs", 4, 2, {}, 0.5),
    ]:
        features, labels, real = leaf(p * k, 8, scale=scale), classes(p, k), padded(p, k, short)
        # The centre weight divides a gradient in the reference; the centres' loss is switched off by detaching its input.
        step = CtlStep(clones, features, p, (0.0, 0.0, 1.0, 1.0), per_class=k)
        step.center_loss.forward = lambda x, y: (step.center_loss.centers * 0).sum()
        loss = step.run(labels, real)
        settings = {"margin": 0.5, "per_class": k, "anchors": "all", "squared": False}
        inputs = {"features": features, "labels": labels}
        cases.add(name, "centroid_triplet", "ctl", already(loss), inputs, real, **settings)

    def brute(x, real, p, k, anchors, squared, margin):
        folds = []
        d = lambda a, b: ((a - b) ** 2).sum() if squared else ((a - b) ** 2).sum().sqrt()
        for fold in range(k):
            taking_part = []
            for c in range(p):
                rest = [x[c * k + j] for j in range(k) if j != fold and real[c * k + j]]
                if real[c * k + fold] and rest:
                    taking_part.append((c, x[c * k + fold], sum(rest) / len(rest)))
            if len(taking_part) < 2:
                continue
            terms = []
            if anchors == "queries":
                for c, query, own in taking_part:
                    nearest = min((d(query, m) for other, _, m in taking_part if other != c), key=lambda t: t.item())
                    terms.append(torch.relu(d(query, own) - nearest + margin))
            else:
                vectors = [(c, q) for c, q, _ in taking_part] + [(c, m) for c, _, m in taking_part]
                for i, (c, anchor) in enumerate(vectors):
                    own = next(v for j, (other, v) in enumerate(vectors) if other == c and j != i)
                    nearest = min((d(anchor, v) for other, v in vectors if other != c), key=lambda t: t.item())
                    terms.append(torch.relu(d(anchor, own) - nearest + margin))
            folds.append(sum(terms) / len(terms))
        return sum(folds) / len(folds)

    for anchors, squared, short in [
        ("queries", False, {}),
        ("queries", True, {0: 3, 2: 2, 3: 1}),
        ("all", True, {1: 2, 2: 1}),
        ("all", False, {0: 2, 1: 1, 2: 0, 3: 2}),
    ]:
        p, k = 5, 4
        features, real = leaf(p * k, 8, scale=0.3), padded(p, k, short)
        loss = brute(features.double(), real, p, k, anchors, squared, 0.5)
        settings = {"margin": 0.5, "per_class": k, "anchors": anchors, "squared": squared}
        name = f"ctl_{anchors}_{'squared' if squared else 'plain'}"
        cases.add(name, "centroid_triplet", "brute force", loss, {"features": features, "labels": classes(p, k)}, real, **settings)


def ctl_objective(cases, clones):
    p, k, count, d = 6, 4, 10, 8
    features, real = leaf(p * k, d, scale=0.3), padded(p, k, {1: 3, 4: 2})
    labels = torch.randperm(count)[:p].repeat_interleave(k)
    weights = (1.0, 1.0, 5e-4, 1.0)
    step = CtlStep(clones, features, count, weights, per_class=k)
    torch.nn.init.uniform_(step.bn.weight, 0.5, 1.5)
    bn_weight, classifier = step.bn.weight, step.fc_query.weight
    loss = step.run(labels, real)
    parts = [torch.tensor([step.losses_dict[name][0]]) for name in step.losses_names]
    inputs = {
        "features": features,
        "labels": labels,
        "centers": step.center_loss.centers,
        "classifier": classifier,
        "bn_weight": bn_weight,
        **dict(zip(("id", "triplet", "center", "centroid"), parts)),
    }
    settings = {"margin": 0.5, "per_class": k, "epsilon": 0.1, "weights": list(weights)}
    cases.add("ctl_objective", "ctl_objective", "ctl", already(loss), inputs, real, **settings)


def quadruplet(cases):
    def brute(x, labels, real, squared, margin, pair_margin):
        d = lambda a, b: ((x[a] - x[b]) ** 2).sum() if squared else ((x[a] - x[b]) ** 2).sum().sqrt()
        rows = [i for i in range(len(labels)) if real[i]]
        y = labels.tolist()
        first, second = [], []
        for i in rows:
            hardest = max((d(i, j) for j in rows if y[j] == y[i] and j != i), key=lambda t: t.item())
            nearest = min((d(i, j) for j in rows if y[j] != y[i]), key=lambda t: t.item())
            pair = min((d(l, m) for l in rows for m in rows if len({y[i], y[l], y[m]}) == 3), key=lambda t: t.item())
            first.append(torch.relu(hardest - nearest + margin))
            second.append(torch.relu(hardest - pair + pair_margin))
        return sum(first) / len(first) + sum(second) / len(second)

    for name, p, k, squared, short in [("quadruplet", 4, 4, False, {}), ("quadruplet_squared", 5, 3, True, {1: 2, 3: 2})]:
        features, labels, real = leaf(p * k, 6, scale=0.5), classes(p, k), padded(p, k, short)
        loss = brute(features.double(), labels, real, squared, 0.3, 0.15)
        settings = {"margin": 0.3, "pair_margin": 0.15, "squared": squared}
        cases.add(name, "quadruplet", "brute force", loss, {"features": features, "labels": labels}, real, **settings)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clones", required=True)
    clones = parser.parse_args().clones
    torch.manual_seed(20261121)
    cases = Cases()
    label_smoothing(cases, clones)
    triplet(cases, clones)
    center(cases, clones)
    centroid_triplet(cases, clones)
    ctl_objective(cases, clones)
    quadruplet(cases)
    save_file(cases.tensors, FIXTURES / "losses.safetensors")
    text = json.dumps(cases.meta, separators=(",", ":")).replace('{"name"', '\n{"name"')
    (FIXTURES / "losses.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
