"""RiskOracle.post of code that is no surface, though a quorum signed it: a contract, which does not stop."""

from dataclasses import replace

from eth_utils.crypto import keccak

from plimsoll.spec.surface import encode
from tests.pairs import text
from tests.unit.clearinghouse.stage import ATTACKER, ETH, make_row, make_surface


def test_a_signed_contract_is_no_surface(stage):
    """Its code begins with no STOP: read as a surface, its bytes would be whatever its author wanted."""
    pair = stage.pair
    at = pair.twin.at.registry
    code = pair.chain.code(text(at))
    assert code[0] != 0
    assert len(code) > len(encode(make_surface(ETH, 0, [make_row(0)], pair.now)))
    report, _ = pair.report()
    report = replace(report, surfaces=(keccak(code),))
    before = stage.ask("oracle", "sequence"), stage.ask("oracle", "pointer", ETH, 0)
    signatures = pair.signed(report)
    found = stage.on_chain("oracle", "post", report, signatures, [at], b"", sender=ATTACKER)
    assert found == "oracle: surface malformed"
    assert (stage.ask("oracle", "sequence"), stage.ask("oracle", "pointer", ETH, 0)) == before
