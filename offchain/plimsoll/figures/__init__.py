"""Every figure that the README claims, measured afresh: `make figures`, one row alone with `make figures ROW=name`.

A row is *quick* (all of them within 20 minutes) or *long* (`make figures-long`). Long rows are kept, with date and
commit of their last run, in `docs/figures-long.json`. The table is printed and written to `build/figures.json`.

This runs in a checkout: it starts the demo, the bench and the tests, and reads what they counted.
"""

from plimsoll.figures.table import main

__all__ = ["main"]
