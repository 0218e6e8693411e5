"""The one loop that all pairwise recommenders are trained by."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch

from elliot_advrec.errors import UserError
from elliot_advrec.progress import Advance
from elliot_advrec.recommenders.base import DivergedError
from elliot_advrec.recommenders.bpr.config import BPRConfig
from elliot_advrec.recommenders.bpr.history import Epoch, History
from elliot_advrec.recommenders.bpr.network import Network
from elliot_advrec.recommenders.bpr.optimiser import lay_out, make_optimiser
from elliot_advrec.recommenders.bpr.sampling import TripleSampler
from elliot_advrec.recommenders.bpr.state import TrainingState
from elliot_advrec.recommenders.bpr.stopping import stops
from elliot_advrec.recommenders.context import FitContext
from elliot_advrec.seeding import stream_seed

REPORTS = 20
"""Times an epoch that progress is told; more would cost as much as the steps."""
Measure = Callable[[], dict[str, float]]


class Trainer:
    """One training.

    Args:
        name: of the recommender, for messages.
        network: what learns, on its device; ends with the weights of its best epoch.
        sampler: of the triples.
        config: how long, in which steps, and when to stop.
        kind: of optimiser.
        seed: decides what layers draw; the sampler has its own.
        context: progress, selection and where the state is kept.
        identity: all that decides the result, JSON-able; two that differ do not share a folder.
        measure: metric -> value on the validation part with the present weights; None: nothing is held out.

    Raises:
        UserError: a metric to stop or choose by that is not measured, or a first validation after the last
            epoch.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        sampler: TripleSampler,
        config: BPRConfig,
        kind: Literal["adam", "descent"],
        *,
        seed: int,
        context: FitContext,
        identity: dict[str, Any],
        measure: Measure | None,
    ) -> None:
        self.name, self.network, self.sampler, self.config = name, network, sampler, config
        self.seed, self.context, self.measure = seed, context, measure
        self.flat = lay_out(network)
        self.optimiser = make_optimiser(kind, self.flat, config.lr)
        self.device = self.flat.device
        self.state = None if context.folder is None else TrainingState(context.folder, identity)
        self.monitor = self._checked()

    def _checked(self) -> str:
        """What early stopping looks at, after the rules between sections were checked."""
        selection, rule = self.context.selection, self.config.early_stopping
        if self.config.epochs < selection.validation_rate:
            raise UserError(
                f"the first validation, after epoch {selection.validation_rate}, comes later than the last "
                f"epoch, {self.config.epochs}",
                where=f"{self.name}: meta.validation_rate",
                remedy="lower it or raise epochs",
            )
        try:
            chosen = "{}@{}".format(*selection.key())
        except UserError as error:
            raise error.at(f"{self.name}: meta.validation_metric") from None
        if rule is None or rule.monitor == "loss":
            return "loss"
        try:
            chosen = "{}@{}".format(*selection.key(rule.monitor)) if rule.monitor else chosen
        except UserError as error:
            raise error.at(f"{self.name}: early_stopping.monitor") from None
        if rule.patience and self.measure is None:
            raise UserError(
                f"early stopping looks at {chosen}, and there is no validation part to measure it on",
                where=f"{self.name}: early_stopping",
                remedy="add a validation_splitting, or write monitor: loss",
            )
        return chosen

    def run(self) -> History:
        """Train, continuing where the folder's state stands; the best epoch's weights are put back.

        Raises:
            UserError: divergence, a folder of another training, or a full disk.
        """
        config, progress = self.config, self.context.progress
        history, best = (
            (History(), {}) if self.state is None else self.state.restore(self.network, self.optimiser)
        )
        with progress.track(f"training {self.name}", self.sampler.size * config.epochs) as advance:
            advance(self.sampler.size * len(history.epochs))
            while len(history.epochs) < config.epochs and not self._stopped(history):
                epoch = self._epoch(len(history.epochs), advance)
                progress.detail(epoch.line(config.epochs))
                if history.add(epoch, self.context.selection, held_out=self.measure is not None):
                    best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
                if self.state is not None:
                    self.state.keep(self.network, best, self.optimiser, history)
            advance(self.sampler.size * (config.epochs - len(history.epochs)))
        if best:
            self.network.load_state_dict(best)
        self.network.eval()
        for parameter in self.network.parameters():
            parameter.grad = None
            parameter.requires_grad_(False)
        return history

    def _stopped(self, history: History) -> bool:
        rule = self.config.early_stopping
        if rule is None or (history.epochs and not history.epochs[-1].validated):
            return False
        over = stops(rule, history.observed(self.monitor), self.context.progress)
        if over:
            self.context.progress.say(
                f"{self.name} stopped early after epoch {len(history.epochs)}; epoch {history.best} is kept"
            )
        return over

    def _epoch(self, number: int, advance: Advance) -> Epoch:
        begun = time.perf_counter()
        triples = self.sampler.epoch(number).to(self.device)
        size = self.sampler.size if self.config.batch_size == -1 else self.config.batch_size
        steps = math.ceil(self.sampler.size / size)
        report, told = math.ceil(steps / REPORTS) * size, 0
        total = torch.zeros((), device=self.device)
        with _repeatable(self.device, stream_seed(self.seed, "layers", number)):
            self.network.train()
            self.network.begin(number)
            for start in range(0, self.sampler.size, size):
                batch = triples.batch(start, size)
                total += self.network.gradients(batch)
                self.optimiser.step()
                self.network.clear(batch)
                done = min(start + size, self.sampler.size)
                if done - told >= report or done == self.sampler.size:
                    advance(done - told)
                    told = done
            self.network.eval()
            loss = float(total) / steps
        # Looked at once an epoch, since a GPU would wait at every step: NaN and infinity never go away again.
        if not (math.isfinite(loss) and bool(self.flat.isfinite().all())):
            raise self._diverged(number + 1)
        seconds = time.perf_counter() - begun
        validated = (number + 1) % self.context.selection.validation_rate == 0
        measured = self.measure() if validated and self.measure is not None else {}
        return Epoch(number + 1, loss, seconds, measured, validated)

    def _diverged(self, epoch: int) -> DivergedError:
        return DivergedError(
            f"the training of {self.name} is no longer finite in epoch {epoch}",
            where=f"{self.name}: lr",
            remedy=f"lower `lr` (now {self.config.lr:g})",
        )


@contextlib.contextmanager
def _repeatable(device: torch.device, seed: int) -> Iterator[None]:
    """Layers draw from a seed of their own, and CUDA adds up in an order that does not change."""
    cuda = [device] if device.type == "cuda" else []
    before = torch.are_deterministic_algorithms_enabled()
    only_warn = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=cuda), warnings.catch_warnings():
        torch.manual_seed(seed)
        if cuda:
            # Products on several streams alone are out of its reach, and here there is one.
            warnings.filterwarnings("ignore", message=".*deterministic.*")
            torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before, warn_only=only_warn)
