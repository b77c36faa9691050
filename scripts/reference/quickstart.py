"""Trains a recipe of the centroid triplet paper in PyTorch, on the batches and from the weights of tailor, and measures it the same way.

    cargo run --release --example dump_batches -- recipes/quickstart.toml DUMP [KEY=VALUE …]
    tailor train recipes/quickstart.toml --device cpu --run start --max-steps 0 [--set KEY=VALUE …]
    python scripts/reference/quickstart.py --clones FOLDER --dump DUMP --weights checkpoints/start --out torch.json
    tailor train recipes/quickstart.toml --device cpu --run ours --set train.log_every=1 [--set KEY=VALUE …]
    python scripts/reference/quickstart.py --compare checkpoints/ours torch.json

(requirements.txt, clones.py.) What is whose: torchvision's ResNet, torch's Adam and SGD, and the training step of
mikwieczorek/centroids-reid (train_ctl_model.py: its losses, its sum, its two optimisers), run as it stands; the recipe's schedule, the
evaluation and the bootstrap are written here again.

--out gets `{"losses": [{loss, id, triplet, center, centroid} per step], "protocols": {"instance": {"recall@1": [value, low, high], "mAP": …},
"centroid": …}, "seconds", "cpu_seconds", "torch", "threads"}`; losses are weighted, as in metrics.jsonl. The intervals are the 2.5 and 97.5
percentiles of 1000 resamples of identities.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path
from types import SimpleNamespace

TERMS = ["id", "triplet", "center", "centroid"]


def build(recipe, clones, start, classes):
    """The reference's training step around torchvision's trunk, with the weights of `start` in both."""
    import torch
    import torchvision
    from losses import CtlStep

    loss, trunk = recipe["loss"], recipe["model"]["trunk"]
    if set(TERMS) - set(loss) - {"center"} or loss["triplet"].get("margin") != loss["centroid"].get("margin"):
        sys.exit("the reference knows the losses together (but for the centre loss), with one margin for both triplet losses")
    if loss["centroid"]["squared"] or loss["centroid"]["anchors"] != "all":
        sys.exit('the reference knows centroid = { anchors = "all", squared = false } only')
    if trunk["depth"] != 18 or set(trunk) - {"depth", "last_stride", "width"}:
        sys.exit(f"a trunk is built here of depth 18, last_stride and width only: {trunk}")
    width = trunk.get("width", 64)
    resnet = scaled(torchvision.models.resnet, width)
    if trunk.get("last_stride", 2) == 1:
        resnet.layer4[0].conv1.stride = resnet.layer4[0].downsample[0].stride = (1, 1)
    weights = tuple(loss[name].get("weight", 1.0) if name in loss else 0.0 for name in TERMS)
    margin, per_class = loss["triplet"].get("margin"), recipe["data"]["sampler"]["per_class"]
    step = CtlStep(clones, torch.zeros(1, 8 * width), classes, weights, margin, per_class)
    step.xent.epsilon = loss["id"]["epsilon"]

    part = lambda prefix: {k.removeprefix(prefix): v for k, v in start.items() if k.startswith(prefix)}
    counters = {k: torch.tensor(0) for k in resnet.state_dict() if k.endswith("num_batches_tracked")}
    resnet.load_state_dict(part("trunk.") | counters)
    step.bn.load_state_dict(part("head.bottleneck.") | {"num_batches_tracked": torch.tensor(0)})
    step.fc_query.load_state_dict(part("head.classifier."))
    if "center" in loss:
        step.center_loss.load_state_dict({"centers": start["head.centers"]})
    else:
        step.center_loss = NoCenters()
    step.backbone = lambda x: (None, resnet(x))
    return step, resnet


class NoCenters:
    """In the place of the reference's centre loss where a recipe has none."""

    def __call__(self, features, labels):
        return features.sum() * 0

    def parameters(self):
        return []


