"""Rules that other venues margin by, to compare with on the same portfolio; and to learn what is usual.

portfolio  positions and market in, requirement out
book       the same from a file
span       classic SPAN: sixteen scenarios
pmrm       Derive's PMRM2: 33 scenarios on chain
deribit    Deribit's matrix, and its rule for options alone
okx        how OKX puts its charges together
simm       ISDA SIMM's delta margin
static     a rate that nobody changes

No rule here enforces anything: each is written down from what its venue publishes, with the parameters as published or
as stated where it stands. Where a venue publishes an example, a test holds the rule to it.
"""
