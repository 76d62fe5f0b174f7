"""Benchmarks: each asks one question, says what to expect, and prints one table."""
