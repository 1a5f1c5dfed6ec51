"""Margins held against what the market did next: coverage, capital, procyclicality; calibration."""
