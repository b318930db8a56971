"""The hostile cases: what registries were broken by, each by its number, with the answer we give.

The numbers are those of the project's list of 36, in which each case names the fault or CVE of another registry
that it is from; :mod:`registry.hostile.test_every_case` says where each is.
"""
