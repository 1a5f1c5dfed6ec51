"""RiskOracle.post: a report is believed whole, or refused whole with the reason."""

from dataclasses import replace

import pytest
from eth_keys.constants import SECPK1_N
from eth_utils.crypto import keccak

from plimsoll.spec.instruments import FUTURE, PERP
from plimsoll.spec.margin import ClassOffset
from plimsoll.spec.oracle import create_address
from plimsoll.spec.report import digest, pack_class, pack_rates, pack_scalars
from plimsoll.spec.surface import encode
from plimsoll.spec.wad import MAX_PRICE, PPM
from tests.pairs import sign, text
from tests.unit.clearinghouse.stage import (
    BTC,
    ETH,
    EXPIRY,
    NOW,
    OWNER,
    make_row,
    make_scalars,
    make_surface,
)

NOT_ASCENDING = "oracle: signers not ascending"
NOT_A_SIGNER = "oracle: not a signer"
MALFORMED = "oracle: surface malformed"


def post(stage, report, stored=(), *, signatures=None, fresh=b""):
    signatures = stage.pair.signed(report) if signatures is None else signatures
    stage.pair.must("oracle", "post", report, signatures, stored, fresh)


def refuses(stage, reason, report, stored=(), *, signatures=None, fresh=b""):
    """Refused; and no pointer, no scalar, no class moved."""
    watched = [("pointer", ETH, 0), ("pointer", ETH, EXPIRY), ("scalars", ETH), ("classes", 1), ("sequence",)]
    before = [stage.ask("oracle", *item) for item in watched]
    signatures = stage.pair.signed(report) if signatures is None else signatures
    stage.refuses(reason, "oracle", "post", report, signatures, list(stored), fresh)
    assert [stage.ask("oracle", *item) for item in watched] == before


def surfaces(stage, **changes):
    """Two surfaces of one underlying."""
    return [
        make_surface(ETH, 0, [make_row(PERP)], stage.pair.now, **changes),
        make_surface(ETH, EXPIRY, [make_row(FUTURE)], stage.pair.now, **changes),
    ]


# ------------------------------------------------------------------------------------------------- what it believes


def test_a_report_is_believed(stage):
    stage.later(100)
    scalars, offset = pack_scalars(make_scalars(ETH, som=7)), pack_class(ClassOffset(1, 5, 6))
    named = {"model": b"\1" * 32, "config": b"\2" * 32, "snapshot": b"\3" * 32, "market_time": NOW + 40}
    made = [replace(surface, time=NOW + 40) for surface in surfaces(stage)]
    report, stored = stage.pair.report(made, [scalars], [offset], **named)
    seen = len(stage.pair.twin.oracle.log)
    post(stage, report, stored)
    assert (stage.ask("oracle", "sequence"), stage.ask("oracle", "market_time")) == (2, NOW + 40)
    stamp = 2 << 64 | (NOW + 40) << 32 | (NOW + 100)
    assert stage.ask("oracle", "pointer", ETH, 0) == stored[0] << 96 | stamp
    assert stage.ask("oracle", "pointer", ETH, EXPIRY) == stored[1] << 96 | stamp
    assert stage.ask("oracle", "pointer", BTC, 0) >> 64 & 0xFFFFFFFF == 1
    assert stage.ask("oracle", "scalars", ETH) == scalars
    assert stage.ask("oracle", "classes", 1) == offset
    log = [(event.name, dict(event.args)) for event in stage.pair.twin.oracle.log[seen:]]
    signed = digest(report, stage.pair.chain.chain_id, text(stage.pair.twin.at.oracle))
    told = {key: value for key, value in named.items() if key != "market_time"}
    assert log == [
        ("ReportPosted", {"sequence": 2, "market_time": NOW + 40, "urgent": False, "digest": signed} | told),
        ("SurfacePosted", {"sequence": 2, "underlying": ETH, "expiry": 0, "surface": stored[0]}),
        ("SurfacePosted", {"sequence": 2, "underlying": ETH, "expiry": EXPIRY, "surface": stored[1]}),
        ("ScalarsPosted", {"sequence": 2, "underlying": ETH, "word": scalars}),
        ("ClassPosted", {"sequence": 2, "klass": 1, "word": offset}),
    ]


