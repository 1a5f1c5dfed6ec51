"""Ids and position words: what is packed comes out again, and what does not fit is an error."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.errors import FormatError
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument, id_of, quantity_of, unpack, word
from tests.strategies import edge_integers

BITS = {"underlying": 16, "expiry": 40, "kind": 8, "strike": 48, "row": 16}
INSTRUMENTS = st.builds(Instrument, **{name: edge_integers(0, 2**bits - 1) for name, bits in BITS.items()})
QUANTITIES = edge_integers(-(2**127), 2**127 - 1)


@given(INSTRUMENTS)
def test_an_id_says_what_the_instrument_is(instrument: Instrument) -> None:
    assert 0 <= instrument.pack() < 2**128
    assert unpack(instrument.pack()) == instrument


@given(INSTRUMENTS, INSTRUMENTS)
def test_ids_sort_as_instruments_do(one: Instrument, other: Instrument) -> None:
    """By underlying first, then expiry: so words of a surface stand together."""
    assert (one < other) == (one.pack() < other.pack())


@given(INSTRUMENTS, QUANTITIES)
def test_a_word_holds_a_signed_quantity(instrument: Instrument, quantity: int) -> None:
    packed = word(instrument.pack(), quantity)
    assert 0 <= packed < 2**256
    assert (id_of(packed), quantity_of(packed)) == (instrument.pack(), quantity)


@pytest.mark.parametrize("name", BITS)
@pytest.mark.parametrize("past", [-1, 0])
def test_a_field_that_does_not_fit_is_refused(name: str, past: int) -> None:
    value = past if past < 0 else 2 ** BITS[name]
    others = [
        Instrument(1, 2, 3, 4, 5),
        Instrument(0, 0, 0, 0, 0),
        Instrument(*(2**bits - 1 for bits in BITS.values())),
    ]
    for other in others:
        with pytest.raises(FormatError, match=f"^instrument: {name} {value} does not fit {BITS[name]} bits$"):
            replace(other, **{name: value}).pack()


@pytest.mark.parametrize("quantity", [-(2**127) - 1, 2**127])
def test_a_quantity_that_does_not_fit_is_refused(quantity: int) -> None:
    with pytest.raises(FormatError, match="does not fit int128"):
        word(1, quantity)


def test_options_are_calls_and_puts() -> None:
    kinds = [kind for kind in range(6) if Instrument(0, 0, kind, 0, 0).is_option]
    assert kinds == [CALL, PUT]
    assert {PERP, FUTURE, SPOT}.isdisjoint(kinds)
