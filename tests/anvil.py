"""Anvil for tests that need a node: a process that ends with whoever started it."""

import contextlib
import subprocess
import time

from plimsoll.chain.anvil import free_port, listens


@contextlib.contextmanager
def anvil(*arguments: str):
    """An anvil on a free port; its URL."""
    port = free_port()
    node = subprocess.Popen(
        ["anvil", "--silent", "--port", str(port), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(400):
            if listens(port):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        node.terminate()
        node.wait(10)