def test_the_last_surface_may_come_with_the_report(stage):
    first, second = surfaces(stage)
    report, stored = stage.pair.report([first])
    code = encode(second)
    report = replace(report, surfaces=(*report.surfaces, keccak(code)))
    at = create_address(stage.pair.twin.at.oracle, stage.pair.twin.oracle.nonce)
    post(stage, report, stored, fresh=code)
    assert stage.ask("oracle", "pointer", ETH, EXPIRY) >> 96 == at
    assert stage.pair.chain.code(text(at)) == code


def test_a_report_of_nothing_moves_time_alone(stage):
    stage.later(10)
    report, _ = stage.pair.report()
    post(stage, report)
    assert stage.ask("oracle", "sequence") == 2
    assert stage.ask("oracle", "market_time") == NOW + 10


def test_the_digest_is_eip_712(stage):
    report, _ = stage.pair.report(surfaces(stage), [pack_scalars(make_scalars(ETH))], [1 << 248])
    expected = digest(report, stage.pair.chain.chain_id, text(stage.pair.twin.at.oracle))
    assert stage.ask("oracle", "digest", report) == expected
    assert stage.ask("oracle", "digest", replace(report, sequence=9)) != expected
    assert stage.ask("oracle", "digest", replace(report, surfaces=report.surfaces[::-1])) != expected


# --------------------------------------------------------------------------------------------- sequence and time


@pytest.mark.parametrize("sequence", [0, 1])
def test_an_old_or_equal_sequence(stage, sequence):
    report, _ = stage.pair.report(sequence=sequence)
    refuses(stage, "oracle: sequence not above the last", report)


def test_a_replayed_report(stage):
    report, stored = stage.pair.report(surfaces(stage))
    post(stage, report, stored)
    refuses(stage, "oracle: sequence not above the last", report, stored)
    # another report under the same sequence: the signatures are of the first
    signatures = stage.pair.signed(report)
    refuses(stage, NOT_A_SIGNER, replace(report, sequence=3), stored, signatures=signatures[:1] * 2)


def test_a_sequence_may_leap_but_never_return(stage):
    report, _ = stage.pair.report(sequence=2**64 - 1)
    post(stage, report)
    assert stage.ask("oracle", "sequence") == 2**64 - 1
    refuses(stage, "oracle: sequence not above the last", report)


def test_a_market_time_in_the_future(stage):
    refuses(stage, "oracle: market time in the future", stage.pair.report(market_time=NOW + 1)[0])
    post(stage, stage.pair.report(market_time=NOW)[0])
    assert stage.ask("oracle", "market_time") == NOW


def test_a_market_time_as_old_as_may_be_and_too_old(stage):
    stage.later(8_000)
    refuses(stage, "oracle: market time too old", stage.pair.report(market_time=NOW + 799)[0])
    post(stage, stage.pair.report(market_time=NOW + 800)[0])
    assert stage.ask("oracle", "market_time") == NOW + 800


def test_a_market_time_that_goes_back(stage):
    stage.later(100)
    post(stage, stage.pair.report(market_time=NOW + 50)[0])
    refuses(stage, "oracle: market time goes back", stage.pair.report(market_time=NOW + 49)[0])
    post(stage, stage.pair.report(market_time=NOW + 50)[0])
    assert stage.ask("oracle", "sequence") == 3


# -------------------------------------------------------------------------------------------------- signatures


def test_below_quorum(stage):
    report, _ = stage.pair.report()
    for names in ([], stage.pair.signers[:1]):
        refuses(stage, "oracle: below quorum", report, signatures=stage.pair.signed(report, names))
    post(stage, report, signatures=stage.pair.signed(report, stage.pair.signers))
    assert stage.ask("oracle", "sequence") == 2


