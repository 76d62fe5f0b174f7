"""Tests of what a device shows of its rooms."""
