"""RiskOracle.post of code that is no surface, though a quorum signed it: code that does not stop, a contract's."""

from dataclasses import replace

import pytest
from eth_utils.crypto import keccak

from plimsoll.spec.instruments import PERP
from plimsoll.spec.surface import encode
from tests.pairs import address_of, text
from tests.unit.clearinghouse.stage import ATTACKER, ETH, make_row, make_surface

GO_ON = (b"\x5b", b"\x01", b"\x80", b"")  # JUMPDEST, ADD, DUP1, where a surface has its STOP; a contract


@pytest.mark.parametrize("first", GO_ON)
def test_signed_code_that_runs_is_no_surface(stage, first):
    """All else of it may be a surface's: who calls it would run what its author wrote."""
    pair = stage.pair
    at = address_of("code") if first else pair.twin.at.registry
    if first:
        surface = make_surface(ETH, 0, [make_row(PERP)], pair.now)
        pair.chain.set_code(text(at), first + encode(surface)[1:])
    code = pair.chain.code(text(at))
    assert code[0] != 0
    report, _ = pair.report()
    report = replace(report, surfaces=(keccak(code),))
    before = stage.ask("oracle", "sequence"), stage.ask("oracle", "pointer", ETH, 0)
    found = stage.on_chain("oracle", "post", report, pair.signed(report), [at], b"", sender=ATTACKER)
    assert found == "oracle: surface malformed"
    assert (stage.ask("oracle", "sequence"), stage.ask("oracle", "pointer", ETH, 0)) == before
