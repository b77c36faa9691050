"""Makes tests/fixtures/metrics.json: rankings and their figures, as independent implementations compute them.

    python scripts/reference/metrics.py --clones FOLDER        (requirements.txt, clones.py)

Implementations:
    torchreid   KaiyangZhou/deep-person-reid, torchreid/metrics/rank.py, its Python path
    fastreid    JDAI-CV/fast-reid, fastreid/evaluation/rank.py, its Python path
    ctl         mikwieczorek/centroids-reid, utils/eval_reid.py
    pml         the package pytorch-metric-learning, AccuracyCalculator
    sklearn     scikit-learn

Format. `rankings`, a list of cases:
    name                        what the case is about
    distances                   [queries][gallery], smaller is nearer; multiples of 1/64, so exact in f32
    q_pids g_pids q_cams g_cams identities and cameras
    exclude                     "same_pid_and_camera": gallery items with both of the query's are removed (the ReID protocol);
                                "self": gallery item i is query i, and removed for it
    order                       [queries][gallery] gallery indices by (distance, index), before anything is removed
    per_query                   for each query null if no positive is left (it is skipped), else
                                  first_hit   1-based rank of the first positive
                                  ap          average precision, whole ranking, precision at each hit  [fastreid; = pml]
                                  inp         inverse negative penalty: positives / rank of the last one  [fastreid]
                                  ap_at_r, r_precision, rr (reciprocal rank), precision_at_1  [pml]
    expected                    means over the queries that are not skipped
                                  map, minp, cmc (cmc[k-1]: share of queries with a hit in the first k = recall@k)  [fastreid]
                                  map_torchreid, cmc_torchreid; map_ctl, top_k_ctl (k = 1, 5, 10, 20, 50; the ctl code
                                    has no "self" exclusion, so null there)
                                  map_at_r, r_precision, mrr, precision_at_1  [pml]
                                  valid_queries
Equal distances are ordered by gallery index: the implementations are given that order's ranks as distances, as their own sorting
is not stable.

`graded`, a list: grades [queries][items] (gains), scores (larger is better, equal ones by index), ndcg: {k: [per query]}  [sklearn,
linear gain, log2 discount]; a query whose grades are all 0 has 0 there.
`binary`, a list: labels, scores; roc_auc, average_precision  [sklearn: equal scores share a threshold].
"""

import argparse
import contextlib
import io
import json
import warnings
from pathlib import Path

import numpy as np
import torch
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from clones import load

OUT = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "metrics.json"


class Given:
    """A nearest-neighbour search that knows the answer."""

    def __init__(self, order):
        self.order = order

    def __call__(self, query, k, reference=None, ref_includes_query=False):
        return torch.zeros(1, k), torch.tensor(self.order[None, :k])


def pml(order, q_pid, g_pids):
    """Figures of one query on its ranking of what is left of the gallery."""
    calculator = AccuracyCalculator(
        include=("mean_average_precision", "mean_average_precision_at_r", "r_precision", "mean_reciprocal_rank", "precision_at_1"),
        k=len(order),
        device=torch.device("cpu"),
        knn_func=Given(order),
    )
    query, reference = torch.zeros(1, 1), torch.zeros(len(g_pids), 1)
    return calculator.get_accuracy(query, torch.tensor([q_pid]), reference, torch.tensor(g_pids))


