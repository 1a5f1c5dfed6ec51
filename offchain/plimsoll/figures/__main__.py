"""`python -m plimsoll.figures`."""

import sys

from plimsoll.figures.table import main

if __name__ == "__main__":
    sys.exit(main())
