"""What it costs to be believed: posts of the engine's own surfaces, inside the guardrails, with three signatures.

Whole transactions, base cost and calldata included, the second report of each: where one stood before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plimsoll.chain.deployment import FeedConfig, System, SystemConfig, deploy_system
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.keeper.state import ChainReader
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.engine import Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.signing import address_of, sign_all
from plimsoll.simulate.market import key_of
from plimsoll.spec.instruments import CALL, FUTURE, PUT, Instrument
from plimsoll.spec.report import Report, digest

HOUR, DAY = 3_600, 86_400
START = 1_700_006_400 // DAY * DAY
UNDERLYING, PRICE = 0x0101, 50_000.0
KEYS = [key_of(f"signer {k}") for k in range(3)]
OWNER = address_of(key_of("owner"))
BARS = 500
WEEKS = (1, 2, 3, 4, 6, 8, 13, 17, 26, 34, 43, 52)  # expiries of a real chain, as Deribit lists them


def chain_of(expiry: int, options: int) -> list[Instrument]:
    """A future, and calls and puts at strikes around the money."""
    found = [Instrument(UNDERLYING, expiry, FUTURE, 0, 0)]
    strikes = np.linspace(0.5 * PRICE, 2.0 * PRICE, (options + 1) // 2).astype(int)
    pairs = [(kind, int(strike)) for strike in strikes for kind in (CALL, PUT)][:options]
    return found + [Instrument(UNDERLYING, expiry, kind, strike, 1 + k) for k, (kind, strike) in enumerate(pairs)]


def posted(chains: Sequence[Sequence[Instrument]]) -> int:
    """Gas of the second report of these expiries: stores of all but the last surface, and the post."""
    chain = EmbeddedChain(time=START)
    feeds = [FeedConfig(UNDERLYING, "U", round(PRICE * 10**8), max_age=7 * DAY, strike_exponent=18)]
    system = deploy_system(chain, SystemConfig(OWNER, [address_of(key) for key in KEYS], 2, feeds))
    reader = ChainReader(system, {UNDERLYING: [items[0].expiry for items in chains]})
    moves = np.random.default_rng(1).normal(0, 0.01, BARS)
    # to the cent: `exp` differs by its last bit from one processor to the next, and a report's bytes with it
    closes = np.round(PRICE * np.exp(np.cumsum(moves) - np.sum(moves)), 2)
    times = START - HOUR * np.arange(BARS, 0, -1)
    listed = tuple(item.pack() for items in chains for item in items)
    gas = 0
    for move in (1.0, 1.004):
        chain.advance(HOUR)
        system.aggregators[UNDERLYING].transact("set", round(PRICE * move * 10**8), sender=OWNER)
        held = reader.read()
        market = Market(UNDERLYING, PRICE * move, History(times, closes, HOUR), listed)
        report = Engine(EwmaFhs()).report(Snapshot(chain.now, (market,)), held.risk_state, rails=held.rails)
        gas = _post(system, report.codes, report.report)
    return gas


def _post(system: System, codes: Sequence[bytes], report: Report) -> int:
    oracle = system.oracle
    gas, stored = 0, []
    for code in codes[:-1]:
        receipt = oracle.transact("store", code, sender=OWNER)
        (event,) = oracle.events(receipt, "SurfaceStored")
        stored.append(event.args.surface)
        gas += receipt.gas_used
    message = digest(report, system.chain.chain_id, oracle.address)
    receipt = oracle.transact("post", report, list(sign_all(message, KEYS)), stored, codes[-1], sender=OWNER)
    return gas + receipt.gas_used


def measure() -> dict[str, int]:
    """By operation."""
    return {
        "post 50, guarded, 3 signatures": posted([chain_of(START + 30 * DAY, 49)]),
        "post 850 options over 12 expiries, guarded, 3 signatures": posted(
            [chain_of(START + weeks * 7 * DAY, 71 if k < 10 else 70) for k, weeks in enumerate(WEEKS)]
        ),
    }
