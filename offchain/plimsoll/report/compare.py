"""What we ask of a book, beside what other venues' rules would.

    compare         a book -> summary, plain values for `json`
    compare_tables  summary -> what a terminal shows

All requirements are of the same thing, equity that counts options at their marks; `of_cash` says them as a venue does
that counts no options. Ours is the chain's own arithmetic over a report that the engine makes of the book's market, as
if it were the first. SPAN scans the same range as we do, so that it is rules that are compared; the others come with
the parameters that their venues publish.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from plimsoll.market.snapshot import Snapshot, to_wad
from plimsoll.report.terminal import frameless
from plimsoll.risk.engine import BuiltReport, Engine
from plimsoll.risk.models import EwmaFhs, EwmaFhsConfig, Forecast, RiskModel, State
from plimsoll.risk.plain import to_plain
from plimsoll.risk.reference.book import Book
from plimsoll.risk.reference.deribit import DeribitMatrix
from plimsoll.risk.reference.pmrm import Pmrm
from plimsoll.risk.reference.portfolio import ReferenceModel, Requirement
from plimsoll.risk.reference.span import ClassicSpan, SpanConfig
from plimsoll.risk.reference.static import Static
from plimsoll.risk.rounding import decimal_down, downward_int, nearest_int
from plimsoll.spec.instruments import FUTURE, PERP, id_of, quantity_of, unpack
from plimsoll.spec.margin import Assessment, Index, Params, View, assess, groups, mark, row_of, terms
from plimsoll.spec.report import MAX_KAPPA, MIN_DEPTH
from plimsoll.spec.wad import PPM, WAD, div_floor

NORMAL_99: Final = 2.326  # what a scan range is taken for where nothing says the volatility behind it
OURS: Final = "Plimsoll"


@dataclass(frozen=True)
class StatedRange:
    """The default model, but for underlyings whose scan range is stated.

    Parameters
    ----------
    ranges
        Underlying -> scan range [1].
    volatilities
        Underlying -> volatility [1 a year] where one is known.
    measured
        Who measures the rest.
    config
        The other numbers of an underlying with a stated range.
    """

    ranges: Mapping[int, float]
    volatilities: Mapping[int, float] = field(default_factory=dict)
    measured: RiskModel = field(default_factory=EwmaFhs)
    config: EwmaFhsConfig = field(default_factory=EwmaFhsConfig)
    name: str = "stated-range"
    version: str = "1"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """All of them, as plain values."""
        plain: dict[str, Any] = {"ranges": to_plain(self.ranges), "volatilities": to_plain(self.volatilities)}
        return {**plain, "measured": dict(self.measured.parameters), "config": to_plain(self.config)}

    def assess(self, snapshot: Snapshot, previous: State | None) -> dict[int, Forecast]:
        """A forecast for every underlying."""
        open_ = tuple(market for market in snapshot.markets if market.underlying not in self.ranges)
        found = dict(self.measured.assess(Snapshot(snapshot.market_time, open_), previous)) if open_ else {}
        for market in snapshot.markets:
            if market.underlying in self.ranges:
                depth = market.depth if market.depth is not None else self.config.closing.default_depth
                found[market.underlying] = self._stated(market.underlying, depth)
        return found

    def _stated(self, underlying: int, depth: float) -> Forecast:
        config = self.config
        share = self.ranges[underlying]
        psr = nearest_int(share * PPM)
        yearly = self.volatilities.get(underlying, share * math.sqrt(365) / NORMAL_99)
        return Forecast(
            underlying=underlying,
            sigma=yearly / math.sqrt(365),
            volatility=yearly,
            forecast_psr=psr,
            psr=psr,
            vol_up=nearest_int(config.vol_up * PPM),
            vol_down=nearest_int(config.vol_down * PPM),
            im_factor=nearest_int(max(config.min_im_factor, config.im_multiplier) * PPM),
            depth=max(MIN_DEPTH, decimal_down(depth, 6) * 10**12),
            kappa=min(downward_int(config.kappa_share * psr), MAX_KAPPA),
            som=max(nearest_int(config.som_floor * PPM), downward_int(config.som_share * psr)),
            market=nearest_int(config.market * PPM),
        )


def model_of(book: Book) -> StatedRange:
    """The model that a book asks for."""
    ranges = {book.numbers[name]: entry.scan_range for name, entry in book.underlyings.items() if entry.scan_range}
    known = {book.numbers[name]: entry.volatility for name, entry in book.underlyings.items() if entry.volatility}
    return StatedRange(ranges, known)


def our_margin(book: Book, built: BuiltReport) -> tuple[Assessment, dict[str, int]]:
    """Margin by `plimsoll.spec.margin` of a book under a report of its market, and its parts [wad].

    Perpetuals and futures were entered at their marks: what they are worth is owed in the linear ledger.
    """
    view = View(
        params=Params(),
        now=book.time,
        index={m.underlying: Index(m.reference, m.strike_unit) for m in book.snapshot.markets},
        surfaces={(s.underlying, s.expiry): s for s in built.surfaces},
        scalars={s.underlying: s for s in built.scalars},
        classes={c.klass: c for c in built.classes},
    )
    ledger = to_wad(book.cash)
    parts = dict.fromkeys(("scan", "short", "gross", "concentration"), 0)
    for group in groups(book.words):
        found, _ = terms(group, view)
        for name in parts:
            parts[name] += getattr(found, name)
        for item in group:
            instrument = unpack(id_of(item))
            if instrument.kind in {PERP, FUTURE}:
                surface = view.surfaces[instrument.underlying, instrument.expiry]
                price = mark(instrument, row_of(surface, instrument), surface, view.index[instrument.underlying])
                ledger -= div_floor(quantity_of(item) * price, WAD)
    return assess(book.words, ledger, view), parts


def references(book: Book, built: BuiltReport) -> tuple[tuple[ReferenceModel, str], ...]:
    """The rules to compare with, and where their parameters come from."""
    scans = {name: built.forecasts[number].psr / PPM for name, number in book.numbers.items()}
    return (
        (ClassicSpan(SpanConfig(scans=scans)), "our scan range, no cross credit"),
        (Pmrm(), "as its venue has them"),
        (DeribitMatrix(), "its venue's example"),
        (Static(), "16 %; of short options 10 % or more"),
    )


def compare(book: Book) -> dict[str, Any]:
    """IM and MM of a book by our rule and by others.

    Raises
    ------
    SourceError, SnapshotError, RiskError
        The book's prices or positions are out of what source, engine or model take.
    """
    built = Engine(model_of(book)).report(book.snapshot)
    margin, parts = our_margin(book, built)
    value = math.fsum(portfolio.option_value for portfolio in book.portfolios)
    notional = math.fsum(
        float(abs(portfolio.quantities).sum()) * portfolio.spot for portfolio in book.portfolios if portfolio.positions
    )
    ours = Requirement(margin.im / WAD, margin.mm / WAD, value, {name: amount / WAD for name, amount in parts.items()})
    rules = [_rule(OURS, ours, "posted as a first report", notional, ours)]
    for model, parameters in references(book, built):
        rules.append(_rule(model.name, model.requirement(book.portfolios), parameters, notional, ours))
    return {
        "time": book.time,
        "positions": len(book.words),
        "equity": margin.equity_full / WAD,
        "option_value": value,
        "notional": notional,
        "underlyings": [
            {
                "name": name,
                "spot": entry.spot,
                "scan_range": built.forecasts[book.numbers[name]].psr / PPM,
                "scan_range_from": "stated" if entry.scan_range else "prices",
            }
            for name, entry in book.underlyings.items()
        ],
        "rules": rules,
    }


def _rule(name: str, found: Requirement, parameters: str, notional: float, ours: Requirement) -> dict[str, Any]:
    cash = dict(zip(("im", "mm"), found.of_cash, strict=True))
    return {
        "name": name,
        "im": found.im,
        "mm": found.mm,
        "of_cash": cash,
        "im_share": found.im / notional if notional else 0.0,
        "im_over_ours": found.im / ours.im if ours.im else None,
        "parameters": parameters,
        "parts": dict(found.parts),
    }


# ------------------------------------------------------------------------------------------------------------- tables


def compare_tables(summary: Mapping[str, Any]) -> RenderableType:
    """What a terminal shows of a summary."""
    head = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    head.add_column()
    head.add_column(justify="right")
    head.add_row("time [UTC]", datetime.fromtimestamp(summary["time"], UTC).strftime("%Y-%m-%d %H:%M"))
    head.add_row("positions", str(summary["positions"]))
    for name, title in (("equity", "equity"), ("option_value", "  of it options"), ("notional", "gross notional")):
        head.add_row(title, f"{summary[name]:,.2f}")
    for market in summary["underlyings"]:
        head.add_row(
            f"{market['name']} at {market['spot']:,.6g}",
            f"scan range {market['scan_range']:.2%}, {market['scan_range_from']}",
        )
    table = frameless("rule", "MM", "IM", "IM of notional", "IM over ours", "IM of cash", "parameters")
    table.columns[-1].justify, table.columns[-1].no_wrap = "left", False
    for rule in summary["rules"]:
        over = "-" if rule["im_over_ours"] is None else f"{rule['im_over_ours']:.2f}"
        lacks = rule["im"] > summary["equity"]
        table.add_row(
            Text(rule["name"], style="bold" if rule["name"] == OURS else ""),
            f"{rule['mm']:,.2f}",
            Text(f"{rule['im']:,.2f}", style="red" if lacks else ""),
            f"{rule['im_share']:.2%}",
            over,
            f"{rule['of_cash']['im']:,.2f}",
            rule["parameters"],
        )
    note = Text(
        "MM and IM are of equity that counts options at their marks; red where the book's equity falls short.",
        style="bright_black",
    )
    return Group(head, "", table, "", note)
