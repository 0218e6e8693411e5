"""Highest resident memory: of a run, and of one piece of work within it."""

from __future__ import annotations

import platform
import resource
from pathlib import Path

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_WATERMARK = "5"
"""What resets the watermark of resident memory; Linux alone has it."""


_highest = 0
"""Highest watermark that was forgotten since, in the system's unit."""


def peak_mb() -> float:
    """Highest resident memory of this process and of its largest child so far, added up, in MiB."""
    own = max(_highest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    unit = 1024 if platform.system() != "Darwin" else 1024 * 1024
    return round((own + child) / unit, 1)


class Watermark:
    """Highest resident memory of this process since it was made, in MiB.

    Where the kernel cannot forget an earlier peak, ``mb`` gives None rather than another's number.
    """

    def __init__(self) -> None:
        global _highest
        # Linux counts the process's own peak by the very watermark that is forgotten here.
        _highest = max(_highest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        try:
            _CLEAR.write_text(_WATERMARK)
            self._known = True
        except OSError:
            self._known = False

    def mb(self) -> float | None:
        """The peak; None where it cannot be told from earlier ones."""
        if not self._known:
            return None
        for line in _STATUS.read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "VmHWM":
                return round(int(value.split()[0]) / 1024, 1)
        return None
