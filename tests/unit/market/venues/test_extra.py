"""Without ccxt, live prices are refused by a name that says what to install; the keeper's settings need none of it."""

import subprocess
import sys

CODE = """
import sys
sys.modules['ccxt'] = None  # as if it were not installed
from plimsoll.keeper.live import VenueSettings
from plimsoll.market.extras import MissingExtraError
print(VenueSettings(markets={1: [{'venue': v, 'symbol': 'BTC/USD'} for v in 'abc']}).minimum)
try:
    import plimsoll.market.venues
except MissingExtraError as error:
    print(error)
"""


def test_the_package_names_the_extra_that_is_missing_and_settings_are_read_all_the_same():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False, timeout=60)
    settings, error = done.stdout.splitlines()
    assert settings == "3"
    assert "ccxt cannot be imported" in error
    assert "pip install plimsoll[live]" in error
    assert done.stderr == ""
