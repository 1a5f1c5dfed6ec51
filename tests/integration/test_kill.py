"""Kill -9 at every step of a transaction: the next start takes up from the journal, and it is mined once, or never was.

The process that dies is a real one, the node is anvil, the journal a file that the next process opens.
"""

import json
import signal
import subprocess
import sys

import pytest
from eth_account import Account

from plimsoll.chain.node import NodeChain
from plimsoll.keeper.journal import Journal
from tests.anvil import anvil

KEY = "0x" + "66" * 32
SENDER = Account.from_key(KEY).address
TARGET = "0x" + "00" * 18 + "beef"

RUN = """
import json, os, signal, sys, time
from pathlib import Path
from plimsoll.chain.head import head_of
from plimsoll.chain.node import NodeChain
from plimsoll.keeper.journal import Journal
from plimsoll.keeper.keys import account_of
from plimsoll.keeper.sender import Sender, SendingConfig

url, path, key, dies_at = sys.argv[1:]
chain = NodeChain(url)

def probe(step):
    if step == dies_at:
        os.kill(os.getpid(), signal.SIGKILL)

sender = Sender(chain, account_of(key), Journal(Path(path)), SendingConfig(finality=2, patience=3), probe=probe)
sender.reconcile(head_of(chain.rpc))
if not sender.journal.transactions(("signed", "sent", "mined", "final")):
    sender.submit("0x" + "00" * 18 + "beef", b"", "post", "1", value=1)
for _ in range(40):
    chain.rpc.ask("evm_mine")
    sender.tick(head_of(chain.rpc))
    if sender.journal.transactions(("final",)):
        break
print(json.dumps([entry.state for entry in sender.journal.transactions()]))
"""


@pytest.fixture(scope="module")
def url():
    with anvil("--no-mining") as found:
        yield found


def run(url, path, dies_at):
    command = [sys.executable, "-W", "ignore", "-c", RUN, url, str(path), KEY, dies_at]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.node
@pytest.mark.parametrize("step", ["intent", "signed", "sent", "mined"])
def test_what_was_decided_is_mined_once(url, tmp_path, step):
    chain = NodeChain(url)
    chain.set_balance(SENDER, 10**18)
    chain.set_balance(TARGET, 0)
    before = int(chain.rpc.ask("eth_getTransactionCount", SENDER, "latest"), 16)
    path = tmp_path / "keeper.db"
    died = run(url, path, step)
    assert died.returncode == -signal.SIGKILL, died.stderr
    (entry,) = Journal(path).transactions()
    assert entry.state == step
    done = run(url, path, "never")
    assert done.returncode == 0, done.stderr
    states = json.loads(done.stdout)
    assert states == (["void", "final"] if step == "intent" else ["final"])
    assert int(chain.rpc.ask("eth_getTransactionCount", SENDER, "latest"), 16) == before + 1
    assert chain.balance(TARGET) == 1
