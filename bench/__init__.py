"""Measurements against other programs, both sides in one run: ``make bench``."""
