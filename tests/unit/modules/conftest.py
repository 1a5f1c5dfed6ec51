"""The modules' internal functions, made external by a contract written here."""

import re
import shutil

import pytest

from plimsoll.chain.artifacts import ROOT, compile_one
from plimsoll.chain.contract import deploy
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.spec.errors import Refused

OPENERS = {
    "fixed": {
        "mul_div_down": ("a: uint256, b: uint256, c: uint256", "uint256"),
        "mul_div_up": ("a: uint256, b: uint256, c: uint256", "uint256"),
        "div_up": ("a: uint256, b: uint256", "uint256"),
        "div_floor": ("a: int256, b: int256", "int256"),
        "div_ceil": ("a: int256, b: int256", "int256"),
        "div_truncate": ("a: int256, b: int256", "int256"),
    },
    "instruments": {
        "quantity": ("a: uint256", "int256"),
        "word": ("a: uint256, b: int256", "uint256"),
        "position": ("a: DynArray[uint256, 127], b: uint256", "uint256"),
        "held": ("a: DynArray[uint256, 127], b: uint256", "int256"),
        "changed": ("a: DynArray[uint256, 127], b: uint256, c: int256", "DynArray[uint256, 127]"),
        "surface_key": ("a: uint256", "uint256"),
        "underlying": ("a: uint256", "uint256"),
        "is_risky": ("a: DynArray[uint256, 127], b: int256", "bool"),
    },
    "dutch_auction": {
        "share": ("a: uint256, b: uint256, c: uint256", "uint256"),
        "discount": ("a: int256, b: int256, c: uint256, d: uint256", "uint256"),
        "fraction": ("a: int256, b: uint256, c: uint256", "uint256"),
    },
    "interest": {
        "utilisation": ("a: uint256, b: uint256", "uint256"),
        "rate": ("a: uint256, b: uint256", "uint256"),
        "accrued": ("a: interest.Pool, b: uint256, c: uint256", "(interest.Pool, uint256)"),
        "grown": ("a: int256, b: uint256, c: uint256, d: uint256", "int256"),
        "cut": ("a: uint256, b: uint256, c: uint256", "uint256"),
    },
    "fees": {
        "raise": ("a: uint256, b: uint256, c: uint256", "uint256"),
        "rate": ("a: uint256, b: uint256, c: uint256", "uint256"),
    },
    "surface": {
        "delta": ("a: uint256", "int256"),
        "mark": ("a: uint256, b: uint256, c: uint256, d: uint256, e: uint256, f: uint256", "uint256"),
    },
    "margin": {
        "gross_floor": ("a: uint256, b: uint256, c: uint256", "uint256"),
        "concentration": ("a: uint256, b: int256, c: uint256, d: uint256, e: uint256, f: uint256", "uint256"),
        "scan": ("a: uint256, b: int256[32]", "(uint256, uint256)"),
        "market": ("a: uint256, b: uint256, c: uint256, d: uint256, e: uint256", "uint256"),
        "weighed": ("a: int256[32], b: int256[32], c: uint256, d: int256", "int256[32]"),
    },
}
RENAMED = {("fees", "raise"): "raised", ("fees", "rate"): "fee_rate"}  # words that Vyper, or another module, has


def source() -> str:
    """A contract that opens them all."""
    parts = ["# pragma version 0.4.3", *(f"from modules import {module}" for module in OPENERS)]
    for module, functions in OPENERS.items():
        for name, (args, result) in functions.items():
            names = ", ".join(arg.split(":")[0].strip() for arg in re.split(r", (?=[a-f]:)", args))
            head = f"def {RENAMED.get((module, name), name)}({args}) -> {result}:"
            parts.append(f"@external\n@pure\n{head}\n    return {module}._{name}({names})\n")
    return "\n\n".join(parts)


@pytest.fixture(scope="session")
def opened(tmp_path_factory):
    """The opened modules on a chain of their own."""
    root = tmp_path_factory.mktemp("opened")
    shutil.copytree(ROOT / "contracts" / "modules", root / "contracts" / "modules")
    path = root / "contracts" / "Opened.vy"
    path.write_text(source())
    return deploy(EmbeddedChain(), compile_one(path, root), sender="0x" + "11" * 20)


@pytest.fixture(scope="session")
def ask(opened):
    """Call one of them; its answer, or the reason it refused with."""

    def call(name, *args):
        try:
            return opened.call(name, *args)
        except Refused as refused:
            return f"refused: {refused.reason}"

    return call
