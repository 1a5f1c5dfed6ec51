# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title Mandates
@license GNU Affero General Public License v3.0 only
@notice Who may act for an account, and how far. Its owner gives delegates rights,
        bit by bit (`modules/rights.vy`), until a date; venues an allowance, until
        a date, for some instruments, with a budget of what they may lose the
        account against the mark; whoever comes a top-up out of the owner's wallet
        for when the account is called; and the account a reserve, another account
        of the same owner. Nothing is mandated until it is set.
        An account is `owner << 96 | number`: ownership is read from it. Dates are
        unix seconds and inclusive, budgets [wad], top-ups in token units.
        Roles: account owners set, and delegates with ALLOW set allowances; the
        book alone spends. The contract's owner names the book, once, and has no
        right over any account.
@custom:security A delegate with ALLOW and an admitted venue of his own can lose the
                 account all that the price band of the book lets it; WITHDRAW is
                 the whole of it. A budget counts losses and is not restored by gains.
@custom:kill Nothing to switch off: an owner withdraws what he gave, account by
             account; the book decides what a mandate is good for.
"""


# --------------------------------------------------------------------- imports


from interfaces import IMandates
from modules import rights as bits
from snekmate.auth import ownable
from snekmate.auth import ownable_2step

implements: IMandates

initializes: ownable
initializes: ownable_2step[ownable := ownable]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)


# ------------------------------------------------------------------- constants


# What is as long or as much as its field is without end, and reads as max_value(uint256).
ENDLESS_TIME: constant(uint256) = 2**64 - 1  # [s]
ENDLESS_BUDGET: constant(uint256) = 2**192 - 1  # [wad] ledgers end at 1e36
MASK_ID: constant(uint256) = 2**128 - 1


# --------------------------------------------------------------------- structs


struct TopUp:
    amount: uint256  # [token] left
    bounty: uint256  # [token] to whoever pulls


# --------------------------------------------------------------------- storage


_delegates: HashMap[uint256, HashMap[address, uint256]]  # account -> delegate -> rights | expires [s] u64
_terms: HashMap[uint256, HashMap[address, uint256]]  # account -> venue -> budget [wad] u192 | expires [s] u64
_scopes: HashMap[uint256, HashMap[address, uint256]]  # account -> venue -> mask u128 | base u128
_top_ups: HashMap[uint256, HashMap[address, TopUp]]  # account -> token
_reserves: HashMap[uint256, uint256]  # account -> account, 0 none
book: public(address)  # zero until set


# ----------------------------------------------------------------- constructor


@deploy
def __init__():
    """
    @notice The deployer names the book.
    """
    ownable.__init__()
    ownable_2step.__init__()


# -------------------------------------------------------------------- external


@external
def set_book(book: address):
    """
    @notice Owner, once: the book that spends what accounts mandate.
    @param book The Clearinghouse.
    """
    ownable._check_owner()
    assert self.book == empty(address), "mandates: book is set"
    assert book != empty(address), "mandates: zero address"
    self.book = book
    log IMandates.BookSet(book=book)


@external
def set_delegate(account: uint256, delegate: address, rights: uint256, expires: uint256):
    """
    @notice Account owner: lets another act for the account, in place of what he
            was let do before.
    @param account The account; for each of his an owner decides anew.
    @param delegate Who.
    @param rights Bits of what he may do; 0 withdraws it all.
    @param expires The last second of it [s].
    """
    assert self._owns(account, msg.sender), "mandates: not the account's"
    assert delegate != empty(address), "mandates: zero address"
    assert rights <= bits.ALL, "mandates: unknown rights"
    kept: uint256 = 0
    if rights != 0:
        kept = min(expires, ENDLESS_TIME)
    self._delegates[account][delegate] = (rights << 64) | kept
    log IMandates.DelegateSet(account=account, delegate=delegate, rights=rights, expires=self._read(kept, ENDLESS_TIME))


@external
def set_allowance(account: uint256, venue: address, expires: uint256, budget: uint256, mask: uint128, base: uint128):
    """
    @notice Owner or delegate with ALLOW: lets a venue trade the account, in place
            of what it was allowed before.
    @param account The account.
    @param venue Which; the book trades for admitted ones alone.
    @param expires The last second of it [s]; 0 withdraws it.
    @param budget What the venue may lose the account against the mark [wad];
           max_value(uint256) is without end.
    @param mask Which bits of an instrument's id are looked at; 0 allows all.
    @param base What they must be.
    """
    assert self._may_act(account, msg.sender, bits.ALLOW), "mandates: not the account's"
    assert base & mask == base, "mandates: base outside the mask"
    kept: uint256 = min(expires, ENDLESS_TIME)
    left: uint256 = min(budget, ENDLESS_BUDGET)
    self._terms[account][venue] = (left << 64) | kept
    self._scopes[account][venue] = (convert(mask, uint256) << 128) | convert(base, uint256)
    log IMandates.AllowanceSet(
        account=account,
        venue=venue,
        expires=self._read(kept, ENDLESS_TIME),
        budget=self._read(left, ENDLESS_BUDGET),
        mask=mask,
        base=base,
    )


@external
def set_top_up(account: uint256, token: address, amount: uint256, bounty: uint256):
    """
    @notice Account owner: how much anyone may pull from the owner's wallet into
            the account once it is called, in place of what was left before. The
            wallet must have approved the book.
    @param account The account.
    @param token Which token.
    @param amount So much in all [token]; 0 withdraws it.
    @param bounty What whoever pulls may keep of it [token].
    """
    assert self._owns(account, msg.sender), "mandates: not the account's"
    self._top_ups[account][token] = TopUp(amount=amount, bounty=bounty)
    log IMandates.TopUpSet(account=account, token=token, amount=amount, bounty=bounty)


@external
def set_reserve(account: uint256, reserve: uint256):
    """
    @notice Account owner: which other account of the owner stands in for this one.
    @param account The account.
    @param reserve The other; 0 none.
    """
    assert self._owns(account, msg.sender), "mandates: not the account's"
    assert reserve == 0 or (reserve >> 96 == account >> 96 and reserve != account), "mandates: reserve of another owner"
    self._reserves[account] = reserve
    log IMandates.ReserveSet(account=account, reserve=reserve)


@external
def spend(account: uint256, venue: address, instrument: uint128, loss: uint256):
    """
    @notice Book: a venue trades an account. Refuses what the account did not
            allow, and takes the loss off the venue's budget.
    @param account The account.
    @param venue Which.
    @param instrument What is traded.
    @param loss How much worse than the mark, for the account [wad], rounded up.
    """
    assert msg.sender == self.book, "mandates: not the book"
    terms: uint256 = self._terms[account][venue]
    assert terms & ENDLESS_TIME >= block.timestamp, "mandates: venue not allowed"
    scope: uint256 = self._scopes[account][venue]
    assert convert(instrument, uint256) & (scope >> 128) == scope & MASK_ID, "mandates: instrument not allowed"
    if loss == 0:
        return
    left: uint256 = terms >> 64
    if left != ENDLESS_BUDGET:
        assert loss <= left, "mandates: loss budget used up"
        self._terms[account][venue] = terms - (loss << 64)
    log IMandates.Spent(account=account, venue=venue, loss=loss)


@external
def use_top_up(account: uint256, token: address, amount: uint256):
    """
    @notice Book: so much is pulled from the owner's wallet.
    @param account The account it goes to.
    @param token Which token.
    @param amount How much [token].
    """
    assert msg.sender == self.book, "mandates: not the book"
    left: uint256 = self._top_ups[account][token].amount
    assert amount <= left, "mandates: over the top-up"
    self._top_ups[account][token].amount = left - amount
    log IMandates.TopUpUsed(account=account, token=token, amount=amount)


# Each view below is `@reentrant`: this contract calls no other, so its lock is
# never held while somebody else runs, and `may_act` is read at every trade.


@external
@view
@reentrant
def may_act(account: uint256, who: address, right: uint256) -> bool:
    """
    @notice Whether `who` owns the account, or is a delegate of it now.
    @param account The account.
    @param who Address.
    @param right Bits, all of which a delegate must have.
    """
    return self._may_act(account, who, right)


@external
@view
@reentrant
def delegate(account: uint256, who: address) -> (uint256, uint256):
    """
    @notice What the owner lets a delegate do.
    @return Rights; the last second of them [s], max_value(uint256) without end.
    """
    word: uint256 = self._delegates[account][who]
    return word >> 64, self._read(word & ENDLESS_TIME, ENDLESS_TIME)


@external
@view
@reentrant
def allowance(account: uint256, venue: address) -> (uint256, uint256, uint128, uint128):
    """
    @notice What a venue may do to an account.
    @return The last second of it [s]; what it may still lose [wad], both
            max_value(uint256) without end; mask and base of instruments.
    """
    terms: uint256 = self._terms[account][venue]
    scope: uint256 = self._scopes[account][venue]
    return (
        self._read(terms & ENDLESS_TIME, ENDLESS_TIME),
        self._read(terms >> 64, ENDLESS_BUDGET),
        convert(scope >> 128, uint128),
        convert(scope & MASK_ID, uint128),
    )


@external
@view
@reentrant
def top_up(account: uint256, token: address) -> uint256:
    """
    @notice How much may still be pulled from the owner's wallet [token].
    """
    return self._top_ups[account][token].amount


@external
@view
@reentrant
def bounty(account: uint256, token: address) -> uint256:
    """
    @notice What whoever pulls a top-up may keep of it [token].
    """
    return self._top_ups[account][token].bounty


@external
@view
@reentrant
def reserve(account: uint256) -> uint256:
    """
    @notice The account that stands in for this one; 0 none.
    """
    return self._reserves[account]


# -------------------------------------------------------------------- internal


@internal
@pure
def _owns(account: uint256, who: address) -> bool:
    return account >> 96 == convert(who, uint256)


@internal
@view
def _may_act(account: uint256, who: address, right: uint256) -> bool:
    """
    @notice The owner always; a delegate with every bit of `right`, not expired.
    """
    if self._owns(account, who):
        return True
    word: uint256 = self._delegates[account][who]
    # no right is asked for: nobody but the owner has it
    return right != 0 and (word >> 64) & right == right and word & ENDLESS_TIME >= block.timestamp


@internal
@pure
def _read(kept: uint256, endless: uint256) -> uint256:
    """
    @notice What a field says: full, it is without end.
    """
    if kept == endless:
        return max_value(uint256)
    return kept
