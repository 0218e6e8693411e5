"""Guards: a filter and a detector in front of an extractor, fitted once, kept in a folder, used anywhere."""

from elliot_advrec.guards.guard import Guard
from elliot_advrec.guards.verdicts import Verdict

__all__ = ["Guard", "Verdict"]
