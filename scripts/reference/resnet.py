"""Makes tests/fixtures/resnet_*.safetensors and resnet.json: features, gradients and running statistics of ResNets.

    python scripts/reference/resnet.py --clones FOLDER        (requirements.txt, clones.py)

Implementations: torchvision's resnet18 and resnet50; resnet50_ibn_a of XingangPan/IBN-Net, ibnnet/; and the ResNet-50 of
michuanhaohao/reid-strong-baseline, modeling/backbones/resnet.py, which has no ReLU after the stem. Run in f64; stored as f32.

No weight is stored: both sides fill them by a rule. u(t, j) is a hash of a tensor's index t among the state entries (in their order,
num_batches_tracked left out, see `fill`) and of an element's row-major index j. Running means 0.1(2u−1), running variances 0.5+u,
weights of norms 0.5+u, biases 0.2(2u−1), all else (2u−1)·√(6/fan_in). The input is 2u(1000000, j)−1, the projection 2u(2000000, j)−1.

For the training step the weights of each block's last norm are multiplied by 0.2. Without that the gradients of the first layers are
so ill-conditioned that f32 and f64 differ by 2 %; with it by 1e-6, or by some 1e-3 where an activation lies so near to 0 that rounding
decides on which side of the ReLU it falls.

resnet.json: `models`: name → {depth, ibn, stem_relu, keys: [[key, shape], …] in filling order}; `cases`: {file, model, last_stride, shape,
input: its index t, train}.
resnet_NAME.safetensors, evaluation: `features` [batch, d], the mean over the last map.
resnet_NAME_train.safetensors, one training step's forward and backward: `features`; `loss` = Σ features ∘ projection / batch;
`input.grad` and `KEY.grad` of some parameters; `KEY` of some running statistics after the step. Tensors of more than 1024 elements are
stored as every ⌈n/1024⌉-th element, beside `KEY.grad.norm`, the norm of the whole.
"""

import argparse
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from safetensors.torch import save_file

from clones import load

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"
STORED = 1024
INPUT = 1000000


def u(t, count):
    """The hash of (t, 0..count), uniform in [0, 1)."""
    h = (np.arange(count, dtype=np.uint64) + np.uint64(t) * np.uint64(0x9E3779B9)).astype(np.uint32)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x7FEB352D)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x846CA68B)
    h ^= h >> np.uint32(16)
    return torch.from_numpy(h.astype(np.float64) / 2**32)


def filled(t, *shape):
    return (2 * u(t, math.prod(shape)) - 1).reshape(shape)


