"""The rig: a town on a development node, the keeper that looks after it as a process, and what may befall both.

process   processes that end with whoever started them
devnet    anvil: blocks, its clock, what only it can do to a chain
town      a deployment with people, prices, a keeper and risk nodes
proxy     endpoints that can be broken
watch     what happened, read from the chain alone
journal   what the keeper says it did, read from its journal
checks    whether the two agree, and whether anything was missed
faults    faults drawn by a seed, one or two at a time, and a verdict
latency   blocks between a move of the index and the report, between a failed account and the first bid
story     a small crash, for people to look at
"""
