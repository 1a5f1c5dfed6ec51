"""Chain against `plimsoll.spec`: every account's margin and state recomputed in Python integers, to the last unit.

The twin sees what anyone sees: the bytes of the surfaces that were posted, words and ledgers as the chain returns them,
the feed's prices and the clock. Equal means equal: no tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from plimsoll.chain.contract import batch
from plimsoll.keeper.state import ChainReader, Held, assessment_of
from plimsoll.spec.errors import Refused
from plimsoll.spec.margin import Assessment, State, assess, state_of


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One account whose margin or state differs."""

    time: int
    sequence: int
    account: int
    chain: str
    spec: str


@dataclass
class Agreement:
    """The running count."""

    reader: ChainReader
    comparisons: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)

    def compare(self, accounts: Sequence[int]) -> dict[int, Assessment]:
        """Compare every account now; what the chain says of each."""
        system = self.reader.system
        held: Held = self.reader.read()
        book = system.clearinghouse
        names = ("positions", "ledger", "margin", "state")
        answers = batch(system.chain, [book.request(name, account) for account in accounts for name in names])
        view = held.view
        found: dict[int, Assessment] = {}
        for k, account in enumerate(accounts):
            words, ledger, margin, state = answers[4 * k : 4 * k + 4]
            self.comparisons += 1
            if isinstance(margin, Refused) or isinstance(state, Refused):
                self._differ(
                    held, account, f"refused: {margin if isinstance(margin, Refused) else state}", "no refusal"
                )
                continue
            chain, chain_state = assessment_of(margin), State(state)
            spec = assess(words, sum(ledger), view)
            spec_state = state_of(spec)
            if (chain, chain_state) != (spec, spec_state):
                self._differ(held, account, f"{chain} {chain_state.name}", f"{spec} {spec_state.name}")
            found[account] = chain
        return found

    def _differ(self, held: Held, account: int, chain: str, spec: str) -> None:
        self.mismatches.append(Mismatch(held.time, held.sequence, account, chain, spec))
