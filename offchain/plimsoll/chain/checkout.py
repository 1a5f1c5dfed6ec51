"""What git says of a checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

from plimsoll.chain.artifacts import ROOT


def git(*words: str, root: Path = ROOT) -> str | None:
    """The answer of one of git's commands; None where there is no git, or no repository."""
    try:
        done = subprocess.run(  # noqa: S603 - git, by name
            ["git", *words],  # noqa: S607
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout.rstrip() if done.returncode == 0 else None


def commit(root: Path = ROOT) -> str | None:
    """The commit that is checked out; None as `git`."""
    return git("rev-parse", "HEAD", root=root)


def changed(*under: str, root: Path = ROOT) -> list[str] | None:
    """Files that differ from it, all or those under some folders; None as `git`."""
    found = git("status", "--porcelain", "--", *under, root=root)
    return None if found is None else [line[3:] for line in found.splitlines()]
