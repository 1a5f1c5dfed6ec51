"""Agreement at scale: drawn cases by the million, each a whole call on bytecode and the whole of its twin.

A block is 1,600 cases. Fifteen blocks of sixteen are about a world, one scene drawn afresh: up to five underlyings with
their surfaces, scalars, classes, funding and feeds, stored, signed and posted. One of sixteen is about what is posted:
surfaces and reports under guardrails that governance drew, a hundred of them in a scene. What the cases are, and why so
many of each:

    in a world, by weight
    margin    64  `assess`: what every other number hangs on, and where most of the arithmetic is; each drawn book with
                  four ledgers in turn, if one is on an edge of a state, all of them (16 books, 64 cases)
    auction    9  `Liquidator.quote`: price, discount, cap, what the fund owes; liquidator, book, oracle, feed
    terms      6  `terms`: each part of a margin, where `assess` shows only sums and maxima of them
    funding    5  `funding` over any stored word: cheap, and its edges (a day's end, a rate's life) are narrow
    lanes      4  `lanes`: every scenario of a book, where a margin shows the worst
    mark       4  `mark` of rows that are there, are another's, or are not
    interest   4  `pool` and `ledger`: any pool, curve and time
    trading    3  `trade_terms`: fees of a trade; spot and what expired refused
    fees       2  `liquidation_fee`: one formula of few inputs
    about what is posted
    surface    1  `store`: an engine's surface, bent, moved to the edge of what passes and one past, or damaged bytes
    report     1  `post`: stores and a signed report, answer, log and state compared

Sizes of books: of 200, 180 have up to 8 positions, 14 up to 32, 4 up to 126 and 2 have 127, as far as the world lists
so many. Over two margins in five lie on the edge of a state, or one unit to either side; three auctions in four are of
accounts below initial margin. Nothing is counted that only the twin, or only the chain, ran; nothing is compared but by
bytes.

What an account holds, an auction, a pool, a word of fees or of funding is put into storage rather than brought about:
how a deployment comes to hold it, the stateful tests walk.
"""
