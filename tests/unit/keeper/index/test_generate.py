"""Generated logs, what is merged into a chain's, and the measurement over them."""

import json
from itertools import pairwise

import pytest

from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.index import bench
from plimsoll.keeper.index.bench import made_up
from plimsoll.keeper.index.blocks import ChainBlocks, MergedBlocks
from plimsoll.keeper.index.decode import Deployed
from plimsoll.keeper.index.follow import AccountIndex
from plimsoll.keeper.index.generate import Listing, generated_log
from plimsoll.spec.instruments import PERP, Instrument, quantity_of
from tests.unit.keeper.index.scene import Scene

PERPS = [Listing(Instrument(u, 0, PERP, 0, 0).pack(), 100.0, 100.0) for u in (257, 258, 259)]


def test_a_log_is_that_of_its_seed_and_of_the_blocks_asked_for():
    deployed = made_up()
    one, other = (generated_log(30, 4, deployed, PERPS, per_block=10) for _ in range(2))
    for log in (one, other):
        log.grow(7)
    everything = one.logs(deployed.addresses, 0, one.head())
    assert everything == other.logs(deployed.addresses, 0, one.head())
    assert [log for n in range(one.head() + 1) for log in other.logs(deployed.addresses, n, n)] == everything
    assert everything != generated_log(30, 5, deployed, PERPS, per_block=10).logs(deployed.addresses, 0, one.head())
    headers = one.headers(range(one.head() + 2))
    assert headers[-1] is None
    assert all(after.parent == before.hash for before, after in pairwise(headers[:-1]))


def test_its_accounts_hold_what_was_asked_for(tmp_path):
    deployed = made_up()
    listings = [Listing(Instrument(257, 2_000_000_000, 2, k, k).pack(), 3.0, 50.0) for k in range(100)]
    log = generated_log(500, 4, deployed, listings, positions=6.0)
    index = AccountIndex(tmp_path / "index.db", deployed, log)
    index.update()
    books = [index.state.books.get(account, ()) for account in index.accounts()]
    assert set(index.accounts()) == set(log.accounts)
    assert 5.5 < sum(map(len, books)) / 500 <= 6.0  # now and then a trade is in what is there already
    held = [sum(quantity_of(w) for w in words if w % 2**128 == listings[7].instrument) for words in books]
    assert any(held)
    assert sum(held) == 0
    assert sum(cash + linear for cash, linear in index.state.ledgers.values()) == sum(
        index.state.brought_in(account) for account in index.accounts()
    )


@pytest.mark.parametrize("options", [{"positions": 0}, {"cover": 0}, {"per_block": 0}])
def test_what_makes_no_log_is_refused(options):
    with pytest.raises(SettingsError, match="are right"):
        generated_log(10, 1, made_up(), PERPS, **options)
    with pytest.raises(SettingsError):
        generated_log(1, 1, made_up(), PERPS)
    log = generated_log(10, 1, made_up(), PERPS)
    for number in (0, 1, log.head() + 1):
        with pytest.raises(SettingsError):
            log.fork(number)


def test_a_merged_log_has_both_and_the_chains_own_accounts_stay_what_they_are(tmp_path):
    scene = Scene(0)
    deployed = Deployed.of(scene.system)
    plain = scene.index(tmp_path / "plain.db")
    plain.update()
    first = scene.pair.chain.block + 1
    listings = [Listing(key, 100.0, 100.0) for key in plain.state.listed]
    generated = generated_log(40, 2, deployed, listings, cover=5.0, per_block=50, preamble=False)
    merged = AccountIndex(
        tmp_path / "merged.db", deployed, MergedBlocks(ChainBlocks(scene.pair.chain), generated, first)
    )
    for seed in range(6):
        scene.pair.advance(36)
        scene.play(seed, 2)
        plain.update()
        merged.update()
    assert set(merged.accounts()) == set(plain.accounts()) | set(generated.accounts)
    for account in plain.accounts():
        assert merged.state.books.get(account) == plain.state.books.get(account)
    own = [a for a in plain.accounts() if not plain.state.sums.debt]
    assert all(merged.state.ledgers[a] == plain.state.ledgers[a] for a in own if a in plain.state.ledgers)
    assert all(merged.state.books.get(account, ()) for account in generated.accounts[:5])


def test_the_measurement_says_what_it_measured(capsys):
    assert bench.main(["--accounts", "60", "--blocks", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["accounts"] == 60
    assert 0 < found["mean_seconds"] <= found["seconds_per_block"] <= found["update_seconds"] + found["screen_seconds"]
    assert found["gib"] > 0
    assert found["events"] == 60 + 240 + found["rows"] + 4 + 2