def scaled(resnet, width):
    """torchvision's ResNet-18, or the same with another number of channels after the stem."""
    import torch

    model = resnet.resnet18()
    if width != 64:
        model.conv1, model.bn1 = torch.nn.Conv2d(3, width, 7, 2, 3, bias=False), torch.nn.BatchNorm2d(width)
        model.inplanes = width
        for i in range(4):
            setattr(model, f"layer{i + 1}", model._make_layer(resnet.BasicBlock, width << i, 2, 2 if i else 1))
    model.fc = torch.nn.Identity()
    return model


def optimizers(recipe, step, resnet):
    """Adam for the network, SGD for the centres if there are any, with their base rates."""
    import torch

    section = recipe["optimizer"]
    groups = section.get("groups", [])
    if section["kind"] not in ("adam", "adamw") or set(section) - {"kind", "lr", "weight_decay", "groups"}:
        sys.exit(f"this optimizer has settings that are unknown here: {section}")
    for group in groups:
        if group["params"] != r"\.centers$" or group["kind"] != "sgd" or group["scheduled"] or group.get("momentum"):
            sys.exit(f"this group of parameters has settings that are unknown here: {group}")
    parameters = [p for m in (resnet, step.bn, step.fc_query) for p in m.parameters() if p.requires_grad]
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[section["kind"]]
    network = kind(parameters, lr=section["lr"], weight_decay=section.get("weight_decay", 0.0))
    idle = SimpleNamespace(zero_grad=lambda: None, step=lambda: None)
    centers = torch.optim.SGD(step.center_loss.parameters(), lr=groups[0]["lr"]) if groups else idle
    step.optimizers = lambda use_pl_optimizer: (network, centers)
    return network


def factor(schedule, done, batches, epochs):
    """What the rate is multiplied by after `done` steps."""
    if schedule["kind"] != "cosine" or schedule.get("by") != "step" or schedule.get("warmup_start", 0):
        sys.exit('a schedule is computed here of kind = "cosine", by = "step", warmup_start = 0 only')
    now, warm, end = done / batches, schedule.get("warmup_epochs", 0), schedule.get("end", 0)
    if now < warm:
        return min((now + 1 / batches) / warm, 1.0)
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * (now - warm) / (epochs - warm)))


def train(args):
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(args.threads)
    dump = Path(args.dump)
    recipe = json.loads((dump / "recipe.json").read_text())
    epochs = [dump / f"epoch-{epoch:03}.safetensors" for epoch in range(recipe["train"]["epochs"])]
    start = load_file(next(iter(sorted(Path(args.weights).rglob("model.safetensors"))), args.weights))
    classes = start["head.classifier.weight"].shape[0]
    step, resnet = build(recipe, args.clones, start, classes)
    network = optimizers(recipe, step, resnet)
    lr, done, losses = recipe["optimizer"]["lr"], 0, []
    wall, cpu = time.perf_counter(), time.process_time()
    for epoch in epochs:
        tensors = load_file(epoch)
        pixels, labels, real = tensors["pixels"], tensors["labels"].long(), tensors["real"].bool()
        for batch in range(len(pixels)):
            if done == args.steps:
                break
            for group in network.param_groups:
                group["lr"] = lr * factor(recipe["schedule"], done, len(pixels), len(epochs))
            loss = step.step(step, (pixels[batch], labels[batch], None, real[batch]), batch)["loss"].item()
            parts = dict(zip(TERMS, (step.losses_dict[name][-1] for name in step.losses_names)))
            losses.append({"loss": loss, **parts})
            done += 1
        print(f"{epoch.stem}  step {done}  {losses[-1]}", flush=True)
    used = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    resnet.eval(), step.bn.eval()
    data = load_file(dump / "eval.safetensors")
    with torch.no_grad():
        embed = lambda side: torch.cat([step.bn(resnet(x)) for x in data[f"{side}.pixels"].split(64)])
        protocols = evaluate(embed("queries"), data["queries.labels"], embed("gallery"), data["gallery.labels"], recipe["train"]["seed"])
    report = {"losses": losses, "protocols": protocols, **used, "torch": torch.__version__, "threads": args.threads}
    Path(args.out).write_text(json.dumps(report))
    print(json.dumps({"protocols": protocols, **used}, indent=1))


