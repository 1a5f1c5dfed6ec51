"""`python -m tests.snapshots`: whether what is deployed is what the snapshots in git say.

    --update  renew the snapshots
    --json    one object: part, ok, seconds, counts (contracts, files, changed), findings (file, changed: lines)

Exit codes: 0 nothing changed, or it was renewed; 1 something changed; 2 the input is bad.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from tests.snapshots import drift, explained, kept, take, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, or renew."""
    parser = argparse.ArgumentParser(prog="python -m tests.snapshots", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--update", action="store_true", help="renew the snapshots")
    parser.add_argument("--json", action="store_true", help="the result for programs")
    asked = parser.parse_args(arguments)
    begun = time.monotonic()
    now = take()
    findings = drift(now, kept())
    if asked.update:
        write(now)
    counts = {
        "contracts": sum(file.startswith("abi/") for file in now),
        "files": len(now),
        "changed": len(findings),
    }
    ok = asked.update or not findings
    if asked.json:
        result = {
            "part": "snapshots",
            "ok": ok,
            "seconds": round(time.monotonic() - begun, 1),
            "counts": counts,
            "findings": findings,
        }
        print(json.dumps(result))  # noqa: T201 - a command
    else:
        print(explained(findings) if findings else "nothing changed")  # noqa: T201
        print(f"{counts['contracts']} contracts, {counts['files']} files, {counts['changed']} changed")  # noqa: T201
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
