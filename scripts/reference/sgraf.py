"""Makes tests/fixtures/sgraf.json and sgraf_{saf,sgr}.safetensors: scores, loss, gradients and statistics of the hosts of T-EMDE.

    python scripts/reference/sgraf.py --clones FOLDER        (requirements.txt, clones.py)

Implementation: Paranioar/SGRAF, model.py, at full size (1024 and 256 dimensions, 36 regions of 2048). Changed in memory, so that it runs
on a CPU and on Python 3: one division of integers, and the loss's mask, which is only defined on a GPU. Run in f64; stored as f32.

No weight is stored: both sides fill them by a rule, with u(t, j) of resnet.py, t the tensor's index among the entries of the image,
text and similarity encoders in their order (num_batches_tracked left out): running means 0.1(2u−1), running variances 0.5+u, words
0.5(2u−1), matrices (2u−1)·√(6/(rows+columns)), weights of norms 0.5+u, biases 0.2(2u−1). Regions are 2u(1000000, j)−1, word ids
⌊u(2000000, j)·words⌋. Dropout is off.

sgraf.json: `words`, `images`, `lengths`, `keys`: {saf, sgr} → [[encoder, key, shape], …] in filling order.
sgraf_HEAD.safetensors: `eval` scores [images, captions]; `train` scores, `loss` (hardest negatives, margin 0.2); `ENCODER.KEY.grad`: every
⌈n/64⌉-th element, beside `….grad.norm`; `ENCODER.KEY` of running statistics after two training passes.
"""

import argparse
import json
import math
import types
from pathlib import Path

import torch
from safetensors.torch import save_file

from resnet import u

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"
WORDS, LENGTHS = 50, [9, 7, 7, 5, 3]
STORED = 64
ENCODERS = ["image", "text", "similarity"]


def reference(clones):
    """The module, made to run on a CPU and on Python 3."""
    source = (Path(clones) / "SGRAF" / "model.py").read_text()
    for old, new in [("cap_emb.size(2)/2", "cap_emb.size(2)//2"), ("        if torch.cuda.is_available():\n            I = mask.cuda()\n", "        I = mask\n")]:
        assert old in source
        source = source.replace(old, new)
    module = types.ModuleType("sgraf")
    exec(compile(source, "model.py", "exec"), module.__dict__)
    return module


def entries(encoders):
    for name, encoder in zip(ENCODERS, encoders):
        for key, value in encoder.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                yield name, key, value


def fill(encoders):
    for t, (_, key, value) in enumerate(entries(encoders)):
        x = u(t, value.numel()).reshape(value.shape)
        if key.endswith("running_mean"):
            x = 0.1 * (2 * x - 1)
        elif key.endswith("running_var"):
            x = 0.5 + x
        elif key == "embed.weight":
            x = 0.5 * (2 * x - 1)
        elif value.dim() == 2:
            x = (2 * x - 1) * math.sqrt(6 / sum(value.shape))
        elif key.endswith("weight"):
            x = 0.5 + x
        else:
            x = 0.2 * (2 * x - 1)
        value.copy_(x.float())


def sample(record, name, tensor):
    flat = tensor.detach().flatten()
    record[f"{name}.norm"] = flat.norm().reshape(1).float()
    record[name] = flat[:: -(-len(flat) // STORED)].float().clone()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clones", required=True)
    module = reference(parser.parse_args().clones)
    about = {"words": WORDS, "images": len(LENGTHS), "lengths": LENGTHS, "keys": {}}
    longest = max(LENGTHS)
    for head in ["SAF", "SGR"]:
        results = []
        for dtype in (torch.float64, torch.float32):
            encoders = [
                module.EncoderImage(2048, 1024),
                module.EncoderText(WORDS, 300, 1024, 1, use_bi_gru=True),
                module.EncoderSimilarity(1024, 256, head, 3),
            ]
            for encoder in encoders:
                encoder.to(dtype)
                for part in encoder.modules():
                    if isinstance(part, torch.nn.Dropout):
                        part.p = 0.0
            with torch.no_grad():
                fill(encoders)
            about["keys"][head.lower()] = [[name, key, list(value.shape)] for name, key, value in entries(encoders)]
            image, text, similarity = encoders
            count = len(LENGTHS)
            regions = (2 * u(1000000, count * 36 * 2048) - 1).float().to(dtype).reshape(count, 36, 2048)
            ids = (u(2000000, count * longest) * WORDS).long().reshape(count, longest)
            for row, length in enumerate(LENGTHS):
                ids[row, length:] = 0

            def scores():
                return similarity(image(regions), text(ids, LENGTHS), LENGTHS)

            record = {}
            for encoder in encoders:
                encoder.eval()
            with torch.no_grad():
                record["eval"] = scores().float()
            for encoder in encoders:
                encoder.train()
            out = scores()
            record["train"] = out.detach().float().clone()
            loss = module.ContrastiveLoss(margin=0.2, max_violation=True)(out)
            loss.backward()
            record["loss"] = loss.detach().reshape(1).float()
            for name, encoder in zip(ENCODERS, encoders):
                for key, parameter in encoder.named_parameters():
                    sample(record, f"{name}.{key}.grad", parameter.grad)
            with torch.no_grad():
                scores()
            for name, key, value in entries(encoders):
                if "running" in key:
                    record[f"{name}.{key}"] = value.flatten()[:: -(-value.numel() // STORED)].float().clone()
            results.append(record)
        exact, low = results
        save_file(exact, FIXTURES / f"sgraf_{head.lower()}.safetensors")
        print(f"{head}: loss {exact['loss'].item():.6f}; f32 off by")
        for key, value in exact.items():
            off = ((low[key] - value).norm() / value.norm().clamp(min=1e-12)).item()
            if not key.endswith(".norm") and (off > 1e-5 or not key.endswith("grad")):
                print(f"    {key} {tuple(value.shape)}: {off:.1e}")
    text = json.dumps(about, separators=(",", ":")).replace(',["', ',\n["')
    (FIXTURES / "sgraf.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
