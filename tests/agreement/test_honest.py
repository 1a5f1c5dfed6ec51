"""An honest engine is never refused, whatever its market does: chain and twin believe each of its reports."""

from __future__ import annotations

import os

import pytest

from plimsoll.spec.errors import Refused
from tests.agreement.station import Station
from tests.counts import record

PATHS, REPORTS = {"quick": (1, 8), "ci": (4, 20), "figures": (4, 20), "long": (40, 50)}[
    os.environ.get("PLIMSOLL_PROFILE", "quick")
]


@pytest.mark.slow
@pytest.mark.parametrize("path", range(PATHS))
def test_an_honest_engine_is_never_refused(path: int) -> None:
    station = Station(path)
    refused = []
    for _ in range(REPORTS):
        found = station.post()
        if isinstance(found, Refused):
            refused.append(found.reason)
    station.pair.compare([])
    record(honest_posted=REPORTS, honest_refused=len(refused))
    assert refused == []
    assert station.pair.twin.oracle.sequence == REPORTS
