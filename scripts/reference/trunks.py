"""Makes tests/fixtures/trunk_*.safetensors and trunks.json: features, gradients and running statistics of MobileNetV2 and EfficientNets.

    python scripts/reference/trunks.py        (requirements.txt)

Implementations: torchvision's mobilenet_v2 and efficientnet_b0; timm's tf_efficientnet_b0, tf_efficientnet_lite0 and tf_efficientnet_lite2
(TensorFlow's SAME padding, eps 1e-3; norms with momentum 0.01, as efficientnet_pytorch has it). Run in f64; stored as f32.

No weight is stored: both sides fill them by the rule of resnet.py, whose words on conditioning hold here, too: in the training step the
weights of the norm at each block's end are multiplied by 0.2, and dropout and stochastic depth are off. Networks with ReLU6 have kinks,
at which rounding decides: their input is the first whose f32 gradient is within 5e-5 of the f64 one.

trunks.json: `models`: name → {kind, flavour, keys: [[key of the reference, shape], …] in filling order}; `cases`: {file, model, shape, input: its index t, train}.
trunk_NAME_HxW.safetensors, evaluation: `features` [batch, 1280], the mean over the last map.
trunk_NAME_train.safetensors, one training step's forward and backward: `features`; `loss` = Σ features ∘ projection / batch; `input.grad`;
`T.grad` of some parameters and `T` of some running statistics after the step, T the index in `keys`; large ones sampled as in resnet.py.
"""

import json
import re

import timm
import torch
import torchvision
from resnet import FIXTURES, INPUT, filled, keys, sample, u
from safetensors.torch import save_file

MODELS = {
    # name: (factory, kind, flavour)
    "mobilenet_v2": (torchvision.models.mobilenet_v2, "mobilenet-v2", "torch"),
    "b0": (lambda: torchvision.models.efficientnet_b0(stochastic_depth_prob=0.0), "efficientnet-b0", "torch"),
    "b0_tf": (timm.models.tf_efficientnet_b0, "efficientnet-b0", "tf"),
    "lite0": (timm.models.tf_efficientnet_lite0, "efficientnet-lite0", "tf"),
    "lite2": (timm.models.tf_efficientnet_lite2, "efficientnet-lite2", "tf"),
}
# The norm at the end of a block, in torchvision's EfficientNet (after its projection, which squeeze-excite shifts), its MobileNetV2, timm.
LAST_NORM = r"features\.\d+\.\d+\.block\.3\.1\.weight|features\.1\.0\.block\.2\.1\.weight|features\.(1\.conv\.2|\d+\.conv\.3)\.weight|blocks\.0\.0\.bn2\.weight|blocks\.\d+\.\d+\.bn3\.weight"
# Stem, an early depthwise kernel, squeeze-excite, norms, a late depthwise kernel, head.
WATCHED = [
    r"^(features\.0\.0|conv_stem)\.weight", r"^(features\.0\.1|bn1)\.bias",
    r"^(features\.2\.0\.block\.1\.0|features\.2\.conv\.1\.0|blocks\.1\.0\.conv_dw)\.weight",
    r"^(features\.3\.0\.block\.2\.fc1|blocks\.2\.0\.se\.conv_reduce)\.(weight|bias)",
    r"^(features\.4\.1\.block\.1\.1|features\.9\.conv\.1\.1|blocks\.3\.1\.bn2)\.weight",
    r"^(features\.6\.2\.block\.1\.0|features\.15\.conv\.1\.0|blocks\.5\.2\.conv_dw)\.weight",
    r"^(features\.(8|18)\.0|conv_head)\.weight", r"^(features\.(8|18)\.1|bn2)\.weight",
]  # fmt: skip
STATISTICS = [
    r"^(features\.0\.1|bn1)\.running_",
    r"^(features\.4\.1\.block\.1\.1|features\.9\.conv\.1\.1|blocks\.3\.1\.bn2)\.running_",
    r"^(features\.(8|18)\.1|bn2)\.running_",
]


def trunk(model):
    return [(k, v) for k, v in keys(model) if not k.startswith("classifier")]


