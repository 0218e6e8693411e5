"""Is what a run measured possible? Checks that every run makes of its own numbers.

A check that fails says that a number should not be believed before the reason is known; with ``strict`` the
run fails. The list follows Carlini et al. 2019, "On Evaluating Adversarial Robustness", section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elliot_advrec.errors import UserError
from elliot_advrec.experiment.sanity_rates import check, rate_checks
from elliot_advrec.experiment.stages import Finished, Stage
from elliot_advrec.threats import Threat

ZERO = 0.9
"""Share of gradients that are exactly 0 from which they count as vanishing."""
SAME = 0.05
"""Difference of losses between batches, as a share of the loss, that rounding may make."""
ROUNDING = 1e-6


def checks(
    rows: Sequence[Mapping[str, Any]],
    finished: Iterable[Finished],
    read: Callable[[Stage], Mapping[str, np.ndarray]],
) -> list[dict[str, Any]]:
    """All checks of a run: ``check``, what it looked at (``on``), whether it ``passed``, and a ``detail``.

    Args:
        rows: result rows.
        finished: all stages; attacks and probes are looked at.
        read: the per-pair arrays of an attack or a probe.
    """
    finished = list(finished)
    found = rate_checks(rows, finished)
    for done in {done.stage.key: done for done in finished}.values():
        if done.stage.kind == "attack" and done.stage.tags["norm"] == "linf":
            found.append(_bounded(done.stage, read(done.stage)))
        elif done.stage.kind == "probe":
            found += _probed(done.stage, done.record["probe"], read)
    return found


def refuse_failed(found: Sequence[Mapping[str, Any]], output: Path) -> None:
    """Fail a run whose numbers cannot all be believed; everything is written by then.

    Raises:
        UserError: a check failed; names the first.
    """
    failed = [one for one in found if not one["passed"]]
    if failed:
        first = failed[0]
        raise UserError(
            f"{len(failed)} of {len(found)} sanity checks failed, the first: {first['check']}, "
            f"on {first['on']} ({first['detail']})",
            where=str(output / "results.json"),
            remedy="see 'checks' there, or set strict: false",
        )


def _bounded(stage: Stage, pairs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Of boxes alone: the attack asserts every norm itself, but rounding may leave a round ball."""
    largest, eps = float(np.max(pairs["linf"], initial=0.0)), stage.tags["eps"]
    return check(
        "the bound holds after rounding to 8 bits",
        stage.label,
        largest <= eps + ROUNDING,
        f"{largest:.5f} of {eps:g}",
    )


def _probed(
    stage: Stage, probe: Mapping[str, Any], read: Callable[[Stage], Mapping[str, np.ndarray]]
) -> list[dict[str, Any]]:
    on = stage.label
    found = [check("eps 0 gives the clean picture", on, probe["eps 0"], f"{probe['pairs']} pictures")]
    if not probe["white_box"]:
        return found
    zero, loss = probe["zero gradients"], probe["loss"]
    gap = probe["batch difference"]
    found += [
        check("gradients do not vanish", on, zero < ZERO, f"{zero:.1%} of them are exactly 0"),
        check(
            "results do not depend on the batch",
            on,
            gap <= SAME * max(loss, 1e-3),
            f"losses differ by at most {gap:.2g} of {loss:.2g}",
        ),
    ]
    threat: Threat = stage.parts["threat"]
    if threat.caveat() is not None:  # then the best attack on its loss need not succeed
        return found
    rules = threat.successes(read(stage), "after")
    # By the easiest rule: what an adversary without bounds must be able to do.
    share, tried = max(((float(np.mean(rule.met)), len(rule.met)) for rule in rules), default=(1.0, 0))
    return [
        *found,
        check(
            "without bounds the attack succeeds",
            on,
            share >= 0.5,
            f"{share:.0%} of {tried} tried",
        ),
    ]
