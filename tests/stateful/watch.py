"""What must hold of the chain after each step of a drawn sequence, by the numbers of `tests.properties`."""

from __future__ import annotations

from typing import Any

from plimsoll.spec.book import INTEREST, POOL, SYSTEM
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import MAX_POSITIONS, SPOT, id_of, quantity_of, unpack
from plimsoll.spec.liquidator import cap_of, share_at
from plimsoll.spec.margin import Assessment, State, groups, state_of
from plimsoll.spec.wad import WAD, mul_div_down
from tests.agreement.actions import PRICES, Player
from tests.pairs import Pair, text
from tests.storage import ledger_of

DUST = 2 * MAX_POSITIONS  # [wad] a sum is rounded once, a quantity once
SLACK = DUST * 10**6  # [wad] what a wei of each position is worth, at any price these tests know


def holders(pair: Pair) -> set[int]:
    """Every account that has or ever had anything, the system's among them."""
    book = pair.twin.book
    return book.ledgers.keys() | book.books.keys() | {SYSTEM, POOL, INTEREST, pair.twin.at.fund << 96}


def check_conservation(pair: Pair, donated: dict[int, int]) -> None:
    """I-01, I-02: tokens there are tokens owed and tokens given away; linear sums to nothing; dust is the system's."""
    found = {who: ledger_of(pair, who) for who in holders(pair)}
    book, registry = pair.twin.book, pair.twin.registry
    for token in pair.tokens:
        there = pair.token_contracts[token].call("balanceOf", text(pair.twin.at.book)) - donated[token]
        if token == book.quote:
            owed, scale = sum(cash for cash, _ in found.values()), book.quote_scale
        else:
            instrument_id, scale, _ = registry.collateral(token)
            owed = sum(quantity_of(w) for words in book.books.values() for w in words if id_of(w) == instrument_id)
        assert there * scale == owed, "I-01, I-02"
    assert sum(linear for _, linear in found.values()) == 0, "I-02"
    assert min(found[SYSTEM]) >= 0, "I-02"
    trades = sum(event.name == "Traded" for event in book.log)
    assert sum(found[SYSTEM]) <= trades, "I-02: a unit a trade at most"


def check_quantities(pair: Pair) -> None:
    """I-04: what is not settled sums to zero; open interest is what all are long."""
    book, now = pair.twin.book, pair.now
    totals: dict[int, int] = {}
    longs = dict.fromkeys(PRICES, 0)
    for words in book.books.values():
        for word in words:
            instrument_id, quantity = id_of(word), quantity_of(word)
            instrument = unpack(instrument_id)
            if instrument.kind == SPOT:
                assert quantity > 0, "I-01"
                continue
            longs[instrument.underlying] += max(0, quantity)
            expiry = instrument.expiry
            if not (0 < expiry <= now and pair.twin.history.settled(instrument.underlying, expiry, now)):
                totals[instrument_id] = totals.get(instrument_id, 0) + quantity
    assert set(totals.values()) <= {0}, "I-04"
    assert longs == {u: book.open_interest(u) for u in PRICES}, "I-04"


def check_requirements(pair: Pair, who: int, found: Assessment) -> None:
    """I-13, I-14: requirements stand in their order, and cover the worst lane of every class."""
    words = pair.twin.book.positions(who, pair.now)
    assert found.im >= found.mm, "I-14"
    assert found.call_line >= found.mm, "I-14"
    assert found.equity_full >= found.equity_haircut, "I-14"
    is_open = any(unpack(id_of(word)).kind != SPOT for word in words)
    assert found.mm > 0 or not is_open, "I-14"
    if not words:
        assert found.mm == found.im == 0 or found.equity_full < 0, "I-15"
    if found.mm:
        scans: dict[int, int] = {}
        function = pair.contracts["oracle"].interface.function("terms", 1)
        for group in groups(words):
            terms = pair.ask(pair.contracts["oracle"], function.encode([list(group)]), function)
            klass = terms.underlying >> 8
            scans[klass] = max(scans.get(klass, 0), terms.scan)
        assert found.mm >= sum(scans.values()), "I-13"


