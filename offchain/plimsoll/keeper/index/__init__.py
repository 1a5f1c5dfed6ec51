"""The account index: what every account holds, by the events of the book, at the block that the chain stands at.

errors     what can be wrong with it
blocks     where blocks and events come from: a chain, a chain with generated events beside
decode     events as the spec's reducer takes them
state      the spec's reducer, with what each block changed
store      the database, a transaction a batch of blocks
follow     AccountIndex: follows the chain, back over reorganisations, and is held to the chain
arrays     positions of all accounts as arrays, of which a block changes a few
screener   whom to read from the chain exactly, each block
exposures  what one scan range would liquidate, for the engine's cascade
generate   event logs of as many accounts as one wants
bench      how long a block takes
"""
