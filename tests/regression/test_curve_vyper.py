"""Curve, 30 July 2023, 70 M$.

What happened: three versions of the Vyper compiler gave each function its own re-entrancy lock. A pool's
`add_liquidity` could be entered while `remove_liquidity` was sending ether and had burnt no share yet, though the
source said it could not.

What stands against it: one lock for the whole contract, and a test of what was compiled rather than of what was
written. The lock is one slot, the same in both pieces of the Clearinghouse; every function that changes state is
called by a token in the midst of its transfer, in either piece, and finds the book locked.
"""

import pytest

from plimsoll.spec.mandates import ALL
from tests.pairs import account, address_of, compiled, encode_call, text
from tests.unit.clearinghouse.stage import (
    ATTACKER,
    EVERYONE,
    MAKER,
    MAX,
    OTHER,
    OWNER,
    TRADER,
    USD,
    WAD,
    clean_stage,
    session_stage,
)

from .scene import SECOND, stage_without

TRADER_ADDRESS = address_of("trader")
PRAGMA = (
    ("BackOffice.vy", "# pragma nonreentrancy on", "# pragma nonreentrancy off"),
    ("BackOffice.vy", "@external\n@reentrant\ndef multicall", "@external\ndef multicall"),
)
# what answers while the lock is held, and why it may
OPEN_VIEWS = {
    "open_interest": "the oracle reads it in the midst of a trade, when it is what it will be after",
    **dict.fromkeys(("quote", "oracle", "feed", "registry", "mandates", "history"), "an immutable"),
}
OWNERSHIP = {"owner", "pending_owner", "transfer_ownership", "accept_ownership"}  # touches nothing of the book


@pytest.fixture
def hooked():
    """A market whose token WETH is liquidator, venue and the trader's delegate for everything, and has USD to bring."""
    with clean_stage(session_stage().weth) as stage:
        ready(stage)
        yield stage


def ready(stage):
    pair, token = stage.pair, stage.weth
    stage.fund("trader", 10_000)
    stage.fund("maker", 10_000)
    stage.bring("trader", token, 100 * WAD)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.switch(stage.usd, "mint", text(token), 10**12)
    usd = pair.token_contracts[stage.usd]
    assert outside(stage, usd.address, encode_call(usd.interface.function("approve", 2), (pair.twin.at.book, MAX)))
    pair.must("registry", "set_venue", token, True, sender=OWNER)
    for who, role in ((TRADER, "trader"), (SECOND, "trader"), (MAKER, "maker")):
        pair.must("mandates", "set_delegate", who, token, ALL, MAX, sender=address_of(role))
        pair.must("mandates", "set_allowance", who, token, MAX, MAX, 0, 0, sender=address_of(role))
    pair.mint(stage.usd, TRADER_ADDRESS, USD)
    pair.mint(token, TRADER_ADDRESS, WAD)
    pair.must("mandates", "set_top_up", TRADER, stage.usd, USD, 0, sender=TRADER_ADDRESS)


def outside(stage, target, data):
    """Whether the token can make this call within a transfer that the book has no part in."""
    stage.switch(stage.weth, "set_hook", target, data)
    token = stage.pair.token_contracts[stage.weth]
    token.transact("transfer", text(ATTACKER), 0, sender=text(ATTACKER))
    return token.call("hook_worked")


