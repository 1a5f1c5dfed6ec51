"""Who sets what of the guardrails: limits, scopes, the band, halts, the oracle; bounds, and what both are told."""

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from plimsoll.spec.guardrails import DEFAULTS, NAMES, OFFSET, PSR, UNLIMITED, pack_limit, unpack_limit
from tests.pairs import Pair, address_of, compiled, text
from tests.unit.guardrails.yard import ATTACKER, BTC, DAY, ETH, GUARDIANS, NOW, OWNER

STRANGER = "ownable: caller is not the owner"
RANGE = "guard: limit out of range"
LOW, HIGH, RISE, FALL = 10_000, 900_000, 50_000, 50_000  # the scan range's
GUARDIAN = address_of(GUARDIANS[0])


@pytest.fixture
def trusted(yard):
    """The guardrails of an owner that names guardians."""
    yard.entrust("guard")
    return yard


def test_what_they_start_with(yard):
    for place, limit in DEFAULTS.items():
        assert yard.ask("guard", "limit", 0, place) == pack_limit(limit)
        assert unpack_limit(yard.ask("guard", "limit", 7, place)) == limit  # a scope that says nothing
    assert (yard.ask("guard", "index_band"), yard.ask("guard", "boost")) == (50_000, 10)
    assert int(yard.ask("guard", "feed"), 16) == yard.pair.twin.at.feed
    assert int(yard.ask("guard", "oracle"), 16) == yard.pair.twin.at.oracle
    assert len(NAMES) == len(DEFAULTS) == 18


def test_no_guardrails_without_a_feed(yard):
    with pytest.raises(Refused, match=r"^guard: zero address$"):
        deploy(yard.pair.chain, compiled("Guardrails"), text(0), sender=text(OWNER))


# ---------------------------------------------------------------------------------------------------------- set_limit


@pytest.mark.parametrize(
    ("low", "high", "rise", "fall"),
    [(0, 1, 10_000, UNLIMITED), (5, 5, UNLIMITED, 10_000), (2**96 - 1, 2**96 - 1, 10_000, 10_000)],
)
def test_a_limit_is_set(yard, low, high, rise, fall):
    old = yard.ask("guard", "limit", 0, PSR)
    yard.pair.must("guard", "set_limit", 0, PSR, low, high, rise, fall, sender=OWNER)
    word = low << 160 | high << 64 | rise << 32 | fall
    assert yard.ask("guard", "limit", 0, PSR) == yard.ask("guard", "limit", 3, PSR) == word
    assert yard.last() == ("LimitSet", {"scope": 0, "place": PSR, "old": old, "limit": word})
    yard.pair.must("guard", "set_limit", 255, PSR, 1, 2, rise, fall, sender=OWNER)
    assert yard.ask("guard", "limit", 0, PSR) == word
    assert yard.ask("guard", "limit", 255, PSR) == 1 << 160 | 2 << 64 | rise << 32 | fall
    assert yard.last()[1]["old"] == 0  # of the scope itself


@pytest.mark.parametrize(
    ("place", "low", "high", "rise", "fall"),
    [
        (18, LOW, HIGH, RISE, FALL),
        (255, LOW, HIGH, RISE, FALL),
        (PSR, HIGH + 1, HIGH, RISE, FALL),
        (PSR, 0, 0, RISE, FALL),
        (PSR, 0, 2**96, RISE, FALL),
        (PSR, LOW, HIGH, 9_999, FALL),
        (PSR, LOW, HIGH, UNLIMITED + 1, FALL),
        (PSR, LOW, HIGH, RISE, 9_999),
        (PSR, LOW, HIGH, RISE, UNLIMITED + 1),
        (PSR, LOW, HIGH, 0, 0),
        (PSR, 2**255, 2**255, RISE, FALL),
    ],
)
def test_a_limit_out_of_range(yard, place, low, high, rise, fall):
    yard.refused(RANGE, "guard", "set_limit", 0, place, low, high, rise, fall, sender=OWNER)


@pytest.mark.parametrize(
    "args",
    [
        (LOW, HIGH, RISE, FALL),
        (LOW + 1, HIGH - 1, RISE - 1, FALL - 1),
        (HIGH, HIGH, RISE, FALL),
        (LOW, HIGH, 10_000, 10_000),
    ],
)
@pytest.mark.parametrize("scope", [0, 4])
def test_a_guardian_narrows_at_once(trusted, scope, args):
    trusted.pair.must("guard", "set_limit", scope, PSR, *args, sender=GUARDIAN)
    assert trusted.ask("guard", "limit", scope, PSR) == pack_limit(type(DEFAULTS[PSR])(*args))


