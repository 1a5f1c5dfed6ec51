"""The generated parts of `docs/ARITHMETIC.md`: `python -m tests.proofs.document` writes them anew."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Final

from tests.proofs.prove import Run
from tests.proofs.registry import LEMMAS
from tests.proofs.vyper import Num, unsafe_calls

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "ARITHMETIC.md"

# what, contract, constant, unit, and the lemmas that rest on it
BOUNDED: Final = (
    ("a quantity, a token balance", "modules/fixed.vy", "MAX_QUANTITY", "wad", "L-05, L-11, L-24, L-49"),
    ("a price, an index", "modules/fixed.vy", "MAX_PRICE", "wad", "L-07, L-09, L-25"),
    ("cash, linear, either way", "modules/fixed.vy", "MAX_LEDGER", "wad", "L-51, L-53"),
    ("positions of an account", "modules/instruments.vy", "MAX_POSITIONS", "", "L-06, L-11, L-24"),
    ("rows of a surface", "modules/surface.vy", "MAX_ROWS", "", "L-29"),
    ("lane unit", "modules/surface.vy", "MAX_SCALE", "1e-5 of the index", "L-11"),
    ("shift of a mark's sum", "modules/surface.vy", "SHIFT", "wad", "L-09"),
    ("life of a funding rate", "modules/margin.vy", "LIFE", "s", "L-13, L-14"),
    ("an interest index", "modules/interest.vy", "MAX_INDEX", "1e-18", "L-35"),
    ("volatility and utilisation in a fee", "modules/fees.vy", "CUT", "ppm", "L-40"),
    ("a trade's fee", "modules/fees.vy", "MAX_FEE", "ppm", "L-41"),
    ("a liquidation's fee", "modules/fees.vy", "MAX_LIQUIDATION_FEE", "ppm", "L-39"),
    ("a call buffer", "modules/params.vy", "MAX_CALL_BUFFER", "ppm", "L-27, L-68"),
    ("a cost a leg", "modules/params.vy", "MAX_LEG_COST", "wad", "L-25, L-68"),
    ("an auction's ramp", "Liquidator.vy", "MAX_RAMP", "s", "L-42"),
    ("its discount at the start", "Liquidator.vy", "MAX_START", "ppm", "L-42"),
    ("what the fund adds", "Liquidator.vy", "MAX_BONUS", "ppm of MM", "L-47"),
    ("shares of the fund", "InsuranceFund.vy", "MAX_SHARES", "share", "L-64, L-65"),
    ("shares that nobody has", "InsuranceFund.vy", "VIRTUAL", "share", "L-64"),
    ("how long income drips", "InsuranceFund.vy", "DRIP", "s", "L-67"),
)


def _power(value: int) -> str:
    """A number as people write it."""
    for base in (10, 2):
        for plus in (0, 1):
            exponent = len(str(value)) - 1 if base == 10 else (value + plus).bit_length() - 1
            if exponent > 5 and base**exponent == value + plus:
                return f"{base}^{exponent}" + (" - 1" if plus else "")
    return f"{value:,}"


def bounded() -> str:
    """Every bounded quantity, read from the contracts."""
    machine = Run(values={}).machine
    lines = ["| what | maximum | unit | constant | lemmas |", "| --- | --- | --- | --- | --- |"]
    for what, path, name, unit, lemmas in BOUNDED:
        found = machine.constant(path, name)
        kind = found.kind if isinstance(found, Num) else ""
        lines.append(f"| {what} | {_power(found.term)} | {unit} | `{path}` `{name}: {kind}` | {lemmas} |")
    return "\n".join(lines)


def unchecked() -> str:
    """Every unchecked operation, by function, with the lemmas that show it."""
    lines = ["| contract | function | operations | lemmas |", "| --- | --- | --- | --- |"]
    total = 0
    for (path, function), nodes in unsafe_calls().items():
        place = f"{path}::{function}"
        lemmas = ", ".join(id_ for id_, lemma in LEMMAS.items() if place in lemma.used_in)
        counts: dict[str, int] = {}
        for node in nodes:
            name = ast.unparse(node.func)
            counts[name] = counts.get(name, 0) + 1
        total += len(nodes)
        shown = ", ".join(f"{count} `{name}`" for name, count in sorted(counts.items()))
        lines.append(f"| `{path}` | `{function}` | {shown} | {lemmas} |")
    return "\n".join([*lines, "", f"{total} in all."])


def lemmas() -> str:
    """The lemmas, and where each is used."""
    lines = ["| lemma | what is shown | used in |", "| --- | --- | --- |"]
    for id_, lemma in LEMMAS.items():
        places = ", ".join(f"`{place}`" for place in lemma.used_in) or "`offchain/plimsoll/risk/rounding.py`"
        lines.append(f"| {id_} | {lemma.sentence} | {places} |")
    return "\n".join(lines)


PARTS: Final = {"bounded": bounded, "unchecked": unchecked, "lemmas": lemmas}


def renewed(text: str) -> str:
    """The page with its generated parts as they are now."""
    for name, make in PARTS.items():
        mark = f"<!-- generated: {name} -->"
        pattern = re.compile(f"{re.escape(mark)}\n.*?<!-- end -->", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"the page has no part {name}: it begins with {mark} and ends with <!-- end -->")
        part = f"{mark}\n{make()}\n<!-- end -->"
        text = pattern.sub(lambda _, part=part: part, text)
    return text


def main() -> int:
    """Write the page anew."""
    PAGE.write_text(renewed(PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