def calls(stage):
    """Every function of the book that changes state, as the token would call it."""
    usd, weth = stage.usd, stage.weth
    inner = {"target": stage.pair.twin.at.book, "data": stage.data("book", "transfer", TRADER, SECOND, usd, USD)}
    return {
        "deposit": (MAKER, usd, USD),
        "withdraw": (TRADER, usd, USD, ATTACKER),
        "transfer": (TRADER, SECOND, usd, USD),
        "trade": (TRADER, MAKER, stage.perp, WAD, 2_000 * WAD),
        "multicall": (TRADER, [inner]),
        "settle": (TRADER,),
        "expire": (TRADER,),
        "claim": (),
        "seize": (TRADER, MAKER, WAD // 10, 0, 0),
        "pull": (TRADER, usd, 1, MAKER, 0),
        "socialise": (TRADER, TRADER, WAD),
        "set_liquidator": (weth,),
        "set_fund": (weth,),
    }


# outside they say why, under the lock nothing
REFUSED_ANYWAY = {"set_liquidator", "set_fund"}
FUNCTIONS = (
    *("deposit", "withdraw", "transfer", "trade", "multicall", "settle", "expire", "claim", "seize", "pull"),
    *("socialise", "set_liquidator", "set_fund"),
)
# what moves the token: a function of either piece
WAYS = {
    "deposit": ("deposit", lambda weth: (TRADER, weth, 5)),
    "withdraw": ("withdraw", lambda weth: (TRADER, weth, 5, TRADER_ADDRESS)),
}


def test_all_functions_are_tried_and_all_views_known(hooked):
    abi = [entry for entry in hooked.pair.contracts["book"].artifact.abi if entry["type"] == "function"]
    changing = {entry["name"] for entry in abi if entry["stateMutability"] != "view"} - OWNERSHIP
    assert changing == set(FUNCTIONS) == set(calls(hooked))


def test_both_pieces_lie_alike_and_have_one_lock():
    from plimsoll.chain.artifacts import load

    front, back = load("Clearinghouse").layout, load("BackOffice").layout
    assert front["storage_layout"] == back["storage_layout"]
    assert front["transient_storage_layout"] == back["transient_storage_layout"]
    transient = front["transient_storage_layout"]
    locks = [key for key in _leaves(transient) if "nonreentrant" in key]
    assert len(locks) == 1
    places = [slot for _, slot in _places(transient)]
    assert len(places) == len(set(places))
    assert not any("nonreentrant" in key for key in _leaves(front["storage_layout"]))


def _places(layout, prefix=""):
    for key, value in layout.items():
        if "slot" in value:
            yield prefix + key, value["slot"]
        else:
            yield from _places(value, f"{prefix}{key}.")


def _leaves(layout):
    return [key for key, _ in _places(layout)]


@pytest.mark.parametrize("way", WAYS)
def test_every_function_finds_the_book_locked(hooked, way):
    stage, book = hooked, hooked.pair.contracts["book"]
    token = stage.pair.token_contracts[stage.weth]
    name, args = WAYS[way]
    for function, given in calls(stage).items():
        data = stage.data("book", function, *given)
        with stage.pair.isolated():
            works = outside(stage, book.address, data)
            assert works != (function in REFUSED_ANYWAY), function
            assert works or token.call("hook_error") != b""
        with stage.pair.isolated():
            stage.switch(stage.weth, "set_hook", book.address, data)
            stage.pair.must("book", name, *args(stage.weth), sender=TRADER_ADDRESS)
            assert not token.call("hook_worked"), function
            assert token.call("hook_error") == b"", function  # the lock says nothing
            stage.pair.compare(EVERYONE)


def test_likewise_while_a_function_of_the_other_piece_moves_tokens(stage):
    """A top-up: the liquidator has the second piece pull tokens from the owner's wallet."""
    pair = stage.pair
    stage.fund("maker", 10_000)
    stage.fund("trader", 286)
    stage.bring("trader", stage.weth, 1)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    pair.mint(stage.weth, TRADER_ADDRESS, WAD)
    pair.must("mandates", "set_top_up", TRADER, stage.weth, WAD, 0, sender=TRADER_ADDRESS)
    pair.must("mandates", "set_delegate", TRADER, stage.weth, ALL, MAX, sender=TRADER_ADDRESS)
    pair.must("mandates", "set_delegate", OTHER, stage.weth, ALL, MAX, sender=address_of("other"))
    stage.fund("other", 1_000)
    pair.price(0x0102, 1_900 * WAD)
    stage.post()
    pair.must("liquidator", "call", TRADER)
    token = pair.token_contracts[stage.weth]
    tries = {
        "book": [
            ("withdraw", OTHER, stage.usd, USD, ATTACKER),
            ("transfer", OTHER, account("other", 1), stage.usd, USD),
            ("settle", TRADER),
            ("expire", TRADER),
            ("deposit", OTHER, stage.weth, 0),
        ],
        "liquidator": [("top_up", TRADER, stage.weth, OTHER), ("start", TRADER), ("record", TRADER), ("cure", TRADER)],
    }
    for part, several in tries.items():
        for function, *args in several:
            with pair.isolated():
                stage.switch(stage.weth, "set_hook", pair.contracts[part].address, stage.data(part, function, *args))
                pair.must("liquidator", "top_up", TRADER, stage.weth, OTHER)
                assert not token.call("hook_worked"), function
                assert token.call("hook_error") == b""
                pair.compare(EVERYONE)


def test_only_these_views_answer_while_the_lock_is_held(hooked):
    stage, book = hooked, hooked.pair.contracts["book"]
    token = stage.pair.token_contracts[stage.weth]
    answered = set()
    for entry in book.artifact.abi:
        if entry["type"] != "function" or entry["stateMutability"] != "view" or entry["name"] in OWNERSHIP:
            continue
        known = {"account": TRADER, "instrument": stage.perp, "underlying": 0x0102, "who": ATTACKER, "right": 1}
        data = stage.data("book", entry["name"], *(known[item["name"]] for item in entry["inputs"]))
        with stage.pair.isolated():
            stage.switch(stage.weth, "set_hook", book.address, data)
            stage.pair.must("book", "withdraw", TRADER, stage.weth, 5, TRADER_ADDRESS, sender=TRADER_ADDRESS)
            if token.call("hook_worked"):
                answered.add(entry["name"])
    assert answered == set(OPEN_VIEWS)


@pytest.mark.slow
def test_with_the_lock_of_one_piece_gone_it_is_entered():
    """The second piece compiled without: the same token moves cash in the midst of a withdrawal of the first."""
    stage = stage_without("BackOffice", *PRAGMA)
    pair, book = stage.pair, stage.pair.contracts["book"]
    assert compiled("BackOffice").layout["transient_storage_layout"]
    stage.fund("trader", 1_000)
    stage.bring("trader", stage.weth, WAD)
    pair.must("mandates", "set_delegate", TRADER, stage.weth, ALL, MAX, sender=TRADER_ADDRESS)
    data = stage.data("book", "transfer", TRADER, SECOND, stage.usd, USD)
    stage.switch(stage.weth, "set_hook", book.address, data)
    args = TRADER, stage.weth, 5, TRADER_ADDRESS
    assert isinstance(stage.on_chain("book", "withdraw", *args, sender=TRADER_ADDRESS), list)
    assert pair.token_contracts[stage.weth].call("hook_worked")
    assert stage.ledger(SECOND)[0] == WAD
