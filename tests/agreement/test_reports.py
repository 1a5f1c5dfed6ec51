"""I-60, I-32, I-34: what the oracle believes and refuses is the same on the chain and in the twin, for any bytes."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import pytest

from plimsoll.spec.errors import Refused
from plimsoll.spec.report import Report, digest, pack_class, pack_floors, pack_rates, pack_scalars
from plimsoll.spec.signatures import HALF_ORDER
from plimsoll.spec.surface import HEADER_BYTES, encode
from tests.pairs import Pair, address_of, sign, text
from tests.strategies import Seeded, chance, edge, params, pick, world

CASES = {"quick": 40, "ci": 400, "figures": 400, "long": 20_000}[os.environ.get("PLIMSOLL_PROFILE", "quick")]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1


@pytest.fixture(scope="module")
def pair() -> Pair:
    return Pair(signers=4, quorum=2)


def code_of(source: Seeded) -> bytes:
    """The code of some surface."""
    found: list = []
    while not found:
        found = world(source, most=5, underlyings=2).surfaces
    return encode(found[0])


def damaged(source: Seeded, code: bytes) -> bytes:
    """Code with a bit turned, a byte set, a piece lost or added; or as it is."""
    way = source.integer(0, 7)
    at = source.integer(0, min(len(code), 1 + HEADER_BYTES) - 1)
    if way == 0:
        return code[:at] + bytes([code[at] ^ 1 << source.integer(0, 7)]) + code[at + 1 :]
    if way == 1:
        return code[:at] + bytes([source.integer(0, 255)]) + code[at + 1 :]
    if way == 2:
        return code[: source.integer(0, len(code))]
    if way == 3:
        return code + source.blob(pick(source, (1, 32, 96)))
    if way == 4:
        return source.blob(source.integer(0, 300))
    if way == 5:  # fields at their ends: rows, scale, common, forward, reference
        start, size = pick(source, ((9, 2), (11, 1), (12, 1), (26, 4), (33, 16)))
        value = pick(source, (0, 1, 10, 11, 32, 33, 250, 251, 10**27, 10**27 + 1, 256**size - 1)) % 256**size
        return code[:start] + value.to_bytes(size, "big") + code[start + size :]
    return code


def test_any_bytes_are_stored_or_refused_alike(pair: Pair) -> None:
    seen: Counter[str] = Counter()
    for seed in range(CASES):
        source = Seeded(seed)
        code = damaged(source, code_of(source))
        with pair.isolated():
            found = pair.step("oracle", "store", code)
            seen[found.reason if isinstance(found, Refused) else "done"] += 1
            pair.compare([])
    assert seen.keys() == {"done", "oracle: surface malformed"}
    assert min(seen.values()) > CASES // 5


@pytest.mark.parametrize("first", [0x00, 0x01, 0xEF, 0xFE, 0xFF])
def test_only_code_that_begins_with_a_stop_is_a_surface(pair: Pair, first: int) -> None:
    code = bytes([first]) + code_of(Seeded(1))[1:]
    with pair.isolated():
        found = pair.step("oracle", "store", code)
        assert isinstance(found, Refused) == (first != 0)
        assert not isinstance(found, Refused) or found.reason == "oracle: surface malformed"


def spoilt(source: Seeded, signatures: list[bytes], message: bytes) -> list[bytes]:
    """Signatures with something wrong: lengths, s in the upper half, v, r, order, one twice, a stranger's."""
    at = source.integer(0, len(signatures) - 1)
    one = signatures[at]
    r, s, v = one[:32], int.from_bytes(one[32:64], "big"), one[64]
    wrong = pick(
        source,
        (
            one[: source.integer(0, 65)],
            r + (ORDER - s).to_bytes(32, "big") + bytes([55 - v]),
            r + (s if chance(source, 50) else HALF_ORDER + 1).to_bytes(32, "big") + bytes([source.integer(0, 255)]),
            bytes(32) + s.to_bytes(32, "big") + bytes([v]),
            source.blob(32) + s.to_bytes(32, "big") + bytes([v]),
            ORDER.to_bytes(32, "big") + one[32:],
            r + bytes(32) + bytes([v]),
            bytes(65),
            b"\xff" * 65,
            r + (s | (v - 27) << 255).to_bytes(32, "big"),  # the compact form of the same signature: it is good
            sign("attacker", message),
            one,
        ),
    )
    changed = [*signatures[:at], wrong, *signatures[at + 1 :]]
    return pick(source, (changed, changed, changed, changed[::-1], [*changed, one], changed[1:], []))


