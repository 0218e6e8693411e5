"""Which stages go to the cluster when, and what becomes of those whose worker dies."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol

from elliot_advrec.errors import UserError
from elliot_advrec.experiment import Plan, Stage, Workspace
from elliot_advrec.experiment.plan import ancestors
from elliot_advrec.experiment.runner import account
from elliot_advrec.hosts.cluster.board import PATIENCE, Board, await_finished
from elliot_advrec.progress import Progress

TRIES = 3
"""How often a stage is begun whose worker dies each time."""
LOOK_EVERY = 0.5  # seconds between two looks at the board
TELL_EVERY = 15.0  # seconds between two lines that say how far the stages under way are
Answer = dict[str, Any]
"""What ``making.make`` returns."""


class Crew(Protocol):
    """Processes that make stages."""

    def submit(self, stage: Stage) -> None:
        """Have a stage made, as soon as one of them is free."""
        ...

    def wait(self, seconds: float) -> Iterable[tuple[str, Answer | None]]:
        """Keys that were answered within so many seconds; None: the process died."""
        ...

    def stop(self) -> None:
        """Have nothing made any more, what is under way neither."""
        ...


def spread(
    plan: Plan, workspace: Workspace, crew: Crew, board: Board, progress: Progress
) -> dict[str, Answer]:
    """Have every missing stage made, each as soon as what it needs is there; the answers, by key.

    A stage whose process dies is submitted again, and goes on from what it left in the store.

    Raises:
        UserError: a stage refused, its processes died ``TRIES`` times, or what was made is not seen here.
    """
    stages = {
        stage.key: stage
        for stage in plan.unique()
        if workspace.store.entry(stage.kind, stage.key).record() is None
    }
    if not stages:
        progress.say("every stage is in the store already")
    waiting = {key: {need.key for need in ancestors(stage)} & stages.keys() for key, stage in stages.items()}
    display = _Display(board, progress, len(stages))
    begun: Counter[str] = Counter()
    answers: dict[str, Answer] = {}

    def submit_ready() -> None:
        for key in [key for key, needs in waiting.items() if not needs]:
            del waiting[key]
            begun[key] += 1
            crew.submit(stages[key])

    try:
        with progress.track("stages", len(stages)) as advance:
            submit_ready()
            while len(answers) < len(stages):
                for key, answer in crew.wait(LOOK_EVERY):
                    stage = stages[key]
                    if answer is None:
                        again(stage, begun[key], progress)
                        begun[key] += 1
                        crew.submit(stage)
                        continue
                    display.begun(stage, str(answer.get("host", "")))
                    check(stage, answer, workspace)
                    answers[key] = answer
                    display.ended(stage, workspace)
                    advance(1)
                    for needs in waiting.values():
                        needs.discard(key)
                submit_ready()
                display.look([stages[key] for key in begun if key not in answers])
    except BaseException:  # Ctrl-C too: what is under way would go on without anybody waiting for it
        crew.stop()
        raise
    return answers


def again(stage: Stage, times: int, progress: Progress) -> None:
    """Say that a stage is begun again.

    Raises:
        UserError: it was often enough.
    """
    if times >= TRIES:
        raise UserError(
            f"the process that made '{stage.label}' died, {times} times",
            remedy="where memory ran out, lower adversarial.batch_size, or raise --ray-cpus so that fewer"
            " stages share a machine; what is finished is in the store",
        )
    progress.say(f"the process that made '{stage.label}' died; it is begun again ({times} of {TRIES - 1})")


def check(stage: Stage, answer: Answer, workspace: Workspace) -> None:
    """See the stage that was made.

    Raises:
        UserError: what the stage refused, or it is not in the store that this process sees.
    """
    if "refused" in answer:
        what, where, remedy = answer["refused"]
        raise UserError(what, where=where, remedy=remedy)
    entry = workspace.store.entry(stage.kind, stage.key)
    await_finished(entry, PATIENCE, f"'{stage.label}' was made on {answer['host']}, and is not seen here")


class _Display:
    """Says which stages begin, where, and how far those under way are."""

    def __init__(self, board: Board, progress: Progress, ahead: int) -> None:
        self.board, self.progress, self.ahead = board, progress, ahead
        self.last = time.monotonic()
        self.said: set[str] = set()

    def begun(self, stage: Stage, host: str) -> None:
        """Say that a stage is under way, once."""
        if stage.key not in self.said:
            self.said.add(stage.key)
            on = f" (on {host})" if host else ""
            self.progress.say(f"[{len(self.said)}/{self.ahead}] {stage.label}{on}")

    def ended(self, stage: Stage, workspace: Workspace) -> None:
        """Say what a stage took."""
        entry = workspace.store.entry(stage.kind, stage.key)
        record = entry.record()
        if record is not None:
            self.progress.detail(f"  {stage.label}:{account(record, entry.folder)}")

    def look(self, submitted: list[Stage]) -> None:
        """Read the notes about stages that are submitted and not finished."""
        under_way = []
        for stage in submitted:
            note = self.board.told(stage.key)
            if note is None:  # it waits for a free process
                continue
            self.begun(stage, note.host)
            under_way.append(f"{stage.label} {note.done}/{note.total}" if note.total else stage.label)
        now = time.monotonic()
        if under_way and now - self.last >= TELL_EVERY:
            self.last = now
            self.progress.say(f"  under way: {'; '.join(under_way)}")
