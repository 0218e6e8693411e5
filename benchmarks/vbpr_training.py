"""One epoch of VBPR: ours, a plain torch loop, Cornac's and Elliot's, on the same data and machine.

    python benchmarks/vbpr_training.py
    python benchmarks/vbpr_training.py --cornac /path/to/venv/bin/python --elliot /path/to/venv/bin/python \\
        --elliot-home /path/to/elliot --threads 2

Data are drawn: 666 users, 2,032 items, 64,540 training interactions, 2,048 features an item, and a taste
that the features show. Everybody has 64 latent and 20 visual factors, batch 512, Adam at the same rate, the
same penalties and as many epochs; lists are judged by the same code. Peers run in interpreters of their own,
with the same number of threads. Times are of epochs alone, no reading, no evaluation; processor seconds, of
the whole training over its epochs, are what to look at where other work shares the machine. The table is
printed and written as JSON and Markdown.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

USERS, ITEMS, INTERACTIONS, WIDTH, HELD = 666, 2032, 64_540, 2048, 5
FACTORS, VISUAL, BATCH = 64, 20, 512
RATE, L_W, L_E = 0.001, 0.000025, 0.002
HERE = Path(__file__).parent
Found = tuple[list[float], float, np.ndarray]
"""Seconds of each epoch, processor seconds an epoch, and (users, items) scores after the last."""


def draw(seed: int = 0) -> dict[str, np.ndarray]:
    """Rectified features of ten hidden looks, and users who like some of them; popularity has a long tail."""
    generator = np.random.default_rng(seed)
    looks = generator.normal(size=(ITEMS, 10))
    shown = looks @ generator.normal(size=(10, WIDTH)) + 2 * generator.normal(size=(ITEMS, WIDTH))
    liking = generator.normal(size=(USERS, 10)) @ looks.T
    popularity = -0.6 * np.log(generator.permutation(ITEMS) + 1)
    chance = 1.5 * liking / liking.std() + popularity + generator.gumbel(size=liking.shape)
    order = np.argsort(-chance, axis=1)
    sizes = np.full(USERS, INTERACTIONS // USERS)
    sizes[: INTERACTIONS % USERS] += 1
    train, test = [], []
    for user in range(USERS):
        taken = generator.permutation(order[user, : sizes[user] + HELD])
        train += [(user, item) for item in taken[HELD:]]
        test += [(user, item) for item in taken[:HELD]]
    features = np.maximum(shown, 0).astype(np.float32) / 10
    return {"features": features, "train": np.array(train), "test": np.array(test)}


def ours(data: dict[str, np.ndarray], epochs: int, seed: int) -> Found:
    """elliot_advrec's."""
    from elliot_advrec.recommenders.vbpr import VBPR, VBPRConfig

    settings = {"factors": FACTORS, "factors_d": VISUAL, "batch_size": BATCH, "lr": RATE}
    split = interactions(data)
    for number in (1, epochs):  # the first fit of a process imports what the optimiser needs
        begun = time.process_time()
        recommender = VBPR(VBPRConfig(epochs=number, l_w=L_W, l_b=0, l_e=L_E, **settings))
        recommender.fit(split, data["features"], seed=seed)
    spent = (time.process_time() - begun) / epochs
    seconds = [epoch.seconds for epoch in recommender.history.epochs]
    return seconds, spent, recommender.scores(np.arange(USERS)).numpy()


def plain(data: dict[str, np.ndarray], epochs: int, seed: int) -> Found:
    """What one writes first in torch: autograd, gathered features; negatives drawn again until they fit."""
    import torch

    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    taken = np.zeros((USERS, ITEMS), dtype=bool)
    taken[data["train"][:, 0], data["train"][:, 1]] = True
    features = torch.from_numpy(data["features"])

    def glorot(*shape: int) -> torch.nn.Parameter:
        return torch.nn.Parameter(torch.nn.init.xavier_uniform_(torch.empty(*shape)))

    gu, gi, tu = glorot(USERS, FACTORS), glorot(ITEMS, FACTORS), glorot(USERS, VISUAL)
    e, bp, bi = glorot(WIDTH, VISUAL), glorot(WIDTH, 1), torch.nn.Parameter(torch.zeros(ITEMS))
    optimiser = torch.optim.Adam([gu, gi, tu, e, bp, bi], lr=RATE)
    seconds, first = [], time.process_time()
    for _ in range(epochs):
        begun = time.perf_counter()
        rows = generator.permutation(len(data["train"]))
        users, positives = data["train"][rows].T
        negatives = generator.integers(ITEMS, size=len(rows))
        while (wrong := taken[users, negatives]).any():
            negatives[wrong] = generator.integers(ITEMS, size=int(wrong.sum()))
        for start in range(0, len(rows), BATCH):
            u, i, j = (
                torch.from_numpy(part[start : start + BATCH]) for part in (users, positives, negatives)
            )
            looks = features[i] - features[j]
            x = bi[i] - bi[j] + (gu[u] * (gi[i] - gi[j])).sum(1) + (tu[u] * (looks @ e)).sum(1)
            loss = torch.nn.functional.softplus(-(x + (looks @ bp).squeeze(1))).sum()
            loss = loss + L_W / 2 * sum(part.square().sum() for part in (gu[u], gi[i], gi[j], tu[u]))
            loss = loss + L_E / 2 * (e.square().sum() + bp.square().sum())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        seconds.append(time.perf_counter() - begun)
    spent = (time.process_time() - first) / epochs
    with torch.no_grad():
        scores = bi + gu @ gi.T + tu @ (features @ e).T + (features @ bp).squeeze(1)
    return seconds, spent, scores.numpy()


