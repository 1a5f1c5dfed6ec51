# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title What an account's owner may let others do
@notice Bits of a mandate, see `Mandates`. Twin: `plimsoll.spec.mandates`.
"""


# ------------------------------------------------------------------- constants


TRADE: constant(uint256) = 1  # sign, bring and cancel orders
WITHDRAW: constant(uint256) = 2  # take tokens out, to whomever
TRANSFER: constant(uint256) = 4  # move tokens between accounts of the owner
BID: constant(uint256) = 8  # take over parts of others' accounts
ALLOW: constant(uint256) = 16  # let venues trade the account, within limits
DEPOSIT: constant(uint256) = 32  # bring in a token that is new to the account
ALL: constant(uint256) = 63
