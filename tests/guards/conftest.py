"""Pictures of the command tests, and settings of the filter tests."""

import sys
from pathlib import Path

for folder in ("cli", "filters"):
    sys.path.append(str(Path(__file__).parents[1] / folder))
