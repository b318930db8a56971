"""Samples: image streams read, mirrored, configured."""