def cornac(data: dict[str, np.ndarray], epochs: int, seed: int) -> Found:
    """Cornac's own; its epochs are timed where it asks for batches."""
    from cornac.data import Dataset, ImageModality
    from cornac.models import VBPR

    triples = [(int(user), int(item), 1.0) for user, item in data["train"]]
    train = Dataset.from_uir(triples, seed=seed)
    order = [int(item) for item in train.item_ids]
    train.item_image = ImageModality(features=data["features"][order], ids=order, normalized=False)
    train.item_image.build(id_map=train.iid_map)
    marks: list[float] = []
    batches = train.uij_iter

    def timed(*arguments: Any, **options: Any) -> Any:
        marks.append(time.perf_counter())
        yield from batches(*arguments, **options)
        marks.append(time.perf_counter())

    train.uij_iter = timed
    for number in (1, epochs):
        marks.clear()
        model = VBPR(k=FACTORS, k2=VISUAL, n_epochs=number, batch_size=BATCH, learning_rate=RATE,
                     lambda_w=L_W, lambda_b=0, lambda_e=L_E, verbose=False, seed=seed)  # fmt: skip
        first = time.process_time()
        model.fit(train)
    spent = (time.process_time() - first) / epochs
    scores = np.full((USERS, ITEMS), -np.inf, dtype=np.float32)
    for number, user in enumerate(train.user_ids):
        scores[int(user), order] = model.score(number)[: len(order)]
    return [end - begun for begun, end in zip(marks[::2], marks[1::2], strict=True)], spent, scores


def elliot(data: dict[str, np.ndarray], epochs: int, seed: int) -> Found:
    """Elliot's own sampler, model and training step in the loop of its VBPR, features read as it does."""
    import tensorflow as tf
    from elliot.recommender.visual_recommenders.VBPR.pairwise_pipeline_sampler_vbpr import Sampler
    from elliot.recommender.visual_recommenders.VBPR.VBPR_model import VBPRModel

    ratings: dict[int, dict[int, float]] = {user: {} for user in range(USERS)}
    for user, item in data["train"]:
        ratings[int(user)][int(item)] = 1.0
    with tempfile.TemporaryDirectory() as folder:
        for item, row in enumerate(data["features"]):
            np.save(Path(folder) / f"{item}.npy", row)
        events = len(data["train"])
        sampler = Sampler(ratings, list(range(ITEMS)), folder, epochs)
        batches = sampler.pipeline(events, BATCH)
        model = VBPRModel(FACTORS, VISUAL, RATE, L_W, 0, L_E, WIDTH, USERS, ITEMS, seed)
        seconds: list[float] = []
        steps, begun, first = 0, time.perf_counter(), time.process_time()
        for batch in batches:
            model.train_step(batch)
            steps += 1
            if steps == events // BATCH:
                seconds.append(time.perf_counter() - begun)
                steps, begun = 0, time.perf_counter()
        spent = (time.process_time() - first) / epochs
        scores = model.predict_item_batch(0, USERS, 0, ITEMS - 1, tf.constant(data["features"])).numpy()
    return seconds[:epochs], spent, scores


CONTENDERS: dict[str, Callable[[dict[str, np.ndarray], int, int], Found]] = {
    "ours": ours, "plain torch loop": plain, "Cornac": cornac, "Elliot": elliot,
}  # fmt: skip


def interactions(data: dict[str, np.ndarray]) -> Any:
    """The split as this package holds it."""
    from scipy.sparse import csr_matrix

    from elliot_advrec.data.interactions import Interactions

    def matrix(rows: np.ndarray) -> Any:
        return csr_matrix((np.ones(len(rows), np.float32), (rows[:, 0], rows[:, 1])), shape=(USERS, ITEMS))

    ids = [str(user) for user in range(USERS)]
    return Interactions(ids, matrix(data["train"]), None, matrix(data["test"]), True, [])


