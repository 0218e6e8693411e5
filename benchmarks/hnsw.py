"""HNSW against exact search over image embeddings: recall@10, build and query times.

    python benchmarks/hnsw.py --sizes 10000 100000 300000
    python benchmarks/hnsw.py --embeddings embeddings.npy --m 32 --ef-search 256

Without ``--embeddings`` the vectors are drawn: clusters of unequal size and spread on a low-dimensional
manifold, rectified as the pooled features of a network are. The table is printed and written as JSON.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch

from elliot_advrec.files import write_json
from elliot_advrec.recommenders.content_knn import ContentKNNConfig
from elliot_advrec.recommenders.embeddings import unit
from elliot_advrec.recommenders.item_index import FaissFlat, FaissHNSW

K = 10
RESULTS = Path(__file__).parent / "results" / "hnsw.json"


def synthetic(items: int, dimensions: int, seed: int = 0) -> np.ndarray:
    """(items, dimensions) float32, drawn block by block so that the whole is held once."""
    generator = np.random.default_rng(seed)
    inner, clusters = 48, 200
    centres = generator.normal(size=(clusters, inner))
    spread = generator.uniform(0.3, 1.0, size=clusters)
    share = generator.dirichlet(np.full(clusters, 0.5))
    lift = generator.normal(size=(inner, dimensions)) / np.sqrt(inner)
    drawn = np.empty((items, dimensions), dtype=np.float32)
    for start in range(0, items, 10_000):
        block = drawn[start : start + 10_000]
        cluster = generator.choice(clusters, size=len(block), p=share)
        latent = centres[cluster] + spread[cluster, None] * generator.normal(size=(len(block), inner))
        noise = 0.05 * generator.standard_normal(block.shape, dtype=np.float32)
        block[:] = np.maximum(latent @ lift + noise, 0)
    return drawn


def measure(vectors: np.ndarray, queries: int, config: ContentKNNConfig) -> dict[str, Any]:
    """One row of the table over (N, D) unit vectors; queries are items, as in the recommender."""
    rows = np.random.default_rng(1).choice(len(vectors), min(queries, len(vectors)), replace=False)
    flat = FaissFlat(vectors)
    graph = FaissHNSW(vectors, config.M, config.ef_construction, config.ef_search)
    start = time.perf_counter()
    graph.search(vectors[:1], K)  # the graph is built when first searched
    built = time.perf_counter()
    found = graph.search(vectors[rows], K)
    searched = time.perf_counter()
    exact = flat.search(vectors[rows], K)
    done = time.perf_counter()
    shared = [len(np.intersect1d(a, b)) for a, b in zip(found, exact, strict=True)]
    return {
        "items": len(vectors),
        "dimensions": vectors.shape[1],
        "queries": len(rows),
        "recall_at_10": float(np.mean(shared)) / K,
        "build_seconds": round(built - start, 2),
        "hnsw_ms_per_query": round(1000 * (searched - built) / len(rows), 4),
        "flat_ms_per_query": round(1000 * (done - searched) / len(rows), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    defaults = ContentKNNConfig()
    parser.add_argument("--embeddings", type=Path, help=".npy of shape (N, D); sizes above N are left out")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 300_000])
    parser.add_argument("--dimensions", type=int, default=1280, help="of drawn vectors")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--m", type=int, default=defaults.M)
    parser.add_argument("--ef-construction", type=int, default=defaults.ef_construction)
    parser.add_argument("--ef-search", type=int, default=defaults.ef_search)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    config = ContentKNNConfig(
        M=options.m, ef_construction=options.ef_construction, ef_search=options.ef_search
    )
    if options.embeddings is not None:
        everything = np.load(options.embeddings, allow_pickle=False).astype(np.float32)
        sizes = [size for size in options.sizes if size < len(everything)] or [len(everything)]
    else:
        everything, sizes = synthetic(max(options.sizes), options.dimensions), sorted(options.sizes)
    table = []
    print(f"{'items':>8} {'recall@10':>10} {'build s':>9} {'HNSW ms/q':>10} {'flat ms/q':>10}", flush=True)
    for size in sizes:
        row = measure(unit(everything[:size]), options.queries, config)
        table.append(row)
        print(
            f"{row['items']:>8} {row['recall_at_10']:>10.4f} {row['build_seconds']:>9.2f} "
            f"{row['hnsw_ms_per_query']:>10.3f} {row['flat_ms_per_query']:>10.3f}",
            flush=True,
        )
    write_json(
        options.output,
        {
            "embeddings": "drawn" if options.embeddings is None else options.embeddings.name,
            "index": config.model_dump(include={"M", "ef_construction", "ef_search"}),
            "threads": torch.get_num_threads(),
            "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
            "versions": {"faiss": faiss.__version__, "numpy": np.__version__},
            "rows": table,
        },
    )


if __name__ == "__main__":
    main()