@pytest.mark.parametrize(
    "args",
    [
        (LOW - 1, HIGH, RISE, FALL),
        (LOW, HIGH + 1, RISE, FALL),
        (LOW, HIGH, RISE + 1, FALL),
        (LOW, HIGH, RISE, FALL + 1),
        (LOW + 1, HIGH - 1, RISE - 1, UNLIMITED),
    ],
)
@pytest.mark.parametrize("scope", [0, 4])
def test_a_guardian_widens_nothing(trusted, scope, args):
    trusted.refused(STRANGER, "guard", "set_limit", scope, PSR, *args, sender=GUARDIAN)


def test_what_a_guardian_narrowed_another_does_not_widen(trusted):
    trusted.pair.must("guard", "set_limit", 0, OFFSET, 0, 400_000, 100_000, 100_000, sender=GUARDIAN)
    other = address_of(GUARDIANS[1])
    trusted.refused(STRANGER, "guard", "set_limit", 0, OFFSET, 0, 400_001, 100_000, 100_000, sender=other)


@pytest.mark.parametrize("sender", [ATTACKER, GUARDIAN])
def test_where_the_owner_names_no_guardians_only_the_owner_sets_limits(yard, sender):
    yard.refused(STRANGER, "guard", "set_limit", 0, PSR, LOW, HIGH, RISE, FALL, sender=sender)
    # named before the range
    yard.refused(STRANGER, "guard", "set_limit", 0, 99, 0, 0, 0, 0, sender=sender)


def test_a_stranger_narrows_nothing(trusted):
    trusted.refused(STRANGER, "guard", "set_limit", 0, PSR, HIGH, HIGH, 10_000, 10_000, sender=ATTACKER)


# ---------------------------------------------------------------------------------------------------------- set_scope


def test_a_scope_is_set(yard):
    yard.pair.must("guard", "set_scope", ETH, 3, sender=OWNER)
    assert yard.last() == ("ScopeSet", {"underlying": ETH, "old": 0, "scope": 3})
    yard.pair.must("guard", "set_scope", ETH, 255, sender=OWNER)
    assert yard.last() == ("ScopeSet", {"underlying": ETH, "old": 3, "scope": 255})
    assert [yard.ask("guard", "scopes", u) for u in (ETH, BTC)] == [255, 0]


@pytest.mark.parametrize("sender", [ATTACKER, GUARDIAN])
def test_only_the_owner_sets_scopes(trusted, sender):
    trusted.refused(STRANGER, "guard", "set_scope", ETH, 3, sender=sender)


# ----------------------------------------------------------------------------------------------------------- set_band


@pytest.mark.parametrize(("band", "boost"), [(1_000, 1), (200_000, 20), (50_000, 10)])
def test_a_band_is_set(yard, band, boost):
    yard.pair.must("guard", "set_band", band, boost, sender=OWNER)
    assert (yard.ask("guard", "index_band"), yard.ask("guard", "boost")) == (band, boost)
    told = {"old_index_band": 50_000, "old_boost": 10, "index_band": band, "boost": boost}
    assert yard.last() == ("BandSet", told)


@pytest.mark.parametrize(
    ("band", "boost"), [(999, 10), (0, 10), (200_001, 10), (2**256 - 1, 10), (50_000, 0), (50_000, 21)]
)
def test_a_band_out_of_range(yard, band, boost):
    yard.refused("guard: band out of range", "guard", "set_band", band, boost, sender=OWNER)


def test_a_guardian_narrows_the_band(trusted):
    for band, boost in ((50_001, 10), (50_000, 11), (49_999, 11), (50_001, 9)):
        trusted.refused(STRANGER, "guard", "set_band", band, boost, sender=GUARDIAN)
    trusted.refused("guard: band out of range", "guard", "set_band", 999, 10, sender=GUARDIAN)
    trusted.refused(STRANGER, "guard", "set_band", 50_000, 10, sender=ATTACKER)
    trusted.pair.must("guard", "set_band", 49_999, 10, sender=GUARDIAN)
    trusted.pair.must("guard", "set_band", 49_999, 1, sender=GUARDIAN)
    assert (trusted.ask("guard", "index_band"), trusted.ask("guard", "boost")) == (49_999, 1)


