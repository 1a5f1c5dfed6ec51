"""Lemmas of `RiskOracle.vy`: the sums over an account's words, and what is made of them."""

from __future__ import annotations

from typing import Any, Final

from tests.proofs.prove import Run, moved, planted, proof
from tests.proofs.vyper import Num, Struct

ORACLE: Final = "RiskOracle.vy"
GUARDRAILS: Final = "Guardrails.vy"
MARGIN: Final = "modules/margin.vy"
PPM: Final = 10**6
WAD: Final = 10**18
MAX_PRICE: Final = 10**27
MAX_QUANTITY: Final = 10**27
MAX_POSITIONS: Final = 127
MAX_MARK: Final = 29 * 10**31  # [wad] L-08: a put's strike, 2**48 of 1e18
MAX_SPOT: Final = 2 * MAX_PRICE
MAX_PAID: Final = 5 * 10**32  # [wad] |funding| a contract: L-13 a day
MAX_CHARGE: Final = 2**36  # [ppm] of a row, or a floor with its slope at a tenor of 40 bits
MAX_GROSS: Final = MAX_POSITIONS * MAX_QUANTITY * MAX_CHARGE
MAX_SIZE: Final = MAX_POSITIONS * MAX_QUANTITY
BOUNDS: Final = {  # of one position
    "value": MAX_QUANTITY * (MAX_MARK + MAX_PAID),
    "full": MAX_QUANTITY * MAX_SPOT,
    "haircut": MAX_QUANTITY * MAX_SPOT * PPM,
    "delta": MAX_QUANTITY * 2**23,
    "gross": MAX_QUANTITY * MAX_CHARGE,
    "size": MAX_QUANTITY,
    "short": MAX_QUANTITY,
    "legs": 1,
}


