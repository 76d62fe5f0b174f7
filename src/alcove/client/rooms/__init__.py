"""Rooms: their rules, their making, their members and their log."""
