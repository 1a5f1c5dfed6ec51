"""Every numbered property is held by something that is there, and names it."""

import re
from pathlib import Path

import pytest

from tests.properties import PROPERTIES

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize("number", PROPERTIES)
def test_what_holds_a_property_is_there(number: str) -> None:
    for place in PROPERTIES[number].held_by:
        file, _, name = place.partition("::")
        source = (TESTS / file).read_text()
        assert not name or re.search(rf"def {name}\(", source), place


def test_numbers_that_tests_give_are_properties() -> None:
    named = set()
    for path in (TESTS / "stateful").glob("*.py"):
        named |= set(re.findall(r"I-\d\d", path.read_text()))
    assert named <= PROPERTIES.keys()
