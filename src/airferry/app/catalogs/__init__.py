"""Operator catalogs: opened, listed, checked, mirrored, built."""
