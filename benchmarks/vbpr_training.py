"""One epoch of VBPR: ours, a plain torch loop, Cornac's and Elliot's, on the same data and machine.

    python benchmarks/vbpr_training.py
    python benchmarks/vbpr_training.py --cornac /path/to/venv/bin/python --elliot /path/to/venv/bin/python \\
        --elliot-home /path/to/elliot --threads 2
    python benchmarks/vbpr_training.py --part lists --epochs 20 ...

Data are drawn, with a taste that the features show. Everybody has 64 latent and 20 visual factors, the same
batch, Adam at the same rate, the same penalties and as many epochs; lists are judged by the same code. Peers
run in interpreters of their own, with the same number of threads, in turn.

``--part time`` (the default): 666 users, 2,032 items, 64,540 training interactions, 2,048 features an item,
batch 512. Times are of epochs alone, no reading, no evaluation; processor seconds, of the whole training over
its epochs, are what to look at where other work shares the machine. Elliot, whose epoch takes a minute,
trains ``--elliot-epochs`` once, and its fastest epoch counts.

``--part lists``: nDCG@10 after equal epochs on a tenth of the interactions (640 users, 600 items, 6,400
interactions, 512 features, batch 64), so that Elliot can follow; a user's value is its mean over seeds, and
peers are compared with ours user by user. The tables are printed and written as JSON and Markdown, each part
keeping the other's.
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
from typing import Any, NamedTuple

import numpy as np

HELD = 5
FACTORS, VISUAL = 64, 20
RATE, L_W, L_E = 0.001, 0.000025, 0.002
HERE = Path(__file__).parent


class Size(NamedTuple):
    """How much is drawn."""

    users: int
    items: int
    interactions: int
    width: int
    batch: int


SIZES = {"time": Size(666, 2032, 64_540, 2048, 512), "lists": Size(640, 600, 6_400, 512, 64)}
Found = tuple[list[float], float, np.ndarray]
"""Seconds of each epoch, processor seconds an epoch, and (users, items) scores after the last."""


def draw(size: Size, seed: int = 0) -> dict[str, np.ndarray]:
    """Rectified features of ten hidden looks, and users who like some of them; popularity has a long tail."""
    generator = np.random.default_rng(seed)
    looks = generator.normal(size=(size.items, 10))
    shown = looks @ generator.normal(size=(10, size.width))
    shown += 2 * generator.normal(size=shown.shape)
    liking = generator.normal(size=(size.users, 10)) @ looks.T
    popularity = -0.6 * np.log(generator.permutation(size.items) + 1)
    chance = 1.5 * liking / liking.std() + popularity + generator.gumbel(size=liking.shape)
    order = np.argsort(-chance, axis=1)
    counts = np.full(size.users, size.interactions // size.users)
    counts[: size.interactions % size.users] += 1
    train, test = [], []
    for user in range(size.users):
        taken = generator.permutation(order[user, : counts[user] + HELD])
        train += [(user, item) for item in taken[HELD:]]
        test += [(user, item) for item in taken[:HELD]]
    features = np.maximum(shown, 0).astype(np.float32) / 10
    batch = np.array(size.batch)
    return {"features": features, "train": np.array(train), "test": np.array(test), "batch": batch}


def shape(data: dict[str, np.ndarray]) -> tuple[int, int]:
    """Users and items."""
    return int(data["train"][:, 0].max()) + 1, len(data["features"])


def ours(data: dict[str, np.ndarray], epochs: int, seed: int) -> Found:
    """elliot_advrec's."""
    from elliot_advrec.recommenders.vbpr import VBPR, VBPRConfig

    settings = {"factors": FACTORS, "factors_d": VISUAL, "batch_size": int(data["batch"]), "lr": RATE}
    split = interactions(data)
    for number in (1, epochs):  # the first fit of a process imports what the optimiser needs
        begun = time.process_time()
        recommender = VBPR(VBPRConfig(epochs=number, l_w=L_W, l_b=0, l_e=L_E, **settings))
        recommender.fit(split, data["features"], seed=seed)
    spent = (time.process_time() - begun) / epochs
    seconds = [epoch.seconds for epoch in recommender.history.epochs]
    return seconds, spent, recommender.scores(np.arange(shape(data)[0])).numpy()


