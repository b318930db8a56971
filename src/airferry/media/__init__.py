"""Removable media: what is on a tree on disk, whether it is whole, our records beside it, and how to serve it.

Knows trees, not registries and not OpenShift. Only ``records`` and ``discarding`` write.
"""

from airferry.media.discarding import discard
from airferry.media.inventory import Inventory, RepositoryContent, take_inventory
from airferry.media.records import Records
from airferry.media.served import ServedTree
from airferry.media.verification import BrokenImage, Fault, FaultKind, Verification, VerifyProgress, verify

__all__ = [
    "BrokenImage",
    "Fault",
    "FaultKind",
    "Inventory",
    "Records",
    "RepositoryContent",
    "ServedTree",
    "Verification",
    "VerifyProgress",
    "discard",
    "take_inventory",
    "verify",
]
