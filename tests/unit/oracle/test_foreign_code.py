"""RiskOracle.post of code that is no surface, though a quorum signed it: code that does not stop, a contract's."""

from dataclasses import replace

import pytest
from eth_utils.crypto import keccak

from plimsoll.spec.instruments import PERP
from plimsoll.spec.surface import encode
from tests.pairs import address_of, text
from tests.unit.clearinghouse.stage import ATTACKER, ETH, make_row, make_surface

GOES_ON = b"\x5b"  # JUMPDEST, where a surface has its STOP


@pytest.mark.parametrize("is_contract", [False, True])
def test_signed_code_that_runs_is_no_surface(stage, is_contract):
    """All else of it may be a surface's: who calls it would run what its author wrote."""
    pair = stage.pair
    at = pair.twin.at.registry if is_contract else address_of("code")
    if not is_contract:
        surface = make_surface(ETH, 0, [make_row(PERP)], pair.now)
        pair.chain.set_code(text(at), GOES_ON + encode(surface)[1:])
    code = pair.chain.code(text(at))
    assert code[0] != 0
    report, _ = pair.report()
    report = replace(report, surfaces=(keccak(code),))
    before = stage.ask("oracle", "sequence"), stage.ask("oracle", "pointer", ETH, 0)
    found = stage.on_chain("oracle", "post", report, pair.signed(report), [at], b"", sender=ATTACKER)
    assert found == "oracle: surface malformed"
    assert (stage.ask("oracle", "sequence"), stage.ask("oracle", "pointer", ETH, 0)) == before
