# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title Fee rates and the word that holds them
@notice Twin: `pack_fees` and `fee_rate` of `plimsoll.spec.registry`.

            word (256) = taker u24 | maker u24 | vol_scale u24 | util_scale u24
                       | cap u24 | liquidation u24 | liquidation_cap u24 | zero u88

        All in [ppm]: taker, maker and cap of the notional, liquidation and its
        cap of the maintenance margin, scales per 1 of volatility and of
        utilisation. A rate is its base, raised by how volatile the underlying
        and how used the pool is, to its cap at most:

            rate = min(cap, ceil(base (1 + vol_scale vol + util_scale util)))

        Every division rounds up: a fee is what an account pays.
@dev    Bases and scales are under 2**24 and what scales them is cut at 2**64,
        so no product reaches 2**94.
"""


# --------------------------------------------------------------------- imports


from . import fixed


# ------------------------------------------------------------------- constants


MASK: constant(uint256) = 2**24 - 1
MAX_FEE: constant(uint256) = 50_000  # [ppm] 5 %: past it nobody can leave at a fair price
MAX_LIQUIDATION_FEE: constant(uint256) = 200_000  # [ppm] of MM: more would leave too little for bidders
# [ppm] a scale of 1 and a base of 1 come to 1.8e7 here, over any cap: to cut
# volatility and utilisation at it changes no rate
CUT: constant(uint256) = 2**64


# -------------------------------------------------------------------- internal


@internal
@pure
def _taker(word: uint256) -> uint256:
    return word >> 232


@internal
@pure
def _maker(word: uint256) -> uint256:
    return (word >> 208) & MASK


@internal
@pure
def _cap(word: uint256) -> uint256:
    return (word >> 136) & MASK


@internal
@pure
def _liquidation(word: uint256) -> uint256:
    return (word >> 112) & MASK


@internal
@pure
def _liquidation_cap(word: uint256) -> uint256:
    return (word >> 88) & MASK


@internal
@pure
def _is_sound(word: uint256) -> bool:
    """
    @notice Whether governance may set it. Scales need no bound: caps bind.
    """
    return (
        self._taker(word) <= self._cap(word)
        and self._maker(word) <= self._cap(word)
        and self._cap(word) <= MAX_FEE
        and self._liquidation(word) <= self._liquidation_cap(word)
        and self._liquidation_cap(word) <= MAX_LIQUIDATION_FEE
        and word & (2**88 - 1) == 0
    )


@internal
@pure
def _needs_volatility(word: uint256) -> bool:
    """
    @notice Whether a trade's fees hang on the volatility of its underlying.
    """
    return (word >> 184) & MASK != 0 and word >> 208 != 0


@internal
@pure
def _raise(word: uint256, volatility: uint256, utilisation: uint256) -> uint256:
    """
    @notice By what every base is multiplied [ppm], up; at least one.
    """
    return (
        fixed.PPM
        + fixed._mul_div_up((word >> 184) & MASK, min(volatility, CUT), fixed.PPM)
        + fixed._mul_div_up((word >> 160) & MASK, min(utilisation, CUT), fixed.PPM)
    )


@internal
@pure
def _rate(base: uint256, factor: uint256, cap: uint256) -> uint256:
    """
    @notice A base raised by a factor [ppm], up, to its cap at most.
    """
    return min(cap, fixed._mul_div_up(base, factor, fixed.PPM))
