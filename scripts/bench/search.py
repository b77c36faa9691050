"""Exact retrieval with PyTorch and faiss on the CPU, to stand beside `cargo bench --bench search`.

    python scripts/bench/search.py 10000x10000x512 [--threads 2] [--engine torch-ranks torch-topk faiss]

Prints one line of JSON for each engine: seconds, and the peak memory of a process of its own.

torch-ranks   the same answer: the exact rank of every relevant item, counted from blocks of a matrix product
torch-topk    less: the best 50 of each query, by matmul and topk
faiss         less: the best 50 of each query, IndexFlatIP
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

VIEWS = 4
ENGINES = ["torch-ranks", "torch-topk", "faiss"]


def data(rows, dimensions, seed):
    """As the Rust side: a class vector with twice as much noise, normalised."""
    classes = np.random.default_rng(0).random(((rows + VIEWS - 1) // VIEWS, dimensions), dtype=np.float32) - 0.5
    values = np.random.default_rng(seed).random((rows, dimensions), dtype=np.float32)
    values = 2 * (values - 0.5) + np.repeat(classes, VIEWS, axis=0)[:rows]
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values, np.arange(rows) // VIEWS


def torch_ranks(query, gallery, q_labels, g_labels, block=512):
    """Ranks of the relevant items by a descending sort of their scores and one comparison each (gallery sorted by label)."""
    import torch

    q, g = torch.from_numpy(query), torch.from_numpy(gallery).T.contiguous()
    starts = torch.from_numpy(np.searchsorted(g_labels, q_labels, "left"))
    ends = torch.from_numpy(np.searchsorted(g_labels, q_labels, "right"))
    first = 0
    reciprocal = 0.0
    for at in range(0, len(q), block):
        scores = q[at : at + block] @ g
        rows = len(scores)
        width = int((ends[at : at + rows] - starts[at : at + rows]).max())
        columns = starts[at : at + rows, None] + torch.arange(width)
        valid = columns < ends[at : at + rows, None]
        positives = scores.gather(1, columns.clamp(max=len(gallery) - 1))
        positives[~valid] = -torch.inf
        best = positives.sort(1, descending=True).values
        ranks = torch.stack([(scores > best[:, k : k + 1]).sum(1) for k in range(width)], 1)
        valid = best > -torch.inf
        precision = (torch.arange(width) + 1) / (ranks + 1)
        reciprocal += float(((precision * valid).sum(1) / valid.sum(1)).sum())
        first += int((ranks[:, 0] == 0).sum())
    return {"recall@1": first / len(q), "mAP": reciprocal / len(q)}


def torch_topk(query, gallery, q_labels, g_labels, block=512):
    import torch

    q, g, labels = torch.from_numpy(query), torch.from_numpy(gallery).T.contiguous(), torch.from_numpy(g_labels)
    first = 0
    for at in range(0, len(q), block):
        found = (q[at : at + block] @ g).topk(50).indices
        first += int((labels[found[:, 0]] == torch.from_numpy(q_labels[at : at + block])).sum())
    return {"recall@1": first / len(q)}


def faiss_topk(query, gallery, q_labels, g_labels):
    import faiss

    index = faiss.IndexFlatIP(gallery.shape[1])
    index.add(gallery)
    _, found = index.search(query, 50)
    return {"recall@1": float((g_labels[found[:, 0]] == q_labels).mean())}


def run(engine, size, threads):
    queries, items, dimensions = size
    query, q_labels = data(queries, dimensions, 1)
    gallery, g_labels = data(items, dimensions, 2)
    if engine == "faiss":
        import faiss

        faiss.omp_set_num_threads(threads)
    else:
        import torch

        torch.set_num_threads(threads)
        torch.ones(64, 64) @ torch.ones(64, 64)
    work = {"torch-ranks": torch_ranks, "torch-topk": torch_topk, "faiss": faiss_topk}[engine]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    processor, start = time.process_time(), time.perf_counter()
    metrics = work(query, gallery, q_labels, g_labels)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    return {
        "engine": engine, "queries": queries, "gallery": items, "dimensions": dimensions, "threads": threads,
        "seconds": seconds, "processor_seconds": processor, "gflops": 2 * queries * items * dimensions / seconds / 1e9,
        "peak_before_mb": before // 1000, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000,
        "metrics": metrics,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", nargs="?", default="10000x10000x512")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=ENGINES)
    arguments = parser.parse_args()
    size = [int(number) for number in arguments.size.split("x")]
    if len(arguments.engine) == 1:
        try:
            print(json.dumps(run(arguments.engine[0], size, arguments.threads)))
        except ModuleNotFoundError as error:
            print(json.dumps({"engine": arguments.engine[0], "skipped": str(error)}))
        return
    # A process for each, so that their peak memories do not mix.
    for engine in arguments.engine:
        command = [sys.executable, __file__, arguments.size, "--threads", str(arguments.threads), "--engine", engine]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
