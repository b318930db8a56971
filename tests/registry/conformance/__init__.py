"""The rules of the OCI distribution specification and of Docker's registry API, each an end-to-end HTTP test.

The groups are those of the specification: pull, push, content discovery, content management, and what all share.
A test's docstring names the section the rule is from.
"""
