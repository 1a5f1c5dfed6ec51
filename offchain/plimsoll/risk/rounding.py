"""From floats to posted integers, so that every machine posts the same ones.

A report is integers, and its hash knows no tolerance: one lane that one node rounds up and another down, and nobody's
signatures fit. Three rules keep all nodes on the same bits, each alone nearly enough:

1. *Only operations that IEEE 754 fixes to the last bit* lie between a snapshot and a report: +, -, *, /, sqrt,
   comparisons, each by one numpy or Python operation. Logarithms, exponentials, powers and the normal distribution are
   those of `plimsoll.market.portable`, made of the same operations; the quantile of a Student t or a normal is worked
   out in decimals. No C library, no kernel that a processor's features or a library's build selects.
2. *One order of reduction*: sums by `math.fsum`, which is the exact sum rounded once whatever the order, or running
   sums and recursions in the order of time. No BLAS and no `numpy.sum`, whose order is the library's.
3. *Rounding with a guard band*: a number within `GUARD` of a boundary counts as on it. Numbers that mathematics puts
   exactly on a boundary are common (half a lane deep in the money, a charge of 20 ppm, 29 % of a million), and floats
   put them a hair to either side of it; so the boundary stands a guard away from where numbers gather.

What is left after 1 and 2 is nothing: equal bytes in, equal bytes out. Rule 3 is for what is worked out otherwise
(another language, somebody's own model with a library's logarithm), and for sense: 20 ppm by hand is posted as 20 ppm.

Error budget of rule 3, for functions within 2 units in the last place. An option's price errs by no more than 2e-15 of
the index. A lane is a difference of two: 4e-10 of its finest unit, 1e-5. A charge adds a few: 1e-8 ppm. Theta: 4e-8 of
its unit. A mark: 2e-6 of its grain, 1e-9. Gamma, the worst, divides four prices by the square of the bump, 1e-4: 1e-4
ppm. So another implementation decides a lane otherwise once in a thousand million, a gamma once in ten thousand; only
rules 1 and 2 rule it out.
"""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from plimsoll.market.bars import FloatArray

GUARD: Final = 1e-6  # [1 unit of the posted number]

IntArray = npt.NDArray[np.int64]


def nearest(values: FloatArray) -> IntArray:
    """Nearest integers, halves away from zero; what is under a half by less than the guard counts as a half."""
    found: IntArray = (np.sign(values) * np.floor(np.abs(values) + (0.5 + GUARD))).astype(np.int64)
    return found


def upward(values: FloatArray) -> IntArray:
    """The next integers up; what is above an integer by less than the guard counts as that integer."""
    found: IntArray = np.ceil(values - GUARD).astype(np.int64)
    return found


def nearest_int(value: float) -> int:
    """`nearest` of one number."""
    magnitude = math.floor(abs(value) + (0.5 + GUARD))
    return magnitude if value >= 0 else -magnitude


def downward_int(value: float) -> int:
    """The next integer down; what is below an integer by less than the guard counts as that integer."""
    return math.floor(value + GUARD)


def decimal_down(value: float, digits: int) -> int:
    """`value` x 10**digits, further digits cut, of the very decimal that the number's shortest form shows."""
    exact = Context(prec=400)
    return int(exact.scaleb(Decimal(repr(float(value))), digits).to_integral_value(ROUND_FLOOR))
