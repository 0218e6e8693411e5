"""The best columns are those of a stable sort, in narrow rows and in wide ones."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elliot_advrec.metrics import topk
from elliot_advrec.metrics.topk import top_k_scored


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(0, 5),
    columns=st.integers(1, 90),
    k=st.integers(1, 35),
    levels=st.sampled_from([1, 2, 5, 10_000]),
    masked=st.sampled_from([0.0, 0.3, 0.95]),
    chunk=st.sampled_from([2, 3, 4, 128]),
)
def test_top_k_is_a_stable_sort(
    seed: int, rows: int, columns: int, k: int, levels: int, masked: float, chunk: int
) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, levels, size=(rows, columns)).astype(np.float32)
    scores[generator.random(scores.shape) < masked] = -np.inf
    # Small chunks make these rows wide ones, some of several levels.
    with patch.object(topk, "CHUNK", chunk):
        found, worth = top_k_scored(torch.from_numpy(scores), k)
    for row in range(rows):
        order = [i for i in np.lexsort((np.arange(columns), -scores[row])) if scores[row, i] > -np.inf]
        assert found[row].tolist() == [*order, *[-1] * k][:k]
        assert worth[row].tolist() == [*scores[row, order].tolist(), *[-np.inf] * k][:k]
    assert found.shape == worth.shape == (rows, k)
    assert worth.dtype == np.float32


def test_a_row_of_a_real_catalogs_width() -> None:
    scores = torch.randint(0, 5000, (3, 40_001), generator=torch.Generator().manual_seed(0)).float()
    scores[:, -1] = 9999.0
    expected = scores.sort(dim=1, descending=True, stable=True).indices[:, :20]
    assert np.array_equal(top_k_scored(scores, 20)[0], expected.numpy())
