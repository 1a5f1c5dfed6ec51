"""Mandates.set_allowance: a venue, until a date, for some instruments, at some loss; by owner or delegate.

What the venue may then do is `test_spend`'s; that the book asks is the book's.
"""

import pytest

from plimsoll.spec.mandates import ALL, ALLOW

from .conftest import ATTACKER, BOOK, DELEGATE, END, NOW, OWNER, TRADER, VENUE, account

NOT_THE_ACCOUNTS = "refused: mandates: not the account's"


@pytest.mark.parametrize("expires", [0, 1, NOW, END])
def test_the_owner_sets_it(bench, expires):
    event = bench.do("set_allowance", account(), ATTACKER, expires, 7, 3, 2, sender=TRADER)
    args = {"account": account(), "venue": ATTACKER, "expires": expires, "budget": 7, "mask": 3, "base": 2}
    assert event == ("AllowanceSet", args)
    assert bench.ask("allowance", account(), ATTACKER) == (expires, 7, 3, 2)


def test_anew_in_place_of_what_it_might_before(bench):
    bench.do("set_allowance", account(), VENUE, END, END, 3, 2, sender=TRADER)
    bench.do("set_allowance", account(), VENUE, NOW, 5, 0, 0, sender=TRADER)
    assert bench.ask("allowance", account(), VENUE) == (NOW, 5, 0, 0)


def test_it_is_one_venues_and_one_accounts(bench):
    bench.do("set_allowance", account(), VENUE, END, END, 0, 0, sender=TRADER)
    assert bench.ask("allowance", account(), ATTACKER) == (0, 0, 0, 0)
    assert bench.ask("allowance", account(number=1), VENUE) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("value", "as_date", "as_budget"),
    [
        (2**64 - 2, 2**64 - 2, 2**64 - 2),
        (2**64 - 1, END, 2**64 - 1),
        (2**192 - 2, END, 2**192 - 2),
        (2**192 - 1, END, END),
        (2**192, END, END),
        (END, END, END),
    ],
)
def test_what_is_beyond_its_field_is_without_end(bench, value, as_date, as_budget):
    _, args = bench.do("set_allowance", account(), VENUE, value, value, 0, 0, sender=TRADER)
    assert (args["expires"], args["budget"]) == (as_date, as_budget)
    assert bench.ask("allowance", account(), VENUE) == (as_date, as_budget, 0, 0)


def test_a_delegate_with_this_right_sets_it(bench):
    args = account(), VENUE, END, 1, 0, 0
    bench.do("set_delegate", account(), DELEGATE, ALL - ALLOW, END, sender=TRADER)
    assert bench.do("set_allowance", *args, sender=DELEGATE) == NOT_THE_ACCOUNTS
    bench.do("set_delegate", account(), DELEGATE, ALLOW, NOW, sender=TRADER)
    assert isinstance(bench.do("set_allowance", *args, sender=DELEGATE), tuple)
    bench.chain.advance(1)
    assert bench.do("set_allowance", *args, sender=DELEGATE) == NOT_THE_ACCOUNTS


@pytest.mark.parametrize("sender", [ATTACKER, DELEGATE, OWNER, VENUE, BOOK])
def test_not_the_accounts(bench, sender):
    assert bench.do("set_allowance", account(), VENUE, 0, 0, 0, 1, sender=sender) == NOT_THE_ACCOUNTS


@pytest.mark.parametrize(("mask", "base"), [(0, 1), (0b1010, 0b0001), (0b1010, 0b1011), (2**128 - 2, 2**128 - 1)])
def test_base_outside_the_mask(bench, mask, base):
    refusal = "refused: mandates: base outside the mask"
    assert bench.do("set_allowance", account(), VENUE, END, END, mask, base, sender=TRADER) == refusal


@pytest.mark.parametrize(("mask", "base"), [(0, 0), (1, 0), (1, 1), (2**128 - 1, 2**128 - 1), (2**127, 2**127)])
def test_base_within_the_mask(bench, mask, base):
    assert isinstance(bench.do("set_allowance", account(), VENUE, END, END, mask, base, sender=TRADER), tuple)
    assert bench.ask("allowance", account(), VENUE) == (END, END, mask, base)
