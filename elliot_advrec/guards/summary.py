"""What a scan found, from its journal to files and to one line for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from elliot_advrec.guards import verdict_files
from elliot_advrec.guards.journal import Journal
from elliot_advrec.guards.verdicts import Verdict


@dataclass(frozen=True)
class Summary:
    """What a scan found.

    Args:
        scanned: pictures with a verdict, bad ones included.
        flagged: how many have a score above the threshold.
        errors: how many could not be judged, or not be cleaned.
        ignored: other files, hidden ones and links to folders, which were passed over.
        resumed: how many verdicts an earlier, killed scan had left.
        seconds: that this scan took.
        files: where the verdicts are.
    """

    scanned: int
    flagged: int
    errors: int
    ignored: int
    resumed: int
    seconds: float
    files: list[Path]

    def told(self) -> str:
        """All of it in a few words, for a person."""
        pace = (self.scanned - self.resumed) / max(self.seconds, 1e-9)
        passed = f", {self.ignored:,} other files passed over" if self.ignored else ""
        return (
            f"{self.scanned:,} pictures, {self.flagged:,} flagged, {self.errors:,} with an error{passed};"
            f" {pace:,.1f} pictures a second; verdicts: {', '.join(map(str, self.files))}"
        )


def write(journal: Journal, digest: str, threshold: float | None, files: Sequence[Path]) -> dict[str, int]:
    """Write the verdicts to each of ``files``, whose extension says in which form.

    Args:
        journal: all of the scan's.
        digest: the guard's.
        threshold: scores above it are flagged.

    Returns:
        How many verdicts there are, how many are flagged, how many have an error.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """

    def verdicts() -> Iterator[Verdict]:
        for entry in journal.finished():
            yield Verdict(entry.name, entry.score, threshold, entry.error)

    counts = {"scanned": 0, "flagged": 0, "errors": 0}
    for each in verdicts():
        counts["scanned"] += 1
        counts["flagged"] += each.flagged
        counts["errors"] += each.error is not None
    head = {"format": "elliot_advrec verdicts 1", "guard": digest, "threshold": threshold, **counts}
    for path in files:
        verdict_files.write(path, path.suffix[1:], head, verdicts())
    return counts
