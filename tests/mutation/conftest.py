"""No test of this folder uses ape's chain."""

from tests.isolation import _function_isolation

__all__ = ["_function_isolation"]
