"""Mutation: change the contracts and the twin, one small edit at a time, and see whether a test notices.

A suite that passes says little; a suite that fails whenever the code is wrong says much. Each *mutant* is one edit that
a slip of the hand could make: a rounding turned, a comparison that takes in its bound, a check left out, two arguments
swapped. A test that fails on it *kills* it. What survives is either a missing test or an edit that changes nothing
(an *equivalent* mutant), and then `survivors.toml` says why.

All mutants of the contracts are compiled at once, into one *switched* copy in which block.coinbase decides which of
them is real (`switched.py`). So a contract is compiled once, not once a mutant, and a forked child that has the whole
suite in memory needs to do no more than name its mutant and run the tests that reach it (`server.py`).

Mutants of the twin are made by mutmut, all of a function's beside it (`twin.py`), picked by name in the child
(`picked.py`), and judged by the same server.
"""
