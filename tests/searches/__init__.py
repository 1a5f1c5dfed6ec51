"""Searches for books that the margin should refuse: `python -m tests.searches`, and in `plimsoll audit`."""
