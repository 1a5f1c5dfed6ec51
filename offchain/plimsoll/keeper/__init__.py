"""The keeper: ingest > assess > report > post > enforce > observe, at every block.

settings     what the operator decides, from a file, checked before anything runs; build, service: all put together
runner       follows the head; posting and enforcing side by side; loop: one round, for simulations and bots
state        what the chain holds, read in two batches
triggers     whether a report is due, and why: pure functions
poster       builds, signs and posts a report; survives what the chain refuses
liquidation  calls, cures, auctions and bids, each by rule
rescue       top-ups and reserves that owners of called accounts mandated
standing     orders that owners signed for the day they are called; order_file: where they are
upkeep       chores anyone may do: remember prices, settle, expire, collect
outbox       where transactions go; sender: one key's, from decided to final; keys: from environment or keystore
journal      what was decided, signed, sent and met, on disk before anything is sent; recorder: its lines
index        what every account holds, by events; lookout: whom to look at; outlook: who is likeliest to fail
sources      prices from files, live: from venues too
archive      what reports were made from; recompute: whether a report is what its snapshot says
status       what the keeper says of itself; telling fills it, web serves it, alerts judge it, metrics, logs, notify
doctor       what a keeper needs, checked; drill, fork: a liquidation on a fork of the real chain
automation   the second trigger; silverback_bot: the same decisions on another platform
cosigner     a risk node from its settings
accounts     accounts by events, in memory, for tools that look once

Imports go downwards: what runs knows what decides, and what decides knows nothing of who runs it.
"""
