"""Releases: looked at, mirrored, extracted, with the tools and files that go with them."""
