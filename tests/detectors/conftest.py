"""The drawn catalog of the extractor tests, and pictures and settings of the filter tests."""

import sys
from pathlib import Path

for folder in ("extractors", "filters"):
    sys.path.append(str(Path(__file__).parents[1] / folder))
