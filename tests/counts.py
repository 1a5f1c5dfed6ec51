"""What tests counted, for `plimsoll.figures`: one JSON line a count, in the file that PLIMSOLL_COUNTS names."""

import json
import os
from pathlib import Path


def record(**counts: float) -> None:
    """Append counts, such as `record(margin_cases=5000)`; without PLIMSOLL_COUNTS they go nowhere."""
    path = os.environ.get("PLIMSOLL_COUNTS")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(counts) + "\n")