def fill(model, tame=False):
    for t, (key, value) in enumerate(trunk(model)):
        x = u(t, value.numel()).reshape(value.shape)
        if key.endswith("running_mean"):
            x = 0.1 * (2 * x - 1)
        elif key.endswith("running_var"):
            x = 0.5 + x
        elif value.dim() >= 2:
            x = (2 * x - 1) * (6 / (value.numel() / value.shape[0])) ** 0.5
        elif key.endswith("weight"):
            x = 0.5 + x
            if tame and re.fullmatch(LAST_NORM, key):
                x = 0.2 * x
        else:
            x = 0.2 * (2 * x - 1)
        # Rounded to f32 as the tests' weights are.
        value.copy_(x.float())
    return model


def features(model, x):
    return (model.forward_features(x) if hasattr(model, "forward_features") else model.features(x)).mean((2, 3))


def momentum(model, flavour):
    if flavour == "tf":
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                assert module.eps == 1e-3
                module.momentum = 0.01
    return model


def step(make, flavour, shape, index, dtype):
    model = momentum(fill(make().to(dtype), tame=True), flavour).train()
    x = filled(index, *shape).float().to(dtype).requires_grad_()
    out = features(model, x)
    loss = (out * filled(2000000, *out.shape).to(dtype)).sum() / shape[0]
    loss.backward()
    record = {"features": out.detach().float().contiguous(), "loss": loss.detach().reshape(1).float()}
    sample(record, "input.grad", x.grad)
    parameters = dict(model.named_parameters())
    for t, (key, value) in enumerate(trunk(model)):
        if any(re.match(pattern, key) for pattern in WATCHED):
            sample(record, f"{t}.grad", parameters[key].grad)
        if any(re.match(pattern, key) for pattern in STATISTICS):
            sample(record, f"{t}", value)
    return record


def distance(low, exact, key):
    return ((low[key] - exact[key]).norm() / exact[key].norm()).item()


def main():
    about = {"models": {}, "cases": []}
    for name, (make, kind, flavour) in MODELS.items():
        entries = [[k, list(v.shape)] for k, v in trunk(make())]
        about["models"][name] = {"kind": kind, "flavour": flavour, "keys": entries}
    for name, size in [(n, s) for n in MODELS for s in ((64, 64), (65, 97)) if n != "lite2" or s[0] == 65]:
        shape = (1, 3, *size)
        model = fill(MODELS[name][0]().double()).eval()
        with torch.no_grad():
            out = features(model, filled(INPUT, *shape))
            low = features(model.float(), filled(INPUT, *shape).float())
        file = f"trunk_{name}_{size[0]}x{size[1]}"
        save_file({"features": out.float().contiguous()}, FIXTURES / f"{file}.safetensors")
        about["cases"].append({"file": file, "model": name, "shape": shape, "input": INPUT, "train": False})
        print(f"{file}: {[round(x, 5) for x in out[0, :4].tolist()]} sum {out[0].sum():.7g}, f32 off by {(low - out).norm() / out.norm():.1e}")
    for name in ("mobilenet_v2", "b0", "b0_tf", "lite0"):
        make, _, flavour = MODELS[name]
        shape = (4, 3, 64, 64)
        for index in range(INPUT, INPUT + 40):
            exact, low = (step(make, flavour, shape, index, dtype) for dtype in (torch.float64, torch.float32))
            if distance(low, exact, "input.grad") < 5e-5:
                break
        file = f"trunk_{name}_train"
        save_file(exact, FIXTURES / f"{file}.safetensors")
        about["cases"].append({"file": file, "model": name, "shape": shape, "input": index, "train": True})
        print(f"{file}: loss {exact['loss'].item():.6f}; f32 off by")
        for key, value in exact.items():
            print(f"    {key} {tuple(value.shape)}: {distance(low, exact, key):.1e}")
    text = json.dumps(about, separators=(",", ":")).replace('{"file"', '\n{"file"').replace(',["', ',\n["')
    (FIXTURES / "trunks.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
