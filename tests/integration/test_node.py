"""The commands themselves, against anvil: its own network, and a rehearsal of Sepolia."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account

from plimsoll.chain.deployment import load_book
from plimsoll.chain.node import NodeChain
from plimsoll.spec.errors import Refused
from tests.anvil import anvil

ROOT = Path(__file__).resolve().parents[2]
PLIMSOLL = str(Path(sys.executable).with_name("plimsoll"))
APE = str(Path(sys.executable).with_name("ape"))
SEPOLIA = 11155111
GUARDIAN = "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"  # test account 8, which anvil has unlocked
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # anvil's first, known to everybody

pytestmark = [pytest.mark.node, pytest.mark.slow]


def ape(*arguments: str, code: int = 0, **environment: str) -> str:
    """One command of ape; what it wrote."""
    done = subprocess.run(
        [APE, "run", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,  # on a machine that has other work too
    )
    written = done.stdout + done.stderr
    assert done.returncode == code, written
    assert "Traceback" not in written
    return written


@pytest.fixture(scope="module")
def sepolia():
    """An anvil that says it is Sepolia, ten blocks a second."""
    with anvil("--chain-id", str(SEPOLIA), "--block-time", "0.1") as url:
        yield url


@pytest.fixture
def keystore(tmp_path):
    """A home with one keystore account of ape's, `deployer`, funded on anvil; what opens it, for the environment."""
    folder = tmp_path / "home" / ".ape" / "accounts"
    folder.mkdir(parents=True)
    sealed = Account.encrypt(KEY, "open sesame", kdf="pbkdf2", iterations=1)
    (folder / "deployer.json").write_text(json.dumps(sealed))
    return {"HOME": str(tmp_path / "home"), "PLIMSOLL_PASSPHRASE": "open sesame"}


@pytest.mark.long  # two minutes of ape's commands; the same deployment, on a development chain, is in test_deploy
def test_rehearsal_of_sepolia(sepolia, keystore, tmp_path):
    """As on the live network: a keystore account, signers by address. Then a dry run that finds nothing to do, the
    keeper's own view of the address book, what verification sees once something was changed, and solvency."""
    chain = NodeChain(sepolia)
    book = tmp_path / "sepolia.json"
    network = ("--network", f"ethereum:sepolia:{sepolia}", "--book", str(book))
    nodes = ",".join(Account.from_key(bytes([k]) * 32).address for k in (7, 8, 9))
    signers = {**keystore, "PLIMSOLL_SIGNERS": nodes}

    first = ape("deploy", *network, "--account", "deployer", **signers)
    assert "verified 16 contracts, " in first
    assert "done: 79 transactions" in first
    assert "dry run: at most 0 transactions" in ape("deploy", *network, "--account", "deployer", "--dry-run", **signers)

    data = json.loads(book.read_text())
    assert (data["chain_id"], data["network"]) == (SEPOLIA, "ethereum:sepolia")
    assert str(ROOT) not in book.read_text()
    system = load_book(book, chain)
    assert system.feed.call("price", 0x0102)[0] == 3_000 * 10**18
    assert len(system.registry.call("listing", 0x0102, 0)) == 2

    with pytest.raises(Refused, match=r"^ownable: caller is not the owner$"):
        system.registry.transact("set_bands", 20_000, 10_000, sender=data["deployer"])
    system.registry.transact("set_bands", 20_000, 10_000, sender=GUARDIAN)
    found = ape("verify", *network, code=4, **signers)
    assert "Registry: price band is 20000, not 100000" in found
    assert "Error: verify: 1 differences" in found

    shown = subprocess.run(
        [PLIMSOLL, "solvency", "--node", sepolia, "--book", str(book)],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,  # on a machine that has other work too
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "solvent, now and in every lane" in shown.stdout


@pytest.mark.long
def test_anvil_of_apes_own(tmp_path):
    done = ape("deploy", "--network", "ethereum:local:foundry", "--book", str(tmp_path / "book.json"))
    assert "done: 79 transactions" in done


def test_wrong_input_has_a_name_and_a_code(sepolia):
    written = ape("deploy", "--network", f"ethereum:sepolia:{sepolia}", code=2, PLIMSOLL_SIGNERS="")
    assert "Error: config: no signers; name them in PLIMSOLL_SIGNERS" in written
