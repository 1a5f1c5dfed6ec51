"""Proofs over the integers, by z3, of every rounding and range that the arithmetic of the contracts rests on."""
