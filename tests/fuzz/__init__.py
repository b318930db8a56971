"""Fuzzing of everything that takes bytes from a client: targets, seeds, mutations, and a guide by coverage."""
