"""How long Amazon's raw files of Yin et al. 2023's size (Amazon Fashion) take to load, and how much memory.

    OMP_NUM_THREADS=1 python benchmarks/amazon_loading.py
    OMP_NUM_THREADS=1 python benchmarks/amazon_loading.py --users 2000 --items 8000 --interactions 16000

The files are generated in a temporary folder: reviews as gzipped JSON lines with text, metadata as gzipped
Python literals (the form of 2014), an image file an item; beside the users of the study there are cold ones
with two reviews each, which the filter drops. Each form of interactions (reviews, ratings) is loaded in a
process of its own, by one thread: labels, filter, image folder, fingerprint and leave-one-out split.
``seconds`` (by the clock) and ``cpu_seconds`` begin after the imports; ``load`` is the machine's load
average, which tells whether others used it meanwhile; ``peak_mb`` is of the whole process. Images are
not decoded: that is the next stage.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.files import atomic, write_json

RESULTS = Path(__file__).parent / "results"
SECONDS, MEGABYTES = 20, 4000
"""What loading may take, on two cores."""
USERS, ITEMS, INTERACTIONS, COLD = 45_184, 166_270, 358_003, 50_000
WORDS = "these shoes fit well and look as good as they do in the picture but run small"
CATEGORY = "Clothing, Shoes & Jewelry"


def ids(count: int, prefix: str, width: int) -> list[str]:
    return [f"{prefix}{number:0{width}d}" for number in range(count)]


def draw(
    users: int, items: int, interactions: int, cold: int, seed: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """User, item and time of each row, no pair twice; each user has 5 or more, each item at least one."""
    generator = np.random.default_rng(seed)
    counts = 5 + generator.multinomial(interactions - 5 * users, np.full(users, 1 / users))
    user = np.repeat(np.arange(users), counts)
    item = np.concatenate([generator.permutation(items), generator.integers(0, items, interactions - items)])
    while True:  # draw again what a user has twice; the first of each item keeps its place
        _, first = np.unique(user * items + item, return_index=True)
        again = np.ones(interactions, bool)
        again[first] = False
        if not again.any():
            break
        rest = np.flatnonzero(again)
        item[rest] = generator.integers(0, items, len(rest))
    order = generator.permutation(interactions + 2 * cold)
    user = np.concatenate([user, users + np.repeat(np.arange(cold), 2)])[order]
    item = np.concatenate([item, generator.integers(0, items, 2 * cold)])[order]
    return user, item, 1_300_000_000 + generator.integers(0, 10**8, len(order))


def write(folder: Path, users: int, items: int, interactions: int, cold: int) -> None:
    """The raw files."""
    user, item, when = draw(users, items, interactions, cold)
    people, things = ids(users + cold, "A", 12), ids(items, "B", 9)
    generator = np.random.default_rng(2)
    words = WORDS.split()
    text = " ".join(words[place] for place in generator.integers(0, len(words), 4000))
    rows = list(zip(user.tolist(), item.tolist(), when.tolist(), strict=True))
    with gzip.open(folder / "reviews.json.gz", "wt", compresslevel=6) as stream:
        for number, (u, i, at) in enumerate(rows):
            start = number * 37 % (len(text) - 500)
            review = {
                "reviewerID": people[u],
                "asin": things[i],
                "reviewerName": f"Customer {u}",
                "helpful": [0, 0],
                "reviewText": text[start : start + 100 + number % 400],
                "overall": float(1 + number % 5),
                "summary": text[start : start + 20],
                "unixReviewTime": at,
                "reviewTime": "03 1, 2013",
            }
            stream.write(json.dumps(review) + "\n")
    with (folder / "ratings.csv").open("w") as stream:
        stream.writelines(f"{people[u]},{things[i]},{1 + i % 5}.0,{at}\n" for u, i, at in rows)
    with gzip.open(folder / "meta.json.gz", "wt", compresslevel=6) as stream:
        for number, asin in enumerate(things):
            near = [things[(number * 7 + step) % items] for step in range(30)]
            meta = {
                "asin": asin,
                "title": f"A {'women' if number % 2 else 'men'}'s shoe",
                "categories": [[CATEGORY, ("Men", "Women")[number % 2], "Shoes", f"Kind {number % 40}"]],
                "related": {"also_viewed": near},
                "imUrl": f"http://images.example/{asin}.jpg",
                "description": text[number % 3000 : number % 3000 + 300],
            }
            stream.write(repr(meta) + "\n")
    (folder / "images").mkdir()
    for asin in things:
        (folder / "images" / f"{asin}.jpg").write_bytes(b"not decoded here")


def peak_mb() -> float:
    """Highest resident memory of this process so far, in MB (10^6 bytes)."""
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure(folder: Path, interactions: str) -> dict[str, Any]:
    """Load once and say what each part took; called in a fresh process."""
    from elliot_advrec.data.matrices import build_folds
    from elliot_advrec.data.sources.amazon import Amazon, AmazonConfig

    settings: dict[str, Any] = {"interactions": interactions, "metadata": "meta.json.gz", "images": "images"}
    source = Amazon(AmazonConfig(**settings, within=(CATEGORY,)), folder)
    imported, seconds = peak_mb(), {}
    start = last = time.perf_counter()
    processor = time.process_time()

    def lap(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[name], last = round(now - last, 2), now

    catalog = source.catalog()
    lap("catalog")
    frame = source.interactions(catalog)
    source.fingerprint()
    lap("fingerprint")
    [[built]] = build_folds(
        frame, catalog, {"test_splitting": {"strategy": "random_subsampling", "leave_n_out": 1}}
    )
    lap("split")
    return {
        "form": interactions,
        "users": len(built.users),
        "items": len(catalog),
        "interactions": len(frame),
        "seconds": round(last - start, 2),
        "cpu_seconds": round(time.process_time() - processor, 2),
        **{f"{name}_seconds": value for name, value in seconds.items()},
        "load": round(os.getloadavg()[0], 1),
        "imported_mb": round(imported),
        "peak_mb": round(peak_mb()),
    }


def markdown(about: dict[str, Any], found: list[dict[str, Any]]) -> str:
    """The figures as a page."""
    sizes = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sorted(about["bytes"].items()))
    drawn = ", ".join(f"{value:,} {key}" for key, value in about["drawn"].items())
    names = ("form", "users", "items", "interactions", "seconds", "cpu_seconds", "load", "peak_mb")
    rows = [
        [f"{one[name]:,}" if not isinstance(one[name], str) else one[name] for name in names] for one in found
    ]
    table = [names, ["---", *["---:"] * (len(names) - 1)], *rows]
    return "\n".join(
        [
            f"Loading generated raw files ({drawn} users) with labels, filter, image folder, "
            f"fingerprint and leave-one-out split; allowed: {SECONDS} s and {MEGABYTES:,} MB.",
            "",
            f"`{about['command']}` on {about['machine']}, python {about['python']}, threads "
            f"{about['threads']}; files: {sizes}.",
            "",
            *("| " + " | ".join(row) + " |" for row in table),
            "",
            "`load` is the machine's load average: above the number of its cores, others took part of "
            "`seconds`, and `cpu_seconds` is what loading itself took.",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--interactions", type=int, default=INTERACTIONS)
    parser.add_argument("--cold", type=int, default=COLD)
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of amazon_loading.json and .md")
    given = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, given.users, given.items, given.interactions, given.cold)
        sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
        for form in ("reviews.json.gz", "ratings.csv"):
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                found.append(pool.submit(measure, folder, form).result())
            print(json.dumps(found[-1]))
    about = {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "command": " ".join(["python", *sys.argv]),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")) or None,
        "bytes": sizes,
        "drawn": {key: getattr(given, key) for key in ("users", "items", "interactions", "cold")},
    }
    write_json(given.output / "amazon_loading.json", {"about": about, "loads": found})
    with atomic(given.output / "amazon_loading.md") as temporary:
        temporary.write_text(markdown(about, found), "utf-8")


if __name__ == "__main__":
    main()
