"""A part that says what it is told to: the words are its standard output and its exit code."""

import sys
import time

if __name__ == "__main__":
    said, code = sys.argv[1], int(sys.argv[2])
    if said == "sleep":
        time.sleep(30)
    sys.stderr.write("what went on\n")
    print(said)  # noqa: T201
    sys.exit(code)