def check_auctions(pair: Pair, known: dict[int, Any]) -> None:
    """I-24: with nothing else changed the price only falls; never past nothing while there is equity."""
    liquidator, now = pair.twin.liquidator, pair.now
    for who in list(liquidator.auctions):
        margin = pair.margins.get(who, (None, None))[1]
        if not liquidator.auction(who, now) or not isinstance(margin, Assessment):
            known.pop(who, None)
            continue
        fraction, payment, discount, due = liquidator.quote(who, WAD, now)
        if fraction == 0:
            known.pop(who, None)
            continue
        price = max(0, margin.equity_full - discount)
        assert payment == mul_div_down(price, fraction, WAD), "I-24"
        assert discount <= margin.equity_full - margin.equity_haircut + margin.mm, "I-24"
        assert due == 0 or price == 0, "I-24"
        key = margin, liquidator.auctions[who], liquidator.config
        if who in known and known[who][0] == key:
            assert discount >= known[who][1], "I-24"
            assert due >= known[who][2] or price > 0, "I-24"
        known[who] = key, discount, due


class Watched(Player):
    """A player whose every call of the liquidator is checked."""

    def step(self, part: str, name: str, *args: Any, sender: int = 0) -> Any:
        if part != "liquidator" or name not in {"start", "bid"}:
            return super().step(part, name, *args, sender=sender)
        who = args[0]
        liquidator, now = self.pair.twin.liquidator, self.pair.now
        before = self.margin(who)
        calls, auction = liquidator.calls.get(who), liquidator.auctions.get(who)
        last = liquidator.config.call_period
        known = len(self.pair.twin.book.log), len(liquidator.log)
        parties = {who, *args[1:2], *args[6:7]}
        equities = sum(self.equity(a) for a in parties)
        minimum = liquidator.config.min_rest
        found = super().step(part, name, *args, sender=sender)
        if isinstance(found, Refused):
            return found
        if name == "start":
            self.check_start(before, calls, auction, last)
        else:
            log = [*self.pair.twin.book.log[known[0] :], *liquidator.log[known[1] :]]
            self.check_bid(who, before, found, log, minimum, sum(self.equity(a) for a in parties) - equities)
            assert auction is not None
            share = share_at(now - auction[0], auction[1], auction[2])
            price = before.equity_full - -(-(before.equity_full - before.equity_haircut + before.mm) * share // 10**6)
            assert found[0] <= (cap_of(before, max(price, 0)) if price > 0 and not minimum else WAD) or any(
                event.name == "BidTaken" and event.args["fee"] for event in log
            ), "I-21"
        return found

    def equity(self, who: int) -> int:
        """E_m of an account by the chain; 0 where a feed is dead."""
        book = self.pair.contracts["book"]
        found = self.pair.ask(book, book.encode("margin", who), book.interface.function("margin", 1))
        return 0 if isinstance(found, Refused) else found.equity_full

    def check_start(self, before: Assessment, calls: Any, auction: Any, call_period: int) -> None:
        """I-20: after a call that is ripe, or past its deadline, or of negative equity; or where one just ran dry."""
        now = self.pair.now
        ripe, deadline, lapses = calls or (2**64, 2**64, 0)
        is_called = now <= lapses
        is_late = is_called and now > deadline and before.equity_haircut < before.call_line
        is_under = before.equity_haircut < before.mm
        ran_dry = auction is not None and now <= auction[0] + 2 * auction[1] + call_period
        assert before.equity_full < 0 or is_late or (is_under and ((is_called and now > ripe) or ran_dry)), "I-20"

    def check_bid(self, who: int, before: Assessment, found: Any, log: list[Any], minimum: int, gained: int) -> None:
        """I-21, I-22, I-25: the account is better off or empty, the parties' sum stands, the rest is worth a bid."""
        fraction, payment, received = found
        paid = sum(event.args["fund"] for event in log if event.name == "ShortfallPaid")
        fee = sum(event.args["fee"] for event in log if event.name == "BidTaken")
        is_shared = any(event.name == "LossSocialised" for event in log)
        assert 0 < fraction <= WAD
        assert received == 0 or payment == 0, "I-24"
        if not is_shared:
            assert abs(gained - paid + fee) <= DUST, "I-22"
        now = self.margin(who)
        words = self.pair.twin.book.positions(who, self.pair.now)
        if before.equity_haircut < 0:  # a ratio of a debt says nothing: less is owed
            improved = now.equity_haircut + SLACK >= mul_div_down(before.equity_haircut, WAD - fraction, WAD)
        else:
            improved = (now.equity_haircut + SLACK) * before.mm >= before.equity_haircut * (now.mm - SLACK)
        # what is shared by all positive cash the account's own cash shares
        assert improved or not words or is_shared, "I-21"
        rest = mul_div_down(before.mm, WAD - fraction, WAD)
        is_over = any(event.name == "AuctionClosed" for event in log)
        assert not is_over or fraction == WAD or rest >= minimum, "I-25"


def healthy(margin: Assessment) -> bool:
    """Whether an account may take risk."""
    return state_of(margin) is State.HEALTHY and margin.fresh
