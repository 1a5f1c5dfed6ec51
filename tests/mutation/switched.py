"""One source that holds many mutants, of which block.coinbase says which is real.

An expression `e` with the mutants `e1`, `e2` becomes

    (e1 if block.coinbase == 0x..01 else (e2 if block.coinbase == 0x..02 else e))

and a statement becomes an `if` around it. Where coinbase names none, the code does what it did before; a test of ours
says so for whole suites. `@pure` becomes `@view`, since coinbase is read.

The condition is compiled to five bytes that the optimiser leaves alone, so that a copy of the code can be made to
tell which mutants it passes (`traced`): there the comparison is replaced by a question for the balance of the address
that is the mutant's number. It answers 0, false, as the comparison did; but the chain's journal remembers whom it was
asked for.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.mutation.operators import Mutant

FIRST: Final = 0x1000  # two bytes each, and no precompile's address
LAST: Final = 0xEFFF
_PURE: Final = re.compile(r"^@pure$", re.MULTILINE)
_DECLARED: Final = re.compile(r"(\)(?: -> .+?)?: )pure$", re.MULTILINE)
_COMPARED: Final = re.compile(
    rb"(?:\x41\x61([\x10-\xef].)|\x61([\x10-\xef].)\x41)([\x14\x18\x03])", re.DOTALL
)  # COINBASE PUSH2 n, or PUSH2 n COINBASE; then EQ, XOR or SUB
_NUMBER: Final = re.compile(r"0x0{30}([0-9A-Fa-f]{10})\b")


def address(number: int) -> str:
    """The coinbase that makes a mutant real, with Ethereum's checksum, which Vyper wants."""
    from eth_utils.address import to_checksum_address

    return to_checksum_address(f"0x{number:040x}")


def real(number: int) -> str:
    """The condition under which a mutant is real."""
    return f"(block.coinbase == {address(number)})"


def numbers_in(text: str) -> set[int]:
    """The mutants that some switched lines hold."""
    return {int(found, 16) for found in _NUMBER.findall(text)}


def unpure(text: str) -> str:
    """The same contract, module or interface, whose functions may read the block."""
    return _DECLARED.sub(r"\1view", _PURE.sub("@view", text))


@dataclass
class _Site:
    """A place of the text and what may stand there."""

    start: int
    end: int
    whole: bool
    mutants: list[Mutant]


def switched(text: str, mutants: Sequence[Mutant], number: Mapping[str, int]) -> str:
    """A file's text with all these mutants in it, each under its number.

    Parameters
    ----------
    text
        The file as it is.
    mutants
        Edits of it; none that is compiled alone.
    number
        Their numbers, by id: from 1.
    """
    places: dict[tuple[int, int, bool], list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        places[mutant.start, mutant.end, mutant.whole].append(mutant)
    # outer before inner; a statement before an expression that fills it
    sites = [
        _Site(start, end, whole, found)
        for (start, end, whole), found in sorted(
            places.items(), key=lambda item: (item[0][0], -item[0][1], not item[0][2])
        )
    ]
    made, rest = _render(text, 0, len(text), sites, number)
    assert not rest
    return made


def _render(text: str, start: int, end: int, sites: list[_Site], number: Mapping[str, int]) -> tuple[str, list[_Site]]:
    """The text between two places, with the sites that lie there rendered; and the sites after it."""
    parts, at = [], start
    while sites and sites[0].start < end:
        site, sites = sites[0], sites[1:]
        inner, sites = _render(text, site.start, site.end, sites, number)
        parts.append(text[at : site.start])
        parts.append((_statement if site.whole else _expression)(text, site, inner, number))
        at = site.end
    parts.append(text[at:end])
    return "".join(parts), sites


def _expression(text: str, site: _Site, inner: str, number: Mapping[str, int]) -> str:
    made = f"({inner})"
    for mutant in reversed(site.mutants):
        if mutant.before == mutant.after:
            continue
        condition = real(number[mutant.id])
        made = f"(({mutant.after}) if {condition} else {made})"
    return made


def _statement(text: str, site: _Site, inner: str, number: Mapping[str, int]) -> str:
    """An `if` for each mutant; the statement's own lines are set in by as much as they stand in a block."""
    column = site.start - (text.rfind("\n", 0, site.start) + 1)
    pad = " " * column
    lines = []
    for turn, mutant in enumerate(site.mutants):
        condition = real(number[mutant.id])
        body = _indented(mutant.after or "pass", pad)
        lines.append(f"{'el' if turn else ''}if {condition}:\n{pad}    {body}\n{pad}")
    return "".join(lines) + f"else:\n{pad}    {_indented(inner, pad)}"


def _indented(body: str, pad: str) -> str:
    """Lines after the first, four further in; those of a call broken over lines may stand anywhere."""
    return body.replace(f"\n{pad}", f"\n{pad}    ")


def traced(code: bytes) -> bytes:
    """The same code, whose journal tells which mutants it passed; every jump leads where it did.

    PUSH2 n BALANCE, then JUMPDEST, which does nothing, where equal was asked; ISZERO where unequal was.
    """

    def asks(found: re.Match[bytes]) -> bytes:
        number = found[1] or found[2]
        return b"\x61" + number + b"\x31" + (b"\x5b" if found[3] == b"\x14" else b"\x15")

    return _COMPARED.sub(asks, code)