def ranking(name, distances, q_pids, g_pids, q_cams, g_cams, exclude, impl):
    q_pids, g_pids, q_cams, g_cams = map(np.asarray, (q_pids, g_pids, q_cams, g_cams))
    order = np.argsort(distances, axis=1, kind="stable")
    ranks = np.argsort(order, axis=1).astype(np.float64)
    gallery = len(g_pids)

    per_query, first = [], []
    for q in range(len(q_pids)):
        if exclude == "self":
            removed = np.arange(gallery) == q
        else:
            removed = (g_pids == q_pids[q]) & (g_cams == q_cams[q])
        kept = np.array([g for g in order[q] if not removed[g]])
        hits = np.flatnonzero(g_pids[kept] == q_pids[q])
        if len(hits) == 0:
            per_query.append(None)
            continue
        # The implementations number the gallery that they are given: hand them what is left of it.
        left = np.flatnonzero(~removed)
        number = {g: i for i, g in enumerate(left)}
        figures = pml(np.array([number[g] for g in kept]), int(q_pids[q]), g_pids[left])
        cmc, ap, inp = impl["fastreid"].evaluate_py(
            ranks[q : q + 1, left], q_pids[q : q + 1], g_pids[left], np.array([-1]), np.zeros(len(left)), len(left), False
        )
        assert abs(ap[0] - figures["mean_average_precision"]) < 1e-12
        assert abs(ap[0] - average_precision_score(g_pids[left] == q_pids[q], -ranks[q, left])) < 1e-12
        first.append(int(hits[0]) + 1)
        assert list(cmc).index(1) + 1 == first[-1]
        per_query.append(
            {
                "first_hit": first[-1],
                "ap": ap[0],
                "inp": inp[0],
                "ap_at_r": figures["mean_average_precision_at_r"],
                "r_precision": figures["r_precision"],
                "rr": figures["mean_reciprocal_rank"],
                "precision_at_1": figures["precision_at_1"],
            }
        )

    valid = [p for p in per_query if p]
    mean = lambda key: float(np.mean([p[key] for p in valid]))
    expected = {"valid_queries": len(valid)}
    if exclude == "self":
        # Said in the ReID protocol's words: everything has the query's camera only where it is the query.
        cams = np.arange(gallery)
        whole = (ranks, q_pids, g_pids, cams, cams)
    else:
        whole = (ranks, q_pids, g_pids, q_cams, g_cams)
    # One item less where one is removed: a longer curve would be ragged.
    longest = gallery - max(int(((g_pids == p) & (whole[4] == c)).sum()) for p, c in zip(q_pids, whole[3]))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        cmc, aps, inps = impl["fastreid"].evaluate_py(*whole, longest, False)
        cmc_torchreid, map_torchreid = impl["torchreid"].evaluate_py(*whole, longest, False)
        expected["map_ctl"], expected["top_k_ctl"] = None, None
        if exclude != "self":
            # Its curve has 50 places whatever remains of the gallery, so it is asked for the rest only.
            _, map_ctl, top_k, _ = impl["ctl"].eval_func(order, q_pids, g_pids, q_cams, g_cams, longest)
            expected["map_ctl"], expected["top_k_ctl"] = float(map_ctl), [float(x) for x in top_k]
    assert np.allclose(aps, [p["ap"] for p in valid]) and np.allclose(inps, [p["inp"] for p in valid])
    expected |= {
        "map": float(np.mean(aps)),
        "minp": float(np.mean(inps)),
        "cmc": [float(x) for x in cmc],
        "map_torchreid": float(map_torchreid),
        "cmc_torchreid": [float(x) for x in cmc_torchreid],
        "map_at_r": mean("ap_at_r"),
        "r_precision": mean("r_precision"),
        "mrr": mean("rr"),
        "precision_at_1": mean("precision_at_1"),
    }
    return {
        "name": name,
        "distances": distances.tolist(),
        "q_pids": q_pids.tolist(),
        "g_pids": g_pids.tolist(),
        "q_cams": q_cams.tolist(),
        "g_cams": g_cams.tolist(),
        "exclude": exclude,
        "order": order.tolist(),
        "per_query": per_query,
        "expected": expected,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clones", required=True)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    impl = {
        "torchreid": load(args.clones, "deep-person-reid/torchreid/metrics/rank.py"),
        "fastreid": load(args.clones, "fast-reid/fastreid/evaluation/rank.py"),
        "ctl": load(args.clones, "centroids-reid/utils/eval_reid.py"),
    }
    rng = np.random.default_rng(20261121)
    ids = lambda n, k: rng.integers(0, k, n)

    def noise(q_pids, g_pids):
        """Uniform, with positives somewhat nearer."""
        return rng.random((len(q_pids), len(g_pids))) + 0.25 * (q_pids[:, None] != g_pids[None, :])

    distinct = lambda q_pids, g_pids: noise(q_pids, g_pids).argsort(axis=1).argsort(axis=1) / 64
    tied = lambda levels: lambda q_pids, g_pids: np.floor(noise(q_pids, g_pids) * levels) / 64

    cases = []
    for name, distances, q_pids, g_pids, cameras in [
        ("street and shop: nothing is removed", distinct, ids(8, 6), ids(30, 6), None),
        ("cameras", distinct, ids(12, 5), ids(40, 5), 3),
        ("many equal distances", tied(4), ids(12, 5), ids(40, 5), 3),
        ("all distances equal", tied(0), ids(4, 3), ids(12, 3), None),
        ("distractors, and queries without a positive", distinct, ids(10, 8), ids(25, 16), 2),
        ("one positive each", distinct, np.arange(9), rng.permutation(9), None),
    ]:
        q_cams, g_cams = np.zeros(len(q_pids), int), np.ones(len(g_pids), int)
        if cameras:
            q_cams, g_cams = ids(len(q_pids), cameras), ids(len(g_pids), cameras)
        cases.append((name, distances(q_pids, g_pids), q_pids, g_pids, q_cams, g_cams, "same_pid_and_camera"))

    labels, zeros = np.append(ids(23, 5), 99), np.zeros(24, int)
    symmetric = np.triu(noise(labels, labels), 1)
    symmetric = np.unique(symmetric + symmetric.T, return_inverse=True)[1].reshape(24, 24) / 64
    coarse = np.ceil(symmetric * 64 / 60) / 64
    cases.append(("every item is a query, and not in its own gallery", symmetric, labels, labels, zeros, zeros, "self"))
    cases.append(("the same with equal distances", coarse, labels, labels, zeros, zeros, "self"))

    graded = []
    for name, scores in [
        ("distinct scores", rng.permuted(np.tile(np.arange(15), (6, 1)), axis=1) / 64),
        ("equal scores", rng.integers(0, 4, (6, 15)) / 64),
    ]:
        grades = rng.choice([0, 0, 0, 0.01, 0.1, 1], (6, 15))
        grades[2] = 0
        ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
        ndcg = {
            str(k): [float(ndcg_score(grades[q : q + 1], -ranks[q : q + 1], k=k)) for q in range(6)] for k in (1, 5, 10, 15)
        }
        graded.append({"name": name, "grades": grades.tolist(), "scores": scores.tolist(), "ndcg": ndcg})

    binary = []
    for name, scores in [("distinct scores", rng.permutation(40) / 64), ("equal scores", rng.integers(0, 6, 40) / 64)]:
        labels = rng.integers(0, 2, 40)
        binary.append(
            {
                "name": name,
                "labels": labels.tolist(),
                "scores": scores.tolist(),
                "roc_auc": float(roc_auc_score(labels, scores)),
                "average_precision": float(average_precision_score(labels, scores)),
            }
        )

    result = {
        "about": "made by scripts/reference/metrics.py, which describes the format",
        "rankings": [ranking(*case, impl) for case in cases],
        "graded": graded,
        "binary": binary,
    }
    text = json.dumps(result, separators=(",", ":"), allow_nan=False)
    OUT.write_text(text.replace('{"name"', '\n{"name"') + "\n")
    print(f"{OUT}: {len(text)} bytes")
    for case in result["rankings"]:
        e = case["expected"]
        print(f"{case['name']}: {e['valid_queries']} of {len(case['q_pids'])} queries, mAP {e['map']:.4f}, top-1 {e['cmc'][0]:.4f}")


if __name__ == "__main__":
    main()
