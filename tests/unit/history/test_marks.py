"""History marks exactly as RiskOracle does, and takes its funding: over the oracle itself."""

import pytest
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument, word
from plimsoll.spec.margin import Scalars
from plimsoll.spec.report import Report, digest, pack_scalars
from plimsoll.spec.surface import encode
from plimsoll.spec.wad import WAD

from .conftest import DAY, ETH, EXPIRY, LAG, OWNER, START, make_row, make_surface, text

KEY = PrivateKey(b"\1" * 32)
SIGNER = KEY.public_key.to_checksum_address()
ZERO = bytes(32)
SCALARS = Scalars(
    underlying=ETH,
    depth=10**21,
    kappa=0,
    som=0,
    im_factor=2_000_000,
    volatility=0,
    market=0,
    funding=10_000,  # a hundredth of the index a day
)

SHAPES = [
    Instrument(ETH, 0, PERP, 0, 0),
    Instrument(ETH, 0, SPOT, 1, 1),
    Instrument(ETH, EXPIRY, FUTURE, 0, 0),
    Instrument(ETH, EXPIRY, CALL, 2_000, 1),
    Instrument(ETH, EXPIRY, PUT, 2_000, 2),
    Instrument(ETH, EXPIRY, CALL, 2_500, 3),
    Instrument(ETH, EXPIRY, PUT, 1_500, 4),
    # no row, another instrument in its place, no surface
    Instrument(ETH, EXPIRY, CALL, 1_900, 5),
    Instrument(ETH, EXPIRY, PUT, 2_100, 1),
    Instrument(ETH, EXPIRY + DAY, FUTURE, 0, 0),
    Instrument(ETH, EXPIRY + DAY, CALL, 1_900, 1),
]
PRICES = [1, 1_000 * WAD, 1_999 * WAD, 2_000 * WAD, 2_001 * WAD + 1, 2_300 * WAD, 10**27]


@pytest.fixture
def real(bench):
    """A RiskOracle that believes two surfaces and a rate of funding, and a history over it."""
    oracle = bench.put("RiskOracle", bench.feed.address, bench.put("OpenGuardrails").address)
    oracle.transact("set_signers", [SIGNER], 1, 1, 0, sender=text(OWNER))
    surfaces = [
        make_surface(ETH, 0, make_row(PERP, gamma=3_000), make_row(SPOT, 1, mark=99 * 10**10)),
        make_surface(
            ETH,
            EXPIRY,
            make_row(FUTURE, mark=102 * 10**10, delta=1_020_000),
            make_row(CALL, 2_000, gamma=2_000_000),
            make_row(PUT, 2_000, gamma=2_000_000),
            make_row(CALL, 2_500, mark=10**9, delta=100_000, gamma=500_000),
            make_row(PUT, 1_500, mark=10**9, delta=-100_000, gamma=500_000),
            forward=1_020_000_000,
        ),
    ]
    codes = [encode(surface) for surface in surfaces]
    stored = []
    for code in codes:
        receipt = oracle.transact("store", code, sender=text(OWNER))
        stored.append(oracle.decode("store", receipt))
    report = Report(1, START, False, ZERO, ZERO, ZERO, tuple(map(keccak, codes)), (pack_scalars(SCALARS),), ())
    signature = KEY.sign_msg_hash(digest(report, bench.chain.chain_id, oracle.address))
    signed = b"".join(n.to_bytes(32, "big") for n in (signature.r, signature.s)) + bytes([27 + signature.v])
    oracle.transact("post", report, [signed], stored, b"", sender=text(OWNER))
    bench.contract = bench.put("History", bench.feed.address, oracle.address, LAG, 0)
    return bench, oracle


@pytest.mark.parametrize("was", PRICES)
@pytest.mark.parametrize("price", PRICES)
def test_both_marks(real, was, price):
    bench, oracle = real
    history = bench.contract
    bench.price(ETH, was)
    history.transact("touch", ETH, sender=text(OWNER))
    before = {i: oracle.call("mark", i.pack()) for i in SHAPES}
    bench.later(LAG)
    bench.price(ETH, price)
    for instrument, then in before.items():
        now = oracle.call("mark", instrument.pack())
        assert history.call("unpaid", [word(instrument.pack(), WAD)]) == max(0, now - then)
        assert history.call("unpaid", [word(instrument.pack(), -WAD)]) == max(0, then - now)
        if instrument.kind in {PERP, FUTURE}:
            paid = oracle.call("funding", ETH) if instrument.kind == PERP else 0
            assert (paid > 0) == (instrument.kind == PERP)
            assert history.call("variation", [word(instrument.pack(), WAD)]) == (now - paid, then - paid)
            assert history.call("variation", [word(instrument.pack(), -WAD)]) == (paid - now, paid - then)