def report_of(source: Seeded, pair: Pair, surfaces: list[bytes]) -> Report:
    """A report with fields anywhere in their types; most are good."""
    known = params(source)
    scalars = [(edge(source, 0, 2**256 - 1)) for _ in range(source.integer(0, 2) if chance(source, 20) else 0)]
    made = world(source, most=2, underlyings=2)
    scalars += [pack_scalars(replace(s, im_factor=max(s.im_factor, 2_000_001))) for s in made.scalars]
    classes = [pack_class(c) for c in made.classes]
    if chance(source, 10):
        classes.append(edge(source, 0, 2**256 - 1))
    now = pair.now
    return Report(
        sequence=edge(source, 0, 2**64 - 1) if chance(source, 20) else source.integer(1, 2**40),
        market_time=pick(source, (now, now, now, now - known.max_age, now - 7_200, now - 7_201, now + 1, 0, 2**64 - 1)),
        urgent=chance(source, 25),
        model=source.blob(32),
        config=source.blob(32),
        snapshot=source.blob(32),
        surfaces=tuple(surfaces),
        scalars=tuple(scalars),
        classes=tuple(classes),
    )


@pytest.mark.slow
def test_any_report_is_believed_or_refused_alike(pair: Pair) -> None:
    seen: Counter[str] = Counter()
    for seed in range(2 * CASES):
        source = Seeded(seed)
        with pair.isolated():
            report = report_of(source, pair, [source.blob(32)] if chance(source, 5) else [])
            before = pair.twin.oracle.sequence
            names = pair.signers[: source.integer(2, 4)]
            signatures = pair.signed(report, names)
            message = digest(report, pair.chain.chain_id, text(pair.twin.at.oracle))
            assert pair.contracts["oracle"].call("digest", report) == message
            if chance(source, 50):
                signatures = spoilt(source, signatures, message)
            stored = [address_of("nobody")] if chance(source, 5) else []
            found = pair.step(
                "oracle", "post", report, signatures, stored, source.blob(5) if chance(source, 8) else b""
            )
            seen[found.reason if isinstance(found, Refused) else "done"] += 1
            sequence = pair.twin.oracle.sequence
            assert sequence == (before if isinstance(found, Refused) else report.sequence)
            pair.compare([])
            if not isinstance(found, Refused):  # I-32: once
                pair.refused("oracle: sequence not above the last", "oracle", "post", report, signatures, stored, b"")
    wanted = {
        "done",
        "oracle: market time in the future",
        "oracle: market time too old",
        "oracle: below quorum",
        "oracle: signers not ascending",
        "oracle: not a signer",
        "oracle: surface count differs",
        "oracle: scalars out of range",
        "oracle: class out of range",
        "ecdsa: invalid signature",
        "ecdsa: invalid signature `s` value",
    }
    if CASES >= 400:
        assert seen.keys() >= wanted
        assert seen["done"] > CASES // 4


def test_any_params_are_taken_or_refused_alike(pair: Pair) -> None:
    seen: Counter[str] = Counter()
    for seed in range(CASES):
        source = Seeded(seed)
        known = params(source)
        rates, floors = pack_rates(known), pack_floors(known)
        for _ in range(source.integer(0, 1)):
            shift = pick(source, (232, 208, 176, 152, 128, 32, 16, 0))
            rates ^= edge(source, 0, 2**24 - 1) << shift if chance(source, 50) else 0
            floors ^= edge(source, 0, 2**24 - 1) << source.integer(0, 232) if chance(source, 50) else 0
        with pair.isolated():
            found = pair.step("oracle", "set_params", rates % 2**256, floors % 2**256, sender=pair.owner)
            seen[found.reason if isinstance(found, Refused) else "done"] += 1
            assert pair.contracts["oracle"].call("rates") == pair.twin.oracle.rates
            assert pair.contracts["oracle"].call("floors") == pair.twin.oracle.floors
    assert seen.keys() == {"done", "guard: params out of range"}