class Given:
    """Scores that were computed elsewhere, to be ranked."""

    def __init__(self, scores: np.ndarray) -> None:
        self._scores = scores

    def scores(self, users: np.ndarray) -> Any:
        import torch

        return torch.from_numpy(self._scores[users].astype(np.float32))


def elsewhere(
    name: str, python: str, home: str | None, data: Path, epochs: int, seed: int, threads: int
) -> Found:
    """Run one contender in an interpreter of its own."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "found.npz"
        path = home if name == "Elliot" else str(HERE.parent) if name in ("ours", "plain torch loop") else ""
        environment = {
            **os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads),
            "TF_NUM_INTRAOP_THREADS": str(threads), "PYTHONPATH": path or "", "TF_CPP_MIN_LOG_LEVEL": "3",
        }  # fmt: skip
        command = [python, __file__, "--run", name, "--data", data, "--epochs", epochs, "--seed", seed]
        done = subprocess.run(
            [*map(str, command), "--found", str(output)],
            env=environment, capture_output=True, text=True, check=False, cwd=folder,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
        with np.load(output) as found:
            return found["seconds"].tolist(), float(found["spent"]), found["scores"]


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Everybody in turn, seed by seed, so that a busy spell of the machine hits all alike."""
    from elliot_advrec.metrics.ranking import evaluate

    pythons = {"ours": sys.executable, "plain torch loop": sys.executable}
    pythons |= {"Cornac": options.cornac} if options.cornac else {}
    pythons |= {"Elliot": options.elliot} if options.elliot else {}
    data = draw()
    judged = interactions(data)
    rows: dict[str, dict[str, Any]] = {name: {"seconds": [], "processor": [], "ndcg": []} for name in pythons}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, **data)
        for seed in range(1, options.seeds + 1):
            for name, python in pythons.items():
                seconds, spent, scores = elsewhere(
                    name, python, options.elliot_home, path, options.epochs, seed, options.threads
                )
                ranked = evaluate(Given(scores), judged, [10], metrics=["nDCG"])
                rows[name]["seconds"] += seconds
                rows[name]["processor"].append(spent)
                rows[name]["ndcg"].append(ranked.value("nDCG", 10))
                print(
                    f"seed {seed}, {name}: {min(seconds):.3f} s an epoch at best, {spent:.3f} of processor",
                    flush=True,
                )
    mine = statistics.median(rows["ours"]["seconds"])
    for row in rows.values():
        row["median"] = statistics.median(row["seconds"])
        row["times_ours"] = row["median"] / mine
        row["times_ours_processor"] = min(row["processor"]) / min(rows["ours"]["processor"])
    versions = {"numpy": np.__version__, "python": platform.python_version()}
    return {
        "epochs": options.epochs,
        "threads": options.threads,
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "versions": versions,
        "rows": rows,
    }


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown page."""
    lines = [
        "# One epoch of VBPR",
        "",
        f"{USERS} users, {ITEMS:,} items, {INTERACTIONS:,} interactions, {WIDTH:,} features, "
        f"{FACTORS} + {VISUAL} factors, batch {BATCH}; {result['epochs']} epochs, "
        f"{len(result['rows']['ours']['ndcg'])} seeds in turn, {result['threads']} thread(s) of "
        f"{result['machine']['cores']} cores.",
        "",
        "| trainer | seconds an epoch, median (range) | times ours | processor s | times ours | nDCG@10 |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in result["rows"].items():
        pace = f"{row['median']:.3f} ({min(row['seconds']):.3f}, {max(row['seconds']):.3f})"
        quality = ", ".join(f"{value:.4f}" for value in row["ndcg"])
        lines.append(
            f"| {name} | {pace} | {row['times_ours']:.1f} | {min(row['processor']):.3f} | "
            f"{row['times_ours_processor']:.1f} | {quality} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cornac", help="an interpreter that has Cornac; absent: not measured")
    parser.add_argument(
        "--elliot", help="an interpreter that has Elliot's requirements; absent: not measured"
    )
    parser.add_argument("--elliot-home", help="a clone of Elliot")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, default=HERE / "results")
    for internal in ("--run", "--data", "--found"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        with np.load(options.data) as stored:
            data = {name: stored[name] for name in stored.files}
        seconds, spent, scores = CONTENDERS[options.run](data, options.epochs, options.seed)
        np.savez(options.found, seconds=np.array(seconds), spent=spent, scores=scores)
        return
    from elliot_advrec.files import atomic, write_json

    result = compare(options)
    name = f"vbpr_training_{datetime.date.today():%Y-%m-%d}"
    write_json(options.output / f"{name}.json", json.loads(json.dumps(result)))
    page = table(result)
    with atomic(options.output / f"{name}.md") as temporary:
        temporary.write_text(page, "utf-8")
    print(page)


if __name__ == "__main__":
    main()