def keys(model):
    return [(k, v) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")]


def fill(model, tame=False):
    for t, (key, value) in enumerate(keys(model)):
        x = u(t, value.numel()).reshape(value.shape)
        if key.endswith("running_mean"):
            x = 0.1 * (2 * x - 1)
        elif key.endswith("running_var"):
            x = 0.5 + x
        elif value.dim() >= 2:
            x = (2 * x - 1) * math.sqrt(6 / (value.numel() / value.shape[0]))
        elif key.endswith("weight"):
            x = 0.5 + x
            if tame and re.search(last_norm(model), key):
                x = 0.2 * x
        else:
            x = 0.2 * (2 * x - 1)
        # Rounded to f32 as the tests' weights are.
        value.copy_(x.float())
    return model


def last_norm(model):
    """The keys of the weights that scale a block's branch before it is added to the shortcut."""
    return r"layer.*\.bn3\.weight" if hasattr(model.layer1[0], "conv3") else r"layer.*\.bn2\.weight"


def last_stride_1(model):
    block = model.layer4[0]
    (block.conv2 if hasattr(block, "conv3") else block.conv1).stride = (1, 1)
    block.downsample[0].stride = (1, 1)
    return model


def features(model, x, stem_relu):
    x = model.bn1(model.conv1(x))
    x = model.maxpool(torch.relu(x) if stem_relu else x)
    return model.layer4(model.layer3(model.layer2(model.layer1(x)))).mean((2, 3))


def sample(record, name, tensor):
    flat = tensor.detach().flatten()
    if len(flat) > STORED:
        record[f"{name}.norm"] = flat.norm().reshape(1).float()
        flat = flat[:: -(-len(flat) // STORED)]
    record[name] = flat.float().clone()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clones", required=True)
    clones = parser.parse_args().clones
    sys.path.insert(0, str(Path(clones) / "IBN-Net"))
    from ibnnet import resnet50_ibn_a

    baseline = load(clones, "reid-strong-baseline/modeling/backbones/resnet.py")
    models = {
        "18": (torchvision.models.resnet18, 18, False, True),
        "50": (torchvision.models.resnet50, 50, False, True),
        "50_ibn_a": (resnet50_ibn_a, 50, True, True),
        "50_reid": (lambda: baseline.ResNet(last_stride=2), 50, False, False),
    }
    # What the rule is known to give elsewhere, and that the images here are the same.
    assert torch.allclose(u(1, 4), torch.tensor([0.00776513, 0.62231959, 0.02977459, 0.06072302], dtype=torch.float64), atol=1e-8)

    about = {"models": {}, "cases": []}
    for name, (make, depth, ibn, stem_relu) in models.items():
        state = fill(make().double())
        trunk = [[k, list(v.shape)] for k, v in keys(state) if not k.startswith("fc.")]
        about["models"][name] = {"depth": depth, "ibn": ibn, "stem_relu": stem_relu, "keys": trunk}
    cases = [
        ("18", 1, (1, 3, 64, 64)), ("18", 1, (1, 3, 65, 97)), ("18", 2, (2, 3, 64, 64)),
        ("50", 1, (1, 3, 64, 64)), ("50", 1, (1, 3, 65, 97)), ("50", 2, (1, 3, 65, 97)),
        ("50_ibn_a", 1, (1, 3, 64, 64)), ("50_ibn_a", 1, (1, 3, 65, 97)),
        ("50_reid", 1, (1, 3, 64, 64)),
    ]  # fmt: skip
    for name, last_stride, shape in cases:
        make, _, _, stem_relu = models[name]
        model = fill(make().double()).eval()
        if last_stride == 1:
            last_stride_1(model)
        with torch.no_grad():
            out = features(model, filled(INPUT, *shape), stem_relu)
            low = features(model.float(), filled(INPUT, *shape).float(), stem_relu)
        file = f"resnet_{name}_s{last_stride}_{shape[2]}x{shape[3]}"
        save_file({"features": out.float().contiguous()}, FIXTURES / f"{file}.safetensors")
        about["cases"].append({"file": file, "model": name, "last_stride": last_stride, "shape": shape, "input": INPUT, "train": False})
        print(f"{file}: {[round(x, 5) for x in out[0, :4].tolist()]} sum {out[0].sum():.7g}, f32 off by {(low - out).norm() / out.norm():.1e}")

    watched = {
        "18": ["conv1.weight", "bn1.weight", "layer2.0.downsample.0.weight", "layer4.0.conv1.weight", "layer4.1.bn2.bias"],
        "50": ["conv1.weight", "bn1.weight", "layer2.0.downsample.0.weight", "layer4.0.conv2.weight", "layer4.2.bn3.weight"],
        "50_reid": ["conv1.weight", "bn1.weight", "layer4.0.conv2.weight"],
    }
    watched["50_ibn_a"] = watched["50"] + ["layer1.0.bn1.IN.weight", "layer1.0.bn1.BN.bias", "layer3.5.bn1.IN.bias"]
    for name, (make, depth, _, stem_relu) in models.items():
        shape = (4, 3, 64, 64)
        results = []
        for dtype in (torch.float64, torch.float32):
            model = last_stride_1(fill(make().to(dtype), tame=True)).train()
            x = filled(INPUT, *shape).float().to(dtype).requires_grad_()
            out = features(model, x, stem_relu)
            loss = (out * filled(2000000, *out.shape).to(dtype)).sum() / shape[0]
            loss.backward()
            record = {"features": out.detach().float().contiguous(), "loss": loss.detach().reshape(1).float()}
            sample(record, "input.grad", x.grad)
            parameters, state = dict(model.named_parameters()), model.state_dict()
            for key in watched[name]:
                sample(record, f"{key}.grad", parameters[key].grad)
            last = "layer4.1.bn2" if depth == 18 else "layer4.2.bn3"
            inner = "layer2.0.bn1" + (".BN" if name == "50_ibn_a" else "")
            for key in ("bn1", inner, last):
                for entry in ("running_mean", "running_var"):
                    sample(record, f"{key}.{entry}", state[f"{key}.{entry}"])
            results.append(record)
        exact, low = results
        file = f"resnet_{name}_s1_train"
        save_file(exact, FIXTURES / f"{file}.safetensors")
        about["cases"].append({"file": file, "model": name, "last_stride": 1, "shape": shape, "input": INPUT, "train": True})
        print(f"{file}: loss {exact['loss'].item():.6f}; f32 off by")
        for key, value in exact.items():
            print(f"    {key} {tuple(value.shape)}: {((low[key] - value).norm() / value.norm()).item():.1e}")

    text = json.dumps(about, separators=(",", ":")).replace('{"file"', '\n{"file"').replace(',["', ',\n["')
    (FIXTURES / "resnet.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
