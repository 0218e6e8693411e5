"""Lines that say how far a task is, every so often, with the time that is left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from elliot_advrec.progress import Advance

LINE_EVERY = 15.0  # seconds between lines of one task
PACE_OVER = 8  # of those lines, over which the pace is taken
AT_ONCE = 1.0  # seconds within which units were not done now, but restored


def lines(say: Callable[[str], None], description: str, total: int) -> Advance:
    """What is called with the units just done, and says a line now and then.

    Args:
        say: gets the lines.
        description: of the task.
        total: its units.
    """
    begun = last = time.monotonic()
    # The pace of late: what an earlier run had done already comes first, all at once.
    seen: deque[tuple[float, int]] = deque([(last, 0)], maxlen=PACE_OVER)
    done = 0

    def advance(units: int) -> None:
        nonlocal done, last
        now = time.monotonic()
        done += units
        if now - begun < AT_ONCE:
            seen[0] = (now, done)
        if now - last >= LINE_EVERY and done < total:
            last = now
            since, before = seen[0]
            left = (now - since) / max(done - before, 1) * (total - done)
            seen.append((now, done))
            say(f"  {description}: {done}/{total}, about {clock(left)} left")

    return advance


def clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