# ------------------------------------------------------------------------------------------------------ halt, resume


@pytest.mark.parametrize("until", [NOW + 1, NOW + 7 * DAY])
def test_posting_is_halted(trusted, until):
    trusted.pair.must("guard", "halt", until, sender=GUARDIAN)
    assert trusted.ask("guard", "halted_until") == until
    assert trusted.last() == ("Halted", {"old": 0, "until": until})


@pytest.mark.parametrize("until", [0, NOW - 1, NOW, NOW + 7 * DAY + 1, 2**256 - 1])
def test_a_halt_out_of_range(yard, until):
    yard.refused("guard: halt out of range", "guard", "halt", until, sender=OWNER)


def test_a_halt_only_grows(trusted):
    trusted.pair.must("guard", "halt", NOW + 100, sender=GUARDIAN)
    for until in (NOW + 99, NOW + 100):
        trusted.refused("guard: halt out of range", "guard", "halt", until, sender=GUARDIAN)
    trusted.later(10)
    trusted.pair.must("guard", "halt", NOW + 101, sender=GUARDIAN)
    assert trusted.last() == ("Halted", {"old": NOW + 100, "until": NOW + 101})


def test_a_stranger_halts_nothing(trusted):
    trusted.refused(STRANGER, "guard", "halt", NOW + 100, sender=ATTACKER)


def test_the_owner_resumes(yard):
    yard.refused("guard: posting is not halted", "guard", "resume", sender=OWNER)
    yard.pair.must("guard", "halt", NOW + 100, sender=OWNER)
    yard.later(10)
    yard.pair.must("guard", "resume", sender=OWNER)
    assert yard.last() == ("Halted", {"old": NOW + 100, "until": NOW + 10})
    yard.must()
    yard.refused("guard: posting is not halted", "guard", "resume", sender=OWNER)


def test_after_the_last_second_there_is_nothing_to_resume(yard):
    yard.pair.must("guard", "halt", NOW + 100, sender=OWNER)
    yard.later(100)
    yard.refused("guard: posting is not halted", "guard", "resume", sender=OWNER)


@pytest.mark.parametrize("sender", [ATTACKER, GUARDIAN])
def test_only_the_owner_resumes(trusted, sender):
    trusted.pair.must("guard", "halt", NOW + 100, sender=GUARDIAN)
    trusted.refused(STRANGER, "guard", "resume", sender=sender)


# --------------------------------------------------------------------------------------------------------- set_oracle


@pytest.fixture(scope="module")
def bare():
    """A deployment whose guardrails know of no oracle."""
    return Unnamed(guarded=True)


class Unnamed(Pair):
    """A deployment that is not told which oracle."""

    def must(self, part, name, *args, sender=1):
        return None if name == "set_oracle" else super().must(part, name, *args, sender=sender)


def test_the_oracle_is_named_once(bare):
    with bare.isolated():
        report, _ = bare.report()
        bare.refused("guard: not the oracle", "oracle", "post", report, bare.signed(report), [], b"")
        bare.refused("guard: zero address", "guard", "set_oracle", 0, sender=OWNER)
        bare.refused(STRANGER, "guard", "set_oracle", ATTACKER, sender=ATTACKER)
        assert int(bare.contracts["guard"].call("oracle"), 16) == 0
        assert bare.step("guard", "set_oracle", bare.twin.at.oracle, sender=OWNER) is None
        event = bare.twin.guard.log[-1]
        assert (event.name, dict(event.args)) == ("OracleSet", {"oracle": bare.twin.at.oracle})
        for again in (bare.twin.at.oracle, ATTACKER, 0):
            bare.refused("guard: oracle is set", "guard", "set_oracle", again, sender=OWNER)
        bare.post()
        bare.compare([])


def test_governance_numbers_too_are_for_the_oracle_alone(bare):
    rates, floors = bare.twin.oracle.rates, bare.twin.oracle.floors
    with bare.isolated():
        bare.refused("guard: not the oracle", "oracle", "set_params", rates, floors, sender=OWNER)
        with pytest.raises(Refused, match=r"^guard: not the oracle$"):
            bare.contracts["guard"].transact("admit_params", rates, floors, rates, floors, sender=text(OWNER))