def plain(data: dict[str, np.ndarray], epochs: int, seed: int) -> Found:
    """What one writes first in torch: autograd, gathered features; negatives drawn again until they fit."""
    import torch

    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    (users_all, items_all), width, batch = shape(data), data["features"].shape[1], int(data["batch"])
    taken = np.zeros((users_all, items_all), dtype=bool)
    taken[data["train"][:, 0], data["train"][:, 1]] = True
    features = torch.from_numpy(data["features"])

    def glorot(*shape: int) -> torch.nn.Parameter:
        return torch.nn.Parameter(torch.nn.init.xavier_uniform_(torch.empty(*shape)))

    gu, gi, tu = glorot(users_all, FACTORS), glorot(items_all, FACTORS), glorot(users_all, VISUAL)
    e, bp, bi = glorot(width, VISUAL), glorot(width, 1), torch.nn.Parameter(torch.zeros(items_all))
    optimiser = torch.optim.Adam([gu, gi, tu, e, bp, bi], lr=RATE)
    seconds, first = [], time.process_time()
    for _ in range(epochs):
        begun = time.perf_counter()
        rows = generator.permutation(len(data["train"]))
        users, positives = data["train"][rows].T
        negatives = generator.integers(items_all, size=len(rows))
        while (wrong := taken[users, negatives]).any():
            negatives[wrong] = generator.integers(items_all, size=int(wrong.sum()))
        for start in range(0, len(rows), batch):
            u, i, j = (
                torch.from_numpy(part[start : start + batch]) for part in (users, positives, negatives)
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
        settings = {"n_epochs": number, "batch_size": int(data["batch"]), "learning_rate": RATE}
        penalties = {"lambda_w": L_W, "lambda_b": 0, "lambda_e": L_E}
        model = VBPR(k=FACTORS, k2=VISUAL, **settings, **penalties, verbose=False, seed=seed)
        first = time.process_time()
        model.fit(train)
    spent = (time.process_time() - first) / epochs
    scores = np.full(shape(data), -np.inf, dtype=np.float32)
    for number, user in enumerate(train.user_ids):
        scores[int(user), order] = model.score(number)[: len(order)]
    return [end - begun for begun, end in zip(marks[::2], marks[1::2], strict=True)], spent, scores


def elliot(data: dict[str, np.ndarray], epochs: int, seed: int) -> Found:
    """Elliot's own sampler, model and training step in the loop of its VBPR, features read as it does."""
    import tensorflow as tf
    from elliot.recommender.visual_recommenders.VBPR.pairwise_pipeline_sampler_vbpr import Sampler
    from elliot.recommender.visual_recommenders.VBPR.VBPR_model import VBPRModel

    users, items = shape(data)
    ratings: dict[int, dict[int, float]] = {user: {} for user in range(users)}
    for user, item in data["train"]:
        ratings[int(user)][int(item)] = 1.0
    with tempfile.TemporaryDirectory() as folder:
        for item, row in enumerate(data["features"]):
            np.save(Path(folder) / f"{item}.npy", row)
        events, batch = len(data["train"]), int(data["batch"])
        sampler = Sampler(ratings, list(range(items)), folder, epochs)
        batches = sampler.pipeline(events, batch)
        width = data["features"].shape[1]
        model = VBPRModel(FACTORS, VISUAL, RATE, L_W, 0, L_E, width, users, items, seed)
        seconds: list[float] = []
        steps, begun, first = 0, time.perf_counter(), time.process_time()
        for triples in batches:
            model.train_step(triples)
            steps += 1
            if steps == events // batch:
                seconds.append(time.perf_counter() - begun)
                steps, begun = 0, time.perf_counter()
        spent = (time.process_time() - first) / epochs
        scores = model.predict_item_batch(0, users, 0, items - 1, tf.constant(data["features"])).numpy()
    return seconds[:epochs], spent, scores


CONTENDERS: dict[str, Callable[[dict[str, np.ndarray], int, int], Found]] = {
    "ours": ours, "plain torch loop": plain, "Cornac": cornac, "Elliot": elliot,
}  # fmt: skip


def interactions(data: dict[str, np.ndarray]) -> Any:
    """The split as this package holds it."""
    from scipy.sparse import csr_matrix

    from elliot_advrec.data.interactions import Interactions

    def matrix(rows: np.ndarray) -> Any:
        return csr_matrix((np.ones(len(rows), np.float32), (rows[:, 0], rows[:, 1])), shape=shape(data))

    ids = [str(user) for user in range(shape(data)[0])]
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
    data = draw(SIZES[options.part])
    judged = interactions(data)
    rows: dict[str, dict[str, Any]] = {
        name: {"epochs": options.epochs, "seconds": [], "processor": [], "ndcg": [], "users": []}
        for name in pythons
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, **data)
        for seed in range(1, options.seeds + 1):
            for name, python in pythons.items():
                row = rows[name]
                if name == "Elliot" and options.part == "time":
                    row["epochs"] = options.elliot_epochs
                    if seed > 1:
                        continue
                seconds, spent, scores = elsewhere(
                    name, python, options.elliot_home, path, row["epochs"], seed, options.threads
                )
                ranked = evaluate(Given(scores), judged, [10], metrics=["nDCG"])
                row["seconds"] += seconds
                row["processor"].append(spent)
                row["ndcg"].append(ranked.value("nDCG", 10))
                row["users"].append(ranked["nDCG", 10].values)
                print(
                    f"seed {seed}, {name}: {min(seconds):.3f} s an epoch at best, {spent:.3f} of processor, "
                    f"nDCG@10 {row['ndcg'][-1]:.4f}",
                    flush=True,
                )
    for name, row in rows.items():
        few = name == "Elliot" and options.part == "time"
        row["median"] = (min if few else statistics.median)(row["seconds"])
    mine = np.mean(rows["ours"]["users"], axis=0)
    for row in rows.values():
        row["ours_is_better"] = better(mine - np.mean(row["users"], axis=0))
    for row in rows.values():
        del row["users"]
        row["times_ours"] = row["median"] / rows["ours"]["median"]
        row["times_ours_best"] = min(row["seconds"]) / min(rows["ours"]["seconds"])
        row["times_ours_processor"] = min(row["processor"]) / min(rows["ours"]["processor"])
    return {
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "command": " ".join(["python", "benchmarks/vbpr_training.py", *_said()]),
        "size": SIZES[options.part]._asdict(),
        "seeds": options.seeds,
        "threads": options.threads,
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "load_after": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "rows": rows,
    }


def better(difference: np.ndarray) -> dict[str, float]:
    """Mean of users' differences, its 95 % interval, and the p-value of the paired t-test."""
    from elliot_advrec.metrics.rates import mean_interval
    from elliot_advrec.metrics.significance import ttest

    mean, low, high = mean_interval(difference)
    return {"mean": mean, "low": low, "high": high, "p": ttest(difference, np.zeros_like(difference)).p}


def _said() -> list[str]:
    """The options, interpreters by what they hold, since where they lie says nothing elsewhere."""
    hidden = {"--cornac": "CORNAC_PYTHON", "--elliot": "ELLIOT_PYTHON", "--elliot-home": "ELLIOT"}
    hidden |= {"--output": "FOLDER"}
    given = sys.argv[1:]
    return [hidden.get(given[at - 1], word) if at else word for at, word in enumerate(given)]


def _processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(found: dict[str, Any]) -> str:
    """The parts that were measured, as a Markdown page."""
    lines = ["# VBPR beside its peers", ""]
    for part, title in (("time", "One epoch"), ("lists", "Lists after equal epochs")):
        if part not in found:
            continue
        result = found[part]
        size = Size(**result["size"])
        lines += [
            f"## {title}",
            "```",
            result["command"],
            "```",
            f"{result['date']}, {result['machine']}, {result['threads']} thread(s), load "
            f"{result['load_after']}. {size.users} users, {size.items:,} items, {size.interactions:,} "
            f"interactions, {size.width:,} features, {FACTORS} + {VISUAL} factors, batch {size.batch}; "
            f"{result['seeds']} seeds in turn.",
            "",
            "| trainer | epochs | seconds an epoch (range) | times ours | best epochs | processor s | "
            "times ours | nDCG@10, seed by seed | ours is better by (95 %) | p |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for name, row in result["rows"].items():
            pace = f"{row['median']:.3f} ({min(row['seconds']):.3f}, {max(row['seconds']):.3f})"
            quality, gain = ", ".join(f"{value:.4f}" for value in row["ndcg"]), row.get("ours_is_better")
            # Of Elliot, fewer epochs are timed: its lists are not to be compared there.
            said = " | "
            if gain and name != "ours" and row["epochs"] == result["rows"]["ours"]["epochs"]:
                said = f"{gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}] | {gain['p']:.2g}"
            lines.append(
                f"| {name} | {row['epochs']} | {pace} | {row['times_ours']:.1f} | "
                f"{row['times_ours_best']:.1f} | {min(row['processor']):.3f} | "
                f"{row['times_ours_processor']:.1f} | {quality} | {said} |"
            )
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--part", choices=sorted(SIZES), default="time")
    parser.add_argument("--cornac", help="an interpreter that has Cornac; absent: not measured")
    parser.add_argument(
        "--elliot", help="an interpreter that has Elliot's requirements; absent: not measured"
    )
    parser.add_argument("--elliot-home", help="a clone of Elliot")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--elliot-epochs", type=int, default=2, help="of Elliot in --part time")
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

    target = options.output / "vbpr_training.json"
    found = json.loads(target.read_text("utf-8")) if target.is_file() else {}
    found[options.part] = compare(options)
    write_json(target, found)
    page = table(found)
    with atomic(target.with_suffix(".md")) as temporary:
        temporary.write_text(page, "utf-8")
    print(page)


if __name__ == "__main__":
    main()
