"""Which lines and branches of the contracts, and of the package, the tests reach: `python -m tests.coverage`."""
