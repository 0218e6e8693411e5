"""The drawn catalog of the extractor tests is that of the defense tests too."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "extractors"))
