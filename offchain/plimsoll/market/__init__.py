"""Prices in: files and feeds, their aggregation, and the snapshot that an engine assesses."""
