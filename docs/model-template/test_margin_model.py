"""What every model must pass; install the package first, so that its name is known: pip install -e ."""

from plimsoll.risk.conformance import check


def test_it_may_be_run() -> None:
    assert not check("max-move")
