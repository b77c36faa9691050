#!/usr/bin/env python3
"""Reads TensorBoard event files with TensorBoard's own code and prints what is in them as JSON.

    python3 -m venv venv && venv/bin/pip install tensorboard "setuptools<81"
    venv/bin/python scripts/reference/tensorboard_read.py checkpoints/RUN/events [...]

For each event file (or each in a folder): how many records it has, then, as TensorBoard's accumulator sees them after its
migrations, scalars (step and value), histograms (count, ends, total of the buckets), texts, pictures (size, size of the PNG)
and the hparams plugin's three messages. A damaged record is an error.
"""

import argparse
import json
import pathlib
import sys

from tensorboard.backend.event_processing import event_accumulator, event_file_loader
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.util import tensor_util


def plain(value):
    kind = value.WhichOneof("kind")
    return getattr(value, kind) if kind else None


def hparams_message(tag, content):
    if tag == hparams.EXPERIMENT_TAG:
        message = hparams.parse_experiment_plugin_data(content)
        return {
            "hparams": {info.name: info.type for info in message.hparam_infos},
            "metrics": [info.name.tag for info in message.metric_infos],
        }
    if tag == hparams.SESSION_START_INFO_TAG:
        message = hparams.parse_session_start_info_plugin_data(content)
        return {"hparams": {name: plain(value) for name, value in sorted(message.hparams.items())}}
    message = hparams.parse_session_end_info_plugin_data(content)
    return {"status": message.status}


def png_size(png):
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("a picture is not PNG")
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def read(path):
    records = list(event_file_loader.RawEventFileLoader(str(path)).Load())
    whole = sum(len(record) + 16 for record in records)
    if whole != path.stat().st_size:
        raise ValueError(f"{path}: {path.stat().st_size} bytes, of which {whole} are in whole records")
    everything = event_accumulator.STORE_EVERYTHING_SIZE_GUIDANCE
    accumulator = event_accumulator.EventAccumulator(str(path), size_guidance=everything)
    accumulator.Reload()
    out = {"file": path.name, "records": len(records)}
    out.update({"scalars": {}, "histograms": {}, "texts": {}, "images": {}, "hparams": {}})
    # The accumulator shows what needs no plugin; the loader shows every value as the plugins get it.
    tags = accumulator.Tags()
    for event in event_file_loader.EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            if value.tag in tags["tensors"]:
                metadata = accumulator.SummaryMetadata(value.tag)
            else:
                metadata = value.metadata
            plugin = metadata.plugin_data.plugin_name
            array = tensor_util.make_ndarray(value.tensor)
            if plugin == "scalars":
                out["scalars"].setdefault(value.tag, []).append([event.step, float(array)])
            elif plugin == "histograms":
                out["histograms"].setdefault(value.tag, []).append(
                    {
                        "step": event.step,
                        "buckets": len(array),
                        "low": float(array[0, 0]) if len(array) else None,
                        "high": float(array[-1, 1]) if len(array) else None,
                        "count": float(array[:, 2].sum()),
                    }
                )
            elif plugin == "text":
                out["texts"][value.tag] = array.item().decode()
            elif plugin == "images":
                width, height, png = int(array[0]), int(array[1]), array[2]
                if png_size(png) != (width, height):
                    raise ValueError(f"{value.tag}: the picture is {png_size(png)}, its summary says {width, height}")
                out["images"].setdefault(value.tag, []).append(
                    {"step": event.step, "width": width, "height": height, "bytes": len(png)}
                )
            elif plugin == hparams.PLUGIN_NAME:
                out["hparams"][value.tag] = hparams_message(value.tag, value.metadata.plugin_data.content)
            else:
                raise ValueError(f"{value.tag} belongs to the unknown plugin `{plugin}`")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="+", type=pathlib.Path, help="event files, or folders of them")
    files = []
    for path in parser.parse_args().paths:
        files += sorted(path.glob("*tfevents*")) if path.is_dir() else [path]
    if not files:
        sys.exit("no event files there")
    json.dump([read(path) for path in files], sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
