"""The searches of the audit, short: they find nothing, and find what is planted."""

import pytest

from plimsoll.risk import adversary
from plimsoll.spec.instruments import id_of, quantity_of
from tests.searches import cheapest, split
from tests.searches.__main__ import main
from tests.searches.chain import Chain
from tests.strategies import Seeded


@pytest.fixture(scope="module")
def chain():
    return Chain()


def test_no_split_lowers_what_a_book_owes(chain):
    found = split.search(40, 1, chain.held)
    assert found.books == 40
    assert found.splits > 1_000
    assert found.on_chain > 80
    assert found.most is not None
    assert found.most <= 0
    assert found.gains == []


def test_with_concentration_counted_in_a_split_is_found(chain):
    """The search has teeth: it finds the charge that a split is known to avoid."""
    found = split.search(40, 1, chain.held, value=lambda owed: owed.mm)
    assert found.most > 0
    assert found.gains


def test_a_discount_for_what_is_small_is_found(chain):
    """A planted rebate of one unit an account, as a rounding in the account's favour would be."""
    found = split.search(5, 1, chain.held, value=lambda owed: owed.netted - 1)
    plain = split.search(5, 1, chain.held)
    assert found.most > plain.most


@pytest.mark.parametrize("ways", [2, 3, 8])
def test_ways_of_splitting_keep_the_book(ways):
    source = Seeded(ways)
    book = {1 + at: source.integer(1, 10**20) * (-1) ** at for at in range(9)}
    words = tuple(split.word(i, q) for i, q in book.items())
    parts = split.shared(words, ways)
    for _ in range(50):
        parts = split.moved(parts, source)
        held: dict[int, int] = {}
        for one in parts:
            assert list(one) == sorted(one, key=id_of)
            for each in one:
                held[id_of(each)] = held.get(id_of(each), 0) + quantity_of(each)
        assert held == book


def test_the_cheapest_losing_book_is_asked_of_the_bytecode():
    found = cheapest.search([adversary.target(adversary.synthetic(maturities=2, strikes=3))], ("basis",), every=3)
    assert found.on_chain >= 5
    assert found.excess < 0
    assert found.free_loss > 0


def test_a_margin_other_than_the_chain_s_is_told(monkeypatch):
    """The books of the search must be the books of the chain: here their margin was said a tenth too high."""
    target = adversary.target(adversary.synthetic(maturities=2, strikes=3))
    plain = adversary.play(target, ("basis",), every=3)
    first = plain.nearest[0]
    wrong = adversary.replace(first, mm=first.mm * 1.1)
    monkeypatch.setattr(adversary, "play", lambda *_, **__: adversary.replace(plain, nearest=(wrong,)))
    with pytest.raises(AssertionError, match="the search was told"):
        cheapest.search([target], ("basis",))


def test_the_command_refuses_no_books(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--books", "0"])
    assert left.value.code == 2
    assert "1 or more" in capsys.readouterr().err
