"""What a filter learns to rank from: pictures of the training split alone."""

from __future__ import annotations

import numpy as np
from scipy.sparse import random as random_matrix

from elliot_advrec.experiment.fitting_guards import draw_triples


def test_other_items_are_training_items_that_were_not_taken() -> None:
    taken = random_matrix(30, 60, density=0.1, format="csr", random_state=np.random.default_rng(0))
    own = np.arange(0, 60, 2)
    triples = draw_triples(taken, own, 7)
    assert triples.dtype == np.int64
    assert len(triples) == taken.nnz
    assert set(triples[:, 2]) <= set(own)
    assert not np.asarray(taken[triples[:, 0], triples[:, 2]]).any()
    assert (np.asarray(taken[triples[:, 0], triples[:, 1]]) != 0).all()
    assert (triples == draw_triples(taken, own, 7)).all()
    assert (triples != draw_triples(taken, own, 8)).any()
