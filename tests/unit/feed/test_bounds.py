"""IndexFeed.bounds: a leg's bounds as they are stored; a leg that cannot be is refused."""

import pytest

from plimsoll.spec.errors import Refused
from plimsoll.spec.feed import pack_bound_up, unpack_bound

from .conftest import ETH


def test_a_leg_that_cannot_be(bench, eth):
    assert bench.contract.call("bounds", ETH, 2) == (0, 0)
    with pytest.raises(Refused, match="feed: unknown leg"):
        bench.contract.call("bounds", ETH, 3)


@pytest.mark.parametrize("shift", [1, 7, 60])
def test_a_lower_bound_whose_mantissa_overflows_when_rounded_up(bench, eth, shift):
    """One under a power of two has sixteen bits and more: up is the power itself."""
    wanted = 2 ** (16 + shift)
    bench.set_bounds(ETH, wanted - 1, 0)
    assert tuple(bench.contract.call("bounds", ETH)) == (wanted, 0)
    assert unpack_bound(pack_bound_up(wanted - 1)) == wanted