@proof("L-24", moved("the greatest quantity 2**80 times as great", most=MAX_QUANTITY * 2**80))
def sums_fit(run: Run) -> None:
    most = run.number("most", MAX_QUANTITY)
    held = run.int("held", 0, MAX_POSITIONS - 1)
    quantity = run.int("quantity", -most, most)
    size = run.int("size", 0, most)
    mark, spot = run.int("mark", 0, MAX_MARK), run.int("spot", 0, MAX_SPOT)
    paid = run.int("paid", -MAX_PAID, MAX_PAID)
    charge, least = run.int("charge", 0, 2**24 - 1), run.int("least", 0, MAX_CHARGE)
    delta = run.int("delta", -(2**23), 2**23 - 1)
    signed = {"value", "full", "haircut", "delta"}
    sums = Struct({})
    bounds = {name: bound * (most // MAX_QUANTITY if name != "legs" else 1) for name, bound in BOUNDS.items()}
    for name, bound in bounds.items():
        found = run.int(name)
        run.assume(found <= held * bound)
        run.assume(found >= (-(held * bound) if name in signed else 0))
        sums.fields[name] = Num(found.term, "int256" if name in signed else "uint256")
    before = dict(sums.fields)
    common = {"sums": sums, "quantity": Num(quantity.term, "int256"), "size": Num(size.term, "uint256")}
    for text, local in (
        ("sums.delta = unsafe_add(sums.delta, unsafe_mul(quantity, delta))", {"delta": Num(delta.term, "int256")}),
        (
            (
                "worth: int256 = unsafe_mul(quantity, convert(mark, int256))\n"
                "sums.full = unsafe_add(sums.full, worth)\n"
                "if charge < fixed.PPM:\n    sums.haircut = unsafe_add(\n        sums.haircut,"
                " unsafe_mul(worth, convert(unsafe_sub(fixed.PPM, charge), int256))\n    )"
            ),
            {"mark": Num(spot.term, "uint256"), "charge": Num(charge.term, "uint256")},
        ),
        (
            "sums.value = unsafe_add(sums.value, unsafe_mul(quantity, unsafe_sub(convert(mark, int256), paid)))",
            {"mark": Num(mark.term, "uint256"), "paid": Num(paid.term, "int256")},
        ),
        (
            (
                "sums.gross = unsafe_add(sums.gross, unsafe_mul(size, max(charge, least)))\n"
                "sums.size = unsafe_add(sums.size, size)\nsums.legs = unsafe_add(sums.legs, 1)"
            ),
            {"charge": Num(charge.term, "uint256"), "least": Num(least.term, "uint256")},
        ),
        ("sums.short = unsafe_add(sums.short, size)", {}),
    ):
        run.run(ORACLE, "_terms", text, **common, **local)
    for name, bound in bounds.items():
        step = sums[name] - before[name]
        run.claim(step <= bound, f"{name}: one position's part")
        run.claim(step >= (-bound if name in signed else 0), f"{name}: one position's part")
        run.claim(sums[name] <= (held + 1) * bound, f"{name}: one position more")
        run.claim(sums[name] >= (-((held + 1) * bound) if name in signed else 0), f"{name}: one position more")


def _products(run: Run) -> dict[str, Any]:
    """The terms after the loop, at any sums that 127 positions make."""
    price = run.int("price", 1, run.number("dearest", MAX_PRICE))
    sums = Struct(
        {
            name: Num(
                run.int(
                    name, -MAX_POSITIONS * bound if name in {"value", "full", "haircut"} else 0, MAX_POSITIONS * bound
                ).term,
                "int256" if name in {"value", "full", "haircut"} else "uint256",
            )
            for name, bound in BOUNDS.items()
            if name != "delta"
        }
    )
    rates = run.machine.word(
        (Num(0), 104),
        (run.int("floor_rate", 0, PPM), 24),
        (Num(0), 32),
        (run.int("leg_cost", 0, 10**24), 96),
        (Num(0), 32),
    )
    som = run.int("som", 0, 2**24 - 1)
    dearest = run.number("dearest", MAX_PRICE)
    result = Struct({name: Num(0) for name in ("value", "full", "haircut", "gross", "short", "im_add")})
    run.total = True
    run.claim(price * sums["gross"] <= dearest * MAX_GROSS, "price times gross")
    run.claim(price * som <= dearest * 2**24, "price times minimum")
    run.claim((price * som) * sums["short"] <= dearest * 2**24 * MAX_SIZE, "times size")
    run.claim(sums["legs"] * Num(run.inputs["leg_cost"]) <= 127 * 10**24, "legs")
    local = {
        "result": result,
        "sums": sums,
        "rates": rates,
        "price": Num(price.term, "uint256"),
        "som": Num(som.term, "uint256"),
    }
    for text in (
        "result.value = fixed._div_floor(sums.value, 10**18)",
        "result.full = fixed._div_floor(sums.full, 10**18)",
        "result.haircut = fixed._div_floor(sums.haircut, 10**24)",
        (
            "result.gross = fixed._mul_div_up(price, sums.gross, fixed.PPM * fixed.WAD) + sums.legs * ("
            "(rates >> 32) & (2**96 - 1))"
        ),
        "result.short = fixed._mul_div_up(price * som, sums.short, fixed.PPM * fixed.WAD)",
    ):
        local = run.run(ORACLE, "_terms", text, **local)
    return local


@proof("L-25", moved("a price of 2**60 times the greatest", dearest=MAX_PRICE * 2**60))
def products_fit(run: Run) -> None:
    local = _products(run)
    # L-17: 1e27 x 2^118 / 1e23; L-19: (1.1e30)^2 / 1e15 x 10 x 1e9
    scan, extra = run.int("scan", 0, 10**40), run.int("concentration", 0, 10**56)
    result = local["result"]
    result.fields |= {"scan": Num(scan.term, "uint256"), "concentration": Num(extra.term, "uint256")}
    # at most the IM factor's field, and the widening of 16 bits an hour over 2**40 seconds; the market term: L-20
    factor = run.int("im_factor", PPM, 2**24 + 2**16 * 2**40)
    run.machine.given["market"] = Num(run.int("market", 0, 10**58).term, "uint256")
    run.claim(result["gross"] <= 10**44, "gross")
    run.claim(result["short"] <= 10**46, "short")
    text = "base: uint256 = max(result.scan, result.short) + result.gross + result.concentration"
    local = run.run(ORACLE, "_terms", text, **local)
    base = local["base"]
    run.claim(base <= 10**57, "the base")
    run.claim((factor - PPM) * base <= 2**57 * 10**57, "times the factor")
    local["im_factor"] = Num(factor.term, "uint256")
    run.run(
        ORACLE, "_terms", "result.im_add = fixed._mul_div_up(im_factor - fixed.PPM, base, fixed.PPM) + market", **local
    )
    run.claim(result["im_add"] < 2**250, "what IM adds")


@proof("L-26", planted(ORACLE, "unsafe_mul(size, max(charge, least))", "unsafe_mul(size, charge)"))
def gross_is_positive(run: Run) -> None:
    # L-68: a kind's base is positive
    base, slope = run.int("base", 1, PPM), run.int("slope", 0, PPM)
    tenor = run.int("tenor", 0, 2**40)
    floors = run.machine.word((base, 24), (Num(0), 72), (slope, 24), (Num(0), 136))
    run.total = True
    least = run.call(MARGIN, "_gross_floor", floors, Num(0), tenor)
    run.claim(least >= base, "at least the base")
    size, charge = run.int("size", 1, MAX_QUANTITY), run.int("charge", 0, 2**24 - 1)
    run.claim(least <= MAX_CHARGE, "a bounded floor")
    sums = Struct({"gross": Num(0, "uint256"), "legs": Num(0, "uint256")})
    local = {"sums": sums, "size": Num(size.term, "uint256"), "charge": Num(charge.term, "uint256"), "least": least}
    run.run(ORACLE, "_terms", "sums.gross = unsafe_add(sums.gross, unsafe_mul(size, max(charge, least)))", **local)
    run.claim(sums["gross"] >= 1, "a positive charge")
    price = run.int("price", 1, MAX_PRICE)
    result = Struct({"gross": Num(0), "mm": Num(0)})
    rates = run.machine.word((Num(0), 224), (Num(0), 32))
    run.claim(price * sums["gross"] >= 1, "and in money")
    run.run(
        ORACLE,
        "_terms",
        "result.gross = fixed._mul_div_up(price, sums.gross, fixed.PPM * fixed.WAD) + sums.legs * ("
        "(rates >> 32) & (2**96 - 1))",
        result=result,
        sums=sums,
        price=Num(price.term, "uint256"),
        rates=rates,
    )
    run.claim(result["gross"] >= 1, "up: a unit at least")
    portfolio, short = run.int("portfolio", 0, 2**200), run.int("short", 0, 2**200)
    run.run(
        ORACLE,
        "assess",
        "result.mm = max(portfolio, short) + charges",
        result=result,
        portfolio=Num(portfolio.term, "uint256"),
        short=Num(short.term, "uint256"),
        charges=result["gross"],
    )
    run.claim(result["mm"] >= result["gross"], "MM is at least the gross charge")


@proof("L-27", moved("an IM factor a ppm under 1 + call buffer", least=-1))
def lines_in_order(run: Run) -> None:
    # two underlyings; any sum of more is one of two
    buffer = run.int("call_buffer", 0, PPM)
    run.total = True
    portfolio, short, charges, added = Num(0), Num(0), Num(0), Num(0)
    for name in ("a", "b"):
        scan, of_short = run.int(f"{name}_scan", 0, 10**60), run.int(f"{name}_short", 0, 10**60)
        charge = run.int(f"{name}_charges", 0, 10**60)
        # a report's factor is over 1 + call buffer, and where none was posted 2
        over = run.int(f"{name}_over", run.number("least", 1), 2**24)
        factor = PPM + buffer + over
        result = Struct({"im_add": Num(0), "scan": Num(scan.term, "uint256"), "short": Num(of_short.term, "uint256")})
        result.fields |= {"gross": Num(charge.term, "uint256"), "concentration": Num(0, "uint256")}
        run.machine.given["market"] = Num(0, "uint256")
        local = run.run(
            ORACLE,
            "_terms",
            "base: uint256 = max(result.scan, result.short) + result.gross + result.concentration",
            result=result,
        )
        base = local["base"]
        run.claim(base >= scan + charge, "the base")
        run.claim(base >= of_short + charge, "the base")
        run.claim(over * base >= (0 if run.number("least", 1) > 0 else -base), "over the buffer")
        run.run(
            ORACLE,
            "_terms",
            "result.im_add = fixed._mul_div_up(im_factor - fixed.PPM, base, fixed.PPM) + market",
            result=result,
            base=base,
            im_factor=Num(factor.term, "uint256"),
        )
        run.claim(result["im_add"] * PPM >= buffer * base, "at least the buffer of the base")
        portfolio, short, charges = portfolio + scan, short + of_short, charges + charge
        added = added + result["im_add"]
        run.claim(added * PPM >= buffer * (portfolio + charges), "so far, of the scans")
        run.claim(added * PPM >= buffer * (short + charges), "and of the short minima")
    of_classes = run.int("portfolio", 0, 2**220)
    run.assume(of_classes <= portfolio)  # L-23: an offset never raises
    result = Struct({"mm": Num(0), "im": Num(0), "call_line": Num(0)})
    local = {
        "result": result,
        "portfolio": Num(of_classes.term, "uint256"),
        "short": Num(short.term, "uint256"),
        "charges": Num(charges.term, "uint256"),
        "im_add": Num(added.term, "uint256"),
        "rates": run.machine.word((buffer, 24), (Num(0), 232)),
    }
    for text in (
        "result.mm = max(portfolio, short) + charges",
        "result.im = result.mm + im_add",
        "result.call_line = fixed._mul_div_up(result.mm, fixed.PPM + (rates >> 232), fixed.PPM)",
    ):
        run.run(ORACLE, "assess", text, **local)
    run.claim(buffer * of_classes <= buffer * portfolio, "no more with an offset")
    run.claim(result["call_line"] >= result["mm"], "the call line is over MM")
    run.claim(result["im"] >= result["call_line"], "and IM over the call line")


@proof("L-28", planted(ORACLE, "full += found.full", "full += found.full - convert(found.gross, int256)"))
def equity_reads_no_risk(run: Run) -> None:
    ledger, value, full = (run.int(name, -(10**40), 10**40) for name in ("ledger", "value", "full"))
    given = run.machine.given
    given["self.rates"] = given["self.floors"] = Num(0, "uint256")
    given["self._classes"] = {}
    given["instruments._is_risky"] = lambda *_: True
    found = []
    for report in ("first", "second"):
        # two reports with the marks, the index and the funding held: all else is any
        terms = Struct(
            {
                "underlying": Num(256, "uint256"),
                "price": Num(run.int(f"{report}_price", 1, MAX_PRICE).term, "uint256"),
                "value": Num(value.term, "int256"),
                "full": Num(full.term, "int256"),
                "haircut": Num(run.int(f"{report}_haircut", -(10**40), 10**40).term, "int256"),
                "common": Num(32, "uint256"),
                "worst_lane": Num(0, "uint256"),
                "fresh": True,
            }
            | {
                name: Num(run.int(f"{report}_{name}", 0, 10**60).term, "uint256")
                for name in ("scan", "short", "gross", "concentration", "im_add")
            }
        )
        given["self._terms"] = lambda *_, terms=terms: [terms, [Num(0, "int256")] * 32, Num(1, "uint256")]
        found.append(run.call(ORACLE, "assess", [Num(0, "uint256")], ledger))
    run.claim(found[0]["equity_full"].equals(found[1]["equity_full"]), "E_m is the same")
    run.claim(found[0]["equity_full"].equals(ledger + value + full), "and nothing but ledger, value and collateral")


@proof("L-29", moved("a book of 2**256 words", most=2**256))
def places(run: Run) -> None:
    i = run.int("i", 0, run.number("most", MAX_POSITIONS) - 1)
    run.claim(
        run.value(ORACLE, "_terms", "unsafe_add(i, 1)", i=Num(i.term, "uint256")) <= run.number("most", 127), "the next"
    )
    row = Num(run.int("row", 0, 249).term, "uint256")
    text = "unsafe_add(surface.HEADER, unsafe_mul(surface.ROW, row))"
    for path, name in ((ORACLE, "_terms"), (GUARDRAILS, "check")):
        run.claim(run.value(path, name, text, row=row) + 96 <= 24_576, "inside the code")
    place = Num(run.int("place", 0, 24_576).term, "uint256")
    local = run.run(GUARDRAILS, "_admit_surfaces", "place = unsafe_add(place, surface.ROW)", place=place)
    run.claim(local["place"] <= 24_576 + 96, "the next row")
    forward = Num(run.int("forward", 0, 2**32 - 1).term, "uint256")
    local = run.run(GUARDRAILS, "_admit_surfaces", "fair: uint256 = unsafe_mul(forward, 1_000)", forward=forward)
    run.claim(local["fair"] < 2**42, "a forward in 1e-12")
    since, now = run.int("oldest", 0, 2**40), run.int("now", 0, 2**40)
    run.assume(since <= now)  # `oldest` is the least of now and the surfaces' times
    run.machine.given["block.timestamp"] = Num(now.term, "uint256")
    age = run.value(ORACLE, "_terms", "unsafe_sub(block.timestamp, oldest)", oldest=Num(since.term, "uint256"))
    run.claim(age >= 0, "an age")