def evaluate(queries, q_labels, gallery, g_labels, seed):
    """Cosine ranking of single gallery images and of the means of a label's images, which are not normalised before."""
    import torch

    labels = g_labels.unique()
    centroids = torch.stack([gallery[g_labels == label].mean(0) for label in labels])
    sides = {"instance": (gallery, g_labels), "centroid": (centroids, labels)}
    return {name: figures(queries, q_labels, *side, seed) for name, side in sides.items()}


def figures(queries, q_labels, gallery, g_labels, seed):
    """recall@1 and mAP, each [value, low, high]."""
    import numpy as np
    from torch.nn.functional import normalize

    scores = normalize(queries) @ normalize(gallery).T
    order = scores.argsort(dim=1, descending=True, stable=True)
    hits = (g_labels[order] == q_labels[:, None]).double()
    precision = hits.cumsum(1) / (1 + np.arange(hits.shape[1]))
    per_query = {"recall@1": hits[:, 0].numpy(), "mAP": ((precision * hits).sum(1) / hits.sum(1)).numpy()}
    _, identity = np.unique(q_labels.numpy(), return_inverse=True)
    counts = np.bincount(identity)
    draws = np.random.default_rng(seed).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=1000)
    result = {}
    for name, values in per_query.items():
        sums = np.bincount(identity, weights=values)
        low, high = np.quantile(draws @ sums / (draws @ counts), [0.025, 0.975])
        result[name] = [float(values.mean()), float(low), float(high)]
    return result


def compare(run, path):
    """The losses step by step, and the figures side by side."""
    theirs = json.loads(Path(path).read_text())
    rows = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
    ours = {row["step"]: row for row in rows if row.get("split") == "train"}
    for steps in (1, 5, 10, 20, 40, 80, 160, len(theirs["losses"])):
        worst = {}
        for step, losses in enumerate(theirs["losses"][:steps], 1):
            if step in ours:
                for name, value in losses.items():
                    if name not in ours[step]:
                        continue
                    got = ours[step][name]
                    worst[name] = max(worst.get(name, 0), abs(got - value) / max(abs(value), 1e-12))
        print(f"first {steps:4} steps: greatest relative difference  " + "  ".join(f"{k} {v:.1e}" for k, v in worst.items()))
    last = theirs["losses"][-50:]
    first = len(theirs["losses"]) - len(last)
    for name in last[0]:
        mine = [ours[s][name] for s in range(first + 1, first + 51) if name in ours.get(s, {})]
        if not mine:
            continue
        print(f"mean {name} of the last 50 steps: tailor {sum(mine) / len(mine):.4f}  PyTorch {sum(r[name] for r in last) / len(last):.4f}")
    report = Path(run) / "eval.json"
    if report.is_file():
        report = json.loads(report.read_text())
        for protocol in [report, *report.get("also", [])]:
            for metric in ("recall@1", "mAP"):
                mine = protocol["metrics"][metric]
                line = f"{protocol['protocol']:9} {metric:9} tailor {mine['value']:.4f} ({mine['low']:.4f} to {mine['high']:.4f})"
                if protocol["protocol"] in theirs["protocols"]:
                    value, low, high = theirs["protocols"][protocol["protocol"]][metric]
                    line += f"  PyTorch {value:.4f} ({low:.4f} to {high:.4f})"
                print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clones")
    parser.add_argument("--dump", help="the folder that dump_batches wrote")
    parser.add_argument("--weights", help="a run's folder with a checkpoint of step 0, or its model.safetensors")
    parser.add_argument("--out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, help="stop after this many")
    parser.add_argument("--compare", nargs=2, metavar=("RUN", "OUT"))
    args = parser.parse_args()
    if args.compare:
        compare(*args.compare)
    else:
        train(args)


if __name__ == "__main__":
    main()