@pytest.mark.parametrize("pick", [(0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_any_quorum_of_the_signers_in_order(stage, pick):
    report, _ = stage.pair.report()
    post(stage, report, signatures=stage.pair.signed(report, [stage.pair.signers[k] for k in pick]))
    assert stage.ask("oracle", "sequence") == 2


@pytest.mark.parametrize("pick", [(0, 0), (1, 0), (2, 1), (0, 2, 1), (0, 1, 1)])
def test_a_duplicate_or_descending_signer(stage, pick):
    report, _ = stage.pair.report()
    signatures = stage.pair.signed(report, [stage.pair.signers[k] for k in pick])
    refuses(stage, NOT_ASCENDING, report, signatures=signatures)


def test_a_wrong_signer(stage):
    report, _ = stage.pair.report()
    attacker, signer = (stage.pair.signed(report, [name])[0] for name in ("attacker", stage.pair.signers[2]))
    refuses(stage, NOT_A_SIGNER, report, signatures=[attacker, signer])
    one = stage.pair.signed(report, stage.pair.signers[:1])
    refuses(stage, NOT_A_SIGNER, report, signatures=[attacker, *one, signer])


def test_one_stolen_key_is_no_quorum_however_it_is_written(stage):
    report, _ = stage.pair.report()
    full = stage.pair.signed(report, stage.pair.signers[:1])[0]
    r, s, v = full[:32], int.from_bytes(full[32:64], "big"), full[64]
    compact = r + (s | (v - 27) << 255).to_bytes(32, "big")
    malleable = r + (SECPK1_N - s).to_bytes(32, "big") + bytes([55 - v])
    refuses(stage, NOT_ASCENDING, report, signatures=[full, compact])
    refuses(stage, NOT_ASCENDING, report, signatures=[compact, full])
    refuses(stage, "ecdsa: invalid signature `s` value", report, signatures=[full, malleable])
    second = stage.pair.signed(report, stage.pair.signers[1:2])[0]
    post(stage, report, signatures=[compact, second])
    assert stage.ask("oracle", "sequence") == 2


def test_a_malleable_signature_of_each(stage):
    report, _ = stage.pair.report()
    turned = [
        full[:32] + (SECPK1_N - int.from_bytes(full[32:64], "big")).to_bytes(32, "big") + bytes([55 - full[64]])
        for full in stage.pair.signed(report)
    ]
    refuses(stage, "ecdsa: invalid signature `s` value", report, signatures=turned)


def test_signatures_that_recover_to_nobody(stage):
    report, _ = stage.pair.report()
    good = stage.pair.signed(report)
    refuses(stage, "ecdsa: invalid signature", report, signatures=[bytes(65), good[1]])
    refuses(stage, "ecdsa: invalid signature", report, signatures=[good[0][:64] + b"\x1d", good[1]])
    for length in (0, 1, 63):
        refuses(stage, NOT_ASCENDING, report, signatures=[good[0][:length], good[1]])


def test_a_signature_for_another_chain(stage):
    report, _ = stage.pair.report()
    message = digest(report, stage.pair.chain.chain_id + 1, text(stage.pair.twin.at.oracle))
    refuses(stage, NOT_A_SIGNER, report, signatures=[sign(name, message) for name in stage.pair.signers[:2]])


def test_a_signature_for_another_contract(stage):
    report, _ = stage.pair.report()
    message = digest(report, stage.pair.chain.chain_id, text(stage.pair.twin.at.book))
    refuses(stage, NOT_A_SIGNER, report, signatures=[sign(name, message) for name in stage.pair.signers[:2]])


@pytest.mark.parametrize("field", ["model", "config", "snapshot", "market_time", "surfaces", "scalars", "classes"])
def test_every_field_is_signed(stage, field):
    stage.later(10)
    report, stored = stage.pair.report(surfaces(stage), [pack_scalars(make_scalars(ETH))], [1 << 248])
    changes = {"market_time": NOW + 9, "surfaces": (), "scalars": (), "classes": ()}
    changed = replace(report, **{field: changes.get(field, b"\7" * 32)})
    signatures = stage.pair.signed(report, stage.pair.signers[:1]) * 2
    refuses(stage, NOT_A_SIGNER, changed, stored, signatures=signatures)


# ---------------------------------------------------------------------------------------------------- surfaces


def test_another_number_of_surfaces(stage):
    report, stored = stage.pair.report(surfaces(stage))
    count = "oracle: surface count differs"
    refuses(stage, count, report, stored[:1])
    refuses(stage, count, report, [*stored, stored[0]])
    refuses(stage, count, report, stored, fresh=encode(surfaces(stage)[0]))
    refuses(stage, count, report, [])
    refuses(stage, count, report, stored[:1] * 64, fresh=encode(surfaces(stage)[0]))


def test_a_surface_that_is_not_the_signed_one(stage):
    differs = "oracle: surface is not the signed one"
    first, second = surfaces(stage)
    report, stored = stage.pair.report([first, second])
    other = stage.pair.must("oracle", "store", encode(replace(second, psr=1)))
    refuses(stage, differs, report, [stored[0], other])
    refuses(stage, differs, report, stored[::-1])
    refuses(stage, differs, report, stored[:1], fresh=encode(replace(second, psr=1)))


def test_a_missing_surface(stage):
    report, stored = stage.pair.report(surfaces(stage))
    refuses(stage, "oracle: surface is not the signed one", report, [stored[0], 0xDEAD])
    # signed as nothing, it is still no surface
    nothing = replace(report, surfaces=(report.surfaces[0], bytes(32)))
    refuses(stage, MALFORMED, nothing, [stored[0], 0xDEAD])


@pytest.mark.parametrize(
    "changes",
    [
        {"scale": 0},
        {"scale": 11},
        {"common": 0},
        {"common": 33},
        {"forward": 0},
        {"reference": 0},
        {"reference": MAX_PRICE + 1},
    ],
    ids=str,
)
def test_a_malformed_surface_even_if_signed(stage, changes):
    code = encode(replace(surfaces(stage)[0], **changes))
    report = replace(stage.pair.report()[0], surfaces=(keccak(code),))
    refuses(stage, MALFORMED, report, fresh=code)


def test_a_surface_of_another_length_version_or_start_even_if_signed(stage):
    good = encode(surfaces(stage)[0])
    for code in (good[:-1], good + b"\0", good[:97], good[:1] + b"\2" + good[2:], b"\1" + good[1:], b"\xef" + good[1:]):
        report = replace(stage.pair.report()[0], surfaces=(keccak(code),))
        refuses(stage, MALFORMED, report, fresh=code)


def written(stage):
    """Where another contract wrote a surface."""
    code = encode(surfaces(stage)[0])
    initcode = b"\x61" + len(code).to_bytes(2, "big") + bytes.fromhex("80600a3d393df3") + code
    receipt = stage.pair.chain.deploy(initcode, sender=text(OWNER))
    at = int(receipt.address, 16)
    stage.pair.twin.oracle.codes[at] = code
    stage.pair.twin.oracle._decoded[at] = surfaces(stage)[0]
    return at, replace(stage.pair.report()[0], surfaces=(keccak(code),))


def test_a_surface_that_another_contract_wrote_was_not_checked(stage):
    at, report = written(stage)
    refuses(stage, "oracle: surface not stored here", report, [at])


def test_of_what_was_checked_any_copy_is_as_good(stage):
    at, report = written(stage)
    stage.pair.must("oracle", "store", encode(surfaces(stage)[0]))
    post(stage, report, [at])
    assert stage.ask("oracle", "pointer", ETH, 0) >> 96 == at


def test_a_surface_of_another_time(stage):
    stage.later(10)
    made = surfaces(stage)
    for time in (NOW + 9, NOW + 11):
        report, stored = stage.pair.report([made[0], replace(made[1], time=time)])
        refuses(stage, "oracle: surface time is not the report's", report, stored)


@pytest.mark.parametrize("changes", [{"set_id": 2}, {"reference": 2_000 * 10**18 + 1}], ids=str)
def test_mixed_sets(stage, changes):
    first, second = surfaces(stage)
    report, stored = stage.pair.report([first, replace(second, **changes)])
    refuses(stage, "oracle: mixed sets", report, stored)


def test_sets_of_different_underlyings_differ(stage):
    btc = make_surface(BTC, 0, [make_row(PERP)], NOW, set_id=5)
    report, stored = stage.pair.report([btc, *surfaces(stage)])
    post(stage, report, stored)
    assert stage.ask("oracle", "pointer", BTC, 0) >> 96 == stored[0]


def test_surfaces_that_do_not_ascend(stage):
    first, second = surfaces(stage)
    btc = make_surface(BTC, EXPIRY + 1, [make_row(FUTURE)], NOW)
    for made in ([second, first], [first, first], [first, second, btc], [first, btc]):
        report, stored = stage.pair.report(made)
        refuses(stage, "oracle: surfaces not ascending", report, stored)
    report, stored = stage.pair.report([btc, first, second])
    post(stage, report, stored)
    assert stage.ask("oracle", "sequence") == 2


# -------------------------------------------------------------------------------------------- scalars and classes


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("depth", 10**15, 10**15 - 1),
        ("depth", 2**96 - 1, 0),
        ("kappa", 10**7, 10**7 + 1),
        ("som", PPM, PPM + 1),
        ("im_factor", 1_100_001, 1_100_000),
        ("im_factor", 2**24 - 1, 0),
        ("market", PPM, PPM + 1),
    ],
)
def test_scalars_out_of_range(stage, field, good, bad):
    words = [pack_scalars(make_scalars(ETH, **{field: value})) for value in (good, bad)]
    fine = pack_scalars(make_scalars(BTC))
    refuses(stage, "oracle: scalars out of range", stage.pair.report(scalars=[fine, words[1]])[0])
    post(stage, stage.pair.report(scalars=[fine, words[0]])[0])
    assert stage.ask("oracle", "scalars", ETH) == words[0]


def test_the_least_im_factor_goes_with_the_call_buffer(stage):
    params = replace(stage.pair.twin.oracle._params, call_buffer=250_000)
    floors = stage.pair.twin.oracle.floors
    stage.pair.must("oracle", "set_params", pack_rates(params), floors, sender=OWNER)
    bad, good = (pack_scalars(make_scalars(ETH, im_factor=factor)) for factor in (1_250_000, 1_250_001))
    refuses(stage, "oracle: scalars out of range", stage.pair.report(scalars=[bad])[0])
    post(stage, stage.pair.report(scalars=[good])[0])
    assert stage.ask("oracle", "scalars", ETH) == good


def test_volatility_is_for_reading_and_any(stage):
    made = pack_scalars(make_scalars(ETH, volatility=2**32 - 1))
    post(stage, stage.pair.report(scalars=[made])[0])
    assert stage.ask("oracle", "scalars", ETH) == made


@pytest.mark.parametrize("field", ["offset", "cross_haircut"])
def test_a_class_out_of_range(stage, field):
    fine = pack_class(ClassOffset(2, 1, 1))
    good, bad = (pack_class(ClassOffset(1, **({"offset": 0, "cross_haircut": 0} | {field: v}))) for v in (PPM, PPM + 1))
    refuses(stage, "oracle: class out of range", stage.pair.report(classes=[fine, bad])[0])
    post(stage, stage.pair.report(classes=[fine, good])[0])
    assert stage.ask("oracle", "classes", 1) == good


def test_the_last_fault_undoes_all(stage):
    made = surfaces(stage)
    scalars = [pack_scalars(make_scalars(ETH, som=9))]
    report, stored = stage.pair.report(made, scalars, [pack_class(ClassOffset(1, PPM + 1, 0))])
    refuses(stage, "oracle: class out of range", report, stored)
    assert stage.ask("oracle", "sequence") == 1
