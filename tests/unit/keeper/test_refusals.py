"""Refusals by themselves: whatever is wrong with some underlyings, the others are believed, and those once well."""

from hypothesis import given
from hypothesis import strategies as st

from plimsoll.keeper.batches import split
from plimsoll.keeper.refusals import Refusals
from plimsoll.keeper.triggers import Reason, Standing


def tried(refusals, waiting, bad, room, rounds):
    """Whom reports reach, where those with a bad one among them are refused."""
    believed = set()
    for _ in range(rounds):
        going = [Standing(u, (Reason("heartbeat", ""),), 1.0, False, 0) for u in waiting if u not in believed]
        if not going:
            break
        made = split(going, len, room, refusals)
        assert sorted(u for batch in made for u in batch.underlyings) == [one.underlying for one in going]
        first = min(made, key=lambda batch: refusals.turn(batch.underlyings[0])).underlyings
        if bad & set(first):
            refusals.refused(first)
        else:
            refusals.believed(first)
            believed |= set(first)
    return believed


@given(st.integers(1, 12), st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)), st.integers(1, 12))
def test_the_sound_are_believed_and_the_mended_too(count, bad, mended, room):
    refusals, waiting = Refusals(), range(count)
    sound = set(waiting) - bad
    # a report is halved four times at most, and each that is believed lets those that are alone try again
    rounds = 5 * count + (len(sound) + 1) * (len(bad) + 1)
    assert tried(refusals, waiting, bad, room, rounds) == sound
    still = bad - mended
    left = [u for u in waiting if u in bad]
    assert tried(refusals, left, still, room, 5 * count + (count + 1) * (len(bad) + 1)) == set(left) - still


def test_halves_and_turns():
    refusals = Refusals()
    assert refusals.together(range(5))
    refusals.refused(range(5))
    assert [refusals.turn(u) for u in (0, 4, 5)] == [1, 1, 0]
    assert refusals.together((0, 1))
    assert not refusals.together((0, 1, 2))  # more than half of five
    assert not refusals.together((0, 5))  # of whom one was refused and the other was not
    refusals.refused((0, 1))
    assert not refusals.together((0, 1))
    assert not refusals.together((1, 2))  # refused at different times
    refusals.believed((2, 3))
    assert [refusals.turn(u) for u in range(6)] == [0] * 6
    assert refusals.together((2, 3, 5))
    assert not refusals.together((0, 5))  # not before it was believed alone
