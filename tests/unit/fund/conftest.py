"""A fund on which nothing happened, for each test; of a quote token of 6 decimals, and where it matters of 18."""

from functools import cache

import pytest

from .bench import Bench


@cache
def made(decimals: int) -> Bench:
    return Bench(decimals)


@pytest.fixture
def bench():
    with made(6).isolated():
        yield made(6)


@pytest.fixture(params=[6, 18, 0])
def any_bench(request):
    with made(request.param).isolated():
        yield made(request.param)
