"""A deployment by the scripts, on the chain that ape runs inside this process."""

import functools
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # ape imports its scripts from there, too

with warnings.catch_warnings():  # web3 imports what its own dependency calls outdated
    warnings.simplefilter("ignore", DeprecationWarning)
    import web3  # noqa: F401

from ape.api.transactions import ReceiptAPI  # noqa: E402
from eth.vm.forks.prague.state import PragueState  # noqa: E402

from plimsoll.chain import artifacts  # noqa: E402
from scripts import _chain, _checks, _config, _deployment, first_trade  # noqa: E402
from scripts._deployment import AddressBook, Deployment, verify  # noqa: E402


class Site:
    """What a test deploys with: a configuration, an address book of its own, the embedded chain."""

    def __init__(self, folder: Path, networks, accounts) -> None:
        self.path = folder / "book.json"
        self.provider = networks.provider
        self.accounts = accounts
        self.config = _config.load("local")

    def book(self) -> AddressBook:
        return AddressBook(self.path, "ethereum:local", self.provider.chain_id)

    def run(self, **options) -> tuple[Deployment, list[str]]:
        """One run; the run and the lines it wrote."""
        lines: list[str] = []
        account = options.pop("account", self.accounts[0])
        config = options.pop("config", self.config)
        run = Deployment(config, account, self.provider, self.book(), echo=lines.append, **options)
        run.run()
        return run, lines

    def verify(self, run: Deployment, **changes) -> list[str]:
        """What differs from the configuration, in sentences."""
        found = verify(replace(self.config, **changes), run.people, self.provider, self.book())
        return [str(check) for check in found if not check.is_good]

    @property
    def proposer(self):
        return self.accounts[7]

    @property
    def guardian(self):
        return self.accounts[8]

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.provider.chain_manager.mine(timestamp=self.provider.get_block("latest").timestamp + seconds)

    def govern(self, target, function: str, *args) -> None:
        """A call of the timelock's: proposed, waited for, executed by whoever."""
        timelock = self.deployed.contracts["Timelock"]
        data = bytes(getattr(target, function).encode_input(*args))
        delay = timelock.delay_of(target, data[:4])
        call = (target, 0, data, bytes(32), self.provider.get_block("latest").number.to_bytes(32, "big"))
        timelock.schedule(*call, delay, sender=self.proposer)
        self.wait(delay)
        timelock.execute(*call, sender=self.accounts[15])


@pytest.fixture(scope="session", autouse=True)
def _quick() -> Iterator[None]:
    """A third of what a deployment takes here is spent on nothing that is looked at, so it is left out."""
    known = functools.cache(artifacts.load)
    with pytest.MonkeyPatch.context() as patch:
        # sources that stay as they are for the session need not be hashed at each look
        for module in (_chain, _checks, _deployment, first_trade):
            patch.setattr(module, "artifact", known)
        # ape traces every transaction for lines that contracts print: ours print none
        patch.setattr(ReceiptAPI, "show_debug_logs", lambda _: None)
        # the chain writes code of its own anew at each look, and only where it stands already
        patch.setattr(PragueState, "set_system_contracts", lambda _: None)
        yield


@pytest.fixture
def bare(tmp_path, networks, accounts):
    """A chain on which nothing stands; perpetuals alone are to be listed, which is quicker."""
    made = Site(tmp_path, networks, accounts)
    perpetuals = tuple(replace(item, expiries=()) for item in made.config.underlyings)
    made.config = replace(made.config, underlyings=perpetuals)
    return made


@pytest.fixture(scope="session")
def site(tmp_path_factory, networks, accounts):
    """A chain on which all stands; what a test does to the chain is undone."""
    made = Site(tmp_path_factory.mktemp("site"), networks, accounts)
    made.deployed, made.lines = made.run()
    return made
