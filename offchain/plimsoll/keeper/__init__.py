"""The keeper: ingest > assess > report > post > enforce > observe, round and round.

settings     what the operator decides, from a file, checked before anything runs
state        what the chain holds, read in two batches
triggers     whether a report is due, and why: pure functions
poster       builds, signs and posts a report; survives what the chain refuses
accounts     which accounts there are, and who holds what expires, from events
liquidation  calls, cures, auctions and bids, each by rule
rescue       top-ups and reserves that owners of called accounts mandated
upkeep       chores anyone may do: remember prices, settle, expire, collect
recorder     the journal, written before anything is sent
archive      what reports were made from, each file named by the hash of its content
recompute    whether an archived or posted report is what its snapshot says, number by number
metrics      what a monitor scrapes
loop         the round and the halt that says why
"""
