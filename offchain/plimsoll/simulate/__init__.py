"""Crash replays through the real contracts, on an embedded chain.

walk         prices on their way through bars
traders      who trades what, and what an owner does when called
market       one deployment with its accounts: funding, signed orders, the index
nodes        three risk nodes as processes, one of which turns to lying
agreement    chain against `plimsoll.spec`, account by account
replay       the replay itself
determinism  drawn reports, recomputed in processes that differ in what libraries may differ in
"""
