"""Places that hold images, behind two protocols: what can be read from, and what can be written to.

Knows how to read and write content in a registry, in an oc tree, in an OCI layout and in memory.
Never decides what to copy or in which order.
"""
