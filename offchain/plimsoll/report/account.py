"""An account as people and programs read it: where it stands, what it holds, what each underlying asks of it.

    read_account     a System and an account number -> summary
    summary_of       what Lens and book returned, however it was fetched -> summary
    account_tables   summary -> tables for a terminal

A summary is plain values for `json`: amounts are decimal text, exact to the last of 18 digits, ids hexadecimal text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from eth_utils.address import is_address, is_checksum_address
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from plimsoll.chain.contract import batch
from plimsoll.chain.deployment import System, account_id, owner_of
from plimsoll.report.terminal import frameless, money
from plimsoll.spec.errors import PlimsollError, Refused
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument, id_of, quantity_of, unpack
from plimsoll.spec.margin import State
from plimsoll.spec.surface import Surface, decode
from plimsoll.spec.wad import PPM, WAD

KINDS: Final = {PERP: "perp", FUTURE: "future", CALL: "call", PUT: "put", SPOT: "collateral"}
ADDRESS_DIGITS: Final = 40
ACCOUNT_DIGITS: Final = 64
OWNER_SHIFT: Final = 96  # an account is owner << 96 | number
NODE_LANES: Final = 26  # two a node; behind them the extremes, two each
NODE_PPM: Final = 10**4 * PPM  # nodes are in 1e-4 PSR
EXTREME_PPM: Final = 10**2 * PPM  # extremes in 1e-2 PSR

MEANING: Final = {
    State.HEALTHY: "may do everything",
    State.RESTRICTED: "may only do what reduces risk",
    State.CALLED: "below the call line: a call sets a deadline",
    State.LIQUIDATABLE: "called, then auctioned in parts",
    State.INSOLVENT: "owes more than it has: auctioned at once",
}
STYLES: Final = {
    State.HEALTHY: "bold green",
    State.RESTRICTED: "bold yellow",
    State.CALLED: "bold yellow",
    State.LIQUIDATABLE: "bold red",
    State.INSOLVENT: "bold white on red",
}
GREEKS: Final = ("delta", "gamma", "vega", "theta")
ADDED: Final = ("value", "scan", "short", "gross", "concentration", "im_add")  # columns of what an underlying adds


class AccountError(PlimsollError):
    """Text that names no account."""


def parse_account(text: str) -> int:
    """The account that a person names: a decimal or 0x number, or 0xOWNER or 0xOWNER:NUMBER.

    Forty hexadecimal digits are an owner's address, and so mean the owner's account 0.

    Raises
    ------
    AccountError
        Where it is none of these, does not fit, or a mixed-case address fails its checksum.
    """
    head, colon, tail = text.strip().partition(":")
    if colon or len(head) == ADDRESS_DIGITS + 2:
        return _owned(text, head, tail if colon else "0")
    value = _number(head)
    if value is None or (len(head) > ACCOUNT_DIGITS + 2 and head.startswith("0x")):
        raise AccountError(f"{text!r} is no account; a number, 0xOWNER or 0xOWNER:NUMBER is right")
    if value >> OWNER_SHIFT == 0 or value >= 2**256:
        raise AccountError(f"{text} is no account: an account is owner << 96 | number, the owner an address but zero")
    return value


def _owned(text: str, owner: str, number: str) -> int:
    mixed = owner[2:] not in {owner[2:].lower(), owner[2:].upper()}
    if not owner.startswith("0x") or not is_address(owner) or int(owner, 16) == 0:
        raise AccountError(f"{text!r}: {owner} is no address")
    if mixed and not is_checksum_address(owner):
        raise AccountError(f"{text!r}: {owner} fails its checksum; one of its letters or digits is wrong")
    found = _number(number)
    if found is None or found >= 2**OWNER_SHIFT:
        raise AccountError(f"{text!r}: {number!r} is no account number; 0 .. 2**96 - 1 is right")
    return account_id(owner, found)


def _number(text: str) -> int | None:
    """A decimal or 0x number; None where it is neither."""
    digits, base = (text[2:], 16) if text.startswith("0x") else (text, 10)
    if not digits.isascii() or not digits.isalnum() or len(digits) > 2 * ACCOUNT_DIGITS:
        return None
    try:
        return int(digits, base)
    except ValueError:
        return None


# ------------------------------------------------------------------------------------------------------------ summary


@dataclass(frozen=True, slots=True)
class Labels:
    """What turns ids into words.

    Parameters
    ----------
    names
        By underlying: ETH.
    tokens
        By instrument id of a collateral: WETH.
    strike_units
        By underlying [wad].
    surfaces
        By underlying: any surface of it, for what its lanes mean.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    tokens: Mapping[int, str] = field(default_factory=dict)
    strike_units: Mapping[int, int] = field(default_factory=dict)
    surfaces: Mapping[int, Surface] = field(default_factory=dict)

    def name(self, underlying: int) -> str:
        """An underlying's name; its number where nobody named it."""
        return self.names.get(underlying, f"{underlying:#06x}")

    def strike(self, item: Instrument) -> str | None:
        """An option's strike [quote], in the unit's own words where the unit is not known."""
        if item.kind not in {CALL, PUT}:
            return None
        unit = self.strike_units.get(item.underlying)
        return f"{item.strike} units" if unit is None else exact(item.strike * unit)

    def instrument(self, instrument_id: int) -> str:
        """An instrument in words: ETH call 3100 2026-11-27."""
        item = unpack(instrument_id)
        if item.kind == SPOT:
            return f"{self.tokens.get(instrument_id, self.name(item.underlying))} collateral"
        words = [self.name(item.underlying), KINDS.get(item.kind, f"kind {item.kind}")]
        strike = self.strike(item)
        if strike is not None:
            words.append(strike)
        if item.expiry:
            words.append(_date(item.expiry))
        return " ".join(words)

    def lane(self, underlying: int, lane: int) -> str:
        """What happens in a lane: price -18.2 %, volatility up."""
        surface = self.surfaces.get(underlying)
        if surface is None:
            return ""
        if lane < NODE_LANES:
            move = surface.nodes[lane // 2] * surface.psr / NODE_PPM
            return f"price {move:+.1%}, volatility {'down' if lane % 2 else 'up'}"
        which, down = divmod(lane - NODE_LANES, 2)
        move = surface.extremes[which] * surface.psr / EXTREME_PPM
        return f"price {max(-1.0, -move if down else move):+.1%}, damped"


def name_of(description: str) -> str:
    """The underlying in an aggregator's description: ETH of "ETH / USD"."""
    return description.split("/", maxsplit=1)[0].strip() or description


def exact(wad: int) -> str:
    """An amount [wad] as decimal text, all its digits."""
    whole, part = divmod(abs(wad), WAD)
    digits = f"{part:018d}".rstrip("0")
    return ("-" if wad < 0 else "") + str(whole) + (f".{digits}" if digits else "")


def _date(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")


def summary_of(
    account: int,
    time: int,
    explanation: Any,
    greeks: Iterable[Any],
    words: Sequence[int],
    ledger: Sequence[int],
    labels: Labels,
) -> dict[str, Any]:
    """The summary of an account.

    Parameters
    ----------
    account, time
        Which, and when it was read [unix s].
    explanation, greeks
        What `Lens.explain` and `Lens.greeks` returned, fields as attributes.
    words, ledger
        What `Clearinghouse.positions` and `Clearinghouse.ledger` returned.
    labels
        Names.
    """
    held = explanation.assessment
    equity = held.equity_haircut
    return {
        "account": hex(account),
        "owner": owner_of(account),
        "number": account % 2**OWNER_SHIFT,
        "time": time,
        "state": State(explanation.state).name.lower(),
        "fresh": bool(held.fresh),
        "equity_haircut": exact(equity),
        "equity_full": exact(held.equity_full),
        "mm": exact(held.mm),
        "im": exact(held.im),
        "call_line": exact(held.call_line),
        "headroom": {
            "to_im": exact(equity - held.im),
            "to_call": exact(equity - held.call_line),
            "to_liquidation": exact(equity - held.mm),
        },
        "ledger": {"cash": exact(ledger[0]), "linear": exact(ledger[1])},
        "positions": [_position(word, labels) for word in words],
        "underlyings": [
            {
                "underlying": found.underlying,
                "name": labels.name(found.underlying),
                "price": exact(found.price),
                **{key: exact(getattr(found, key)) for key in ("full", "haircut", *ADDED)},
                "worst_lane": found.worst_lane,
                "worst": labels.lane(found.underlying, found.worst_lane) if found.scan else "",
                "fresh": bool(found.fresh),
            }
            for found in explanation.terms
        ],
        "greeks": [
            {
                "underlying": found.underlying,
                "name": labels.name(found.underlying),
                **{key: exact(getattr(found, key)) for key in GREEKS},
            }
            for found in greeks
        ],
    }


def _position(word: int, labels: Labels) -> dict[str, Any]:
    item = unpack(id_of(word))
    return {
        "instrument": hex(id_of(word)),
        "text": labels.instrument(id_of(word)),
        "underlying": item.underlying,
        "kind": KINDS.get(item.kind, str(item.kind)),
        "expiry": item.expiry or None,
        "strike": labels.strike(item),
        "quantity": exact(quantity_of(word)),
    }


def read_account(system: System, account: int) -> dict[str, Any]:
    """The summary of an account on a chain.

    Raises
    ------
    Refused
        Where the account cannot be assessed, a dead index named.
    ChainError
        Where the chain does not answer.
    """
    book, lens = system.clearinghouse, system.lens
    explanation, greeks, words, ledger = batch(
        system.chain,
        [
            lens.request("explain", account),
            lens.request("greeks", account),
            book.request("positions", account),
            book.request("ledger", account),
        ],
    )
    for answer in (words, ledger):
        if isinstance(answer, Refused):
            raise answer
    labels = read_labels(system, words)
    for answer in (explanation, greeks):
        if isinstance(answer, Refused):
            raise Refused(_why(system, words, labels, answer.reason))
    return summary_of(account, system.chain.now, explanation, greeks, words, ledger, labels)


def read_labels(system: System, words: Sequence[int]) -> Labels:
    """Names, strike units and lanes of what an account holds."""
    items = [unpack(id_of(word)) for word in words]
    keys = {item.underlying: item.expiry for item in items}  # any expiry's surface tells what the lanes are
    known = [underlying for underlying in keys if underlying in system.aggregators]
    tokens = list(system.tokens.items()) if any(item.kind == SPOT for item in items) else []
    answers = iter(
        batch(
            system.chain,
            [
                *(system.aggregators[underlying].request("description") for underlying in known),
                *(system.registry.request("collateral", token.address) for _, token in tokens),
                *(system.feed.request("strike_unit", underlying) for underlying in keys),
                *(system.oracle.request("pointer", *key) for key in keys.items()),
            ],
        )
    )
    names = {underlying: next(answers) for underlying in known}
    collateral = {symbol: next(answers) for symbol, _ in tokens}
    units = {underlying: next(answers) for underlying in keys}
    pointers = {underlying: next(answers) for underlying in keys}
    return Labels(
        names={key: name_of(found) for key, found in names.items() if not isinstance(found, Refused)},
        tokens={found[0]: symbol for symbol, found in collateral.items() if not isinstance(found, Refused)},
        strike_units={key: found for key, found in units.items() if not isinstance(found, Refused)},
        surfaces={
            key: decode(system.chain.code(f"0x{found >> 96:040x}"))
            for key, found in pointers.items()
            if found and not isinstance(found, Refused)
        },
    )


def _why(system: System, words: Sequence[int], labels: Labels, reason: str) -> str:
    """Why an account cannot be assessed: the reason, and which index is dead, where one is."""
    underlyings = sorted({unpack(id_of(word)).underlying for word in words})
    prices = batch(system.chain, [system.feed.request("price", underlying) for underlying in underlyings])
    dead = [labels.name(u) for u, price in zip(underlyings, prices, strict=True) if isinstance(price, Refused)]
    said = reason or "no reason given"
    return f"the account cannot be assessed: {said}" + (f" ({', '.join(dead)})" if dead else "")


# ------------------------------------------------------------------------------------------------------------- tables


def account_tables(summary: Mapping[str, Any]) -> RenderableType:
    """What a terminal shows of a summary."""
    head = Text(f"account {summary['number']} of {summary['owner']}")
    parts: list[RenderableType] = [head, "", _standing(summary)]
    if summary["positions"]:
        parts += ["", _positions(summary)]
    else:
        parts += ["", "no positions"]
    if summary["underlyings"]:
        parts += ["", _underlyings(summary), "", _worst(summary)]
    if summary["greeks"]:
        parts += ["", _greeks(summary)]
    return Group(*parts)


def _signed(text: str) -> str:
    """A quantity with its sign."""
    return text if text.startswith("-") else f"+{text}"


def _standing(summary: Mapping[str, Any]) -> Table:
    state = State[summary["state"].upper()]
    room = summary["headroom"]
    table = frameless("", "", "")
    table.columns[2].justify, table.columns[2].no_wrap = "left", False
    table.add_row("state", Text(state.name.lower(), style=STYLES[state]), MEANING[state])
    if not summary["fresh"]:
        table.add_row("reports", Text("stale", style="bold yellow"), "margins are raised until a new one is posted")
    table.add_row("cash", money(summary["ledger"]["cash"]), "paid in, and for options")
    table.add_row("linear", money(summary["ledger"]["linear"]), "what perps and futures cost, and brought")
    table.add_row("equity", money(summary["equity_full"]), "in full")
    table.add_row("  after haircuts", money(summary["equity_haircut"]), "what the lines below are held against")
    table.add_row("initial margin", money(summary["im"]), f"headroom {money(room['to_im'])}, to trade or withdraw")
    table.add_row("call line", money(summary["call_line"]), f"headroom {money(room['to_call'])}")
    table.add_row("maintenance margin", money(summary["mm"]), f"headroom {money(room['to_liquidation'])}")
    return table


def _positions(summary: Mapping[str, Any]) -> Table:
    table = frameless("position", "quantity")
    for item in summary["positions"]:
        past = item["expiry"] is not None and item["expiry"] <= summary["time"]
        table.add_row(item["text"] + (" (expired)" if past else ""), _signed(item["quantity"]))
    return table


def _underlyings(summary: Mapping[str, Any]) -> Table:
    table = frameless("adds", "price", "value", "scan", "short min.", "gross", "conc.", "above MM")
    for item in summary["underlyings"]:
        table.add_row(
            item["name"] + ("" if item["fresh"] else " (stale)"),
            money(item["price"]),
            *(money(item[key]) for key in ADDED),
        )
    return table


def _worst(summary: Mapping[str, Any]) -> Table:
    """The lane that each scan comes from."""
    table = frameless("worst lane", "", "scenario", left=3)
    for item in summary["underlyings"]:
        none = Decimal(item["scan"]) == 0
        table.add_row(
            item["name"], "-" if none else str(item["worst_lane"]), "no loss in any" if none else item["worst"]
        )
    return table


def _greeks(summary: Mapping[str, Any]) -> Table:
    table = frameless("Greeks", "delta", "gamma", "vega", "theta a day")
    for item in summary["greeks"]:
        table.add_row(
            item["name"],
            *(f"{Decimal(item[key]):+,.{digits}f}" for key, digits in zip(GREEKS, (4, 6, 2, 2), strict=True)),
        )
    return table
