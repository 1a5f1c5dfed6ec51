"""Plimsoll: margin that follows measured risk, enforced on chain."""

__version__ = "0.1.0"
