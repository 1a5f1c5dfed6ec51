"""Live prices: exchanges, Chainlink feeds and files, asked by themselves, judged together, recorded and replayed.

answers      what a venue said, and all that was said by one time: plain values, as they are recorded
exchange     exchanges, through ccxt
chainlink    price feeds of other contracts
file         a csv that something else appends to
rules        which answers count, and what they come to: a function of one round, without memory
hours        hourly bars, depths and marks from the rounds
record       rounds and hours on disk, and their replay
collector    a thread a venue, a round every few seconds

Needs ccxt: `pip install plimsoll[live]`.
"""

from __future__ import annotations

from plimsoll.market.extras import required

required("ccxt", "live")  # met here, by name, and not when the first venue is asked
