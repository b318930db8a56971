"""The words of the field: digests, references, descriptors, manifests and the distribution API's wire words.

Pure: nothing here opens a file, a socket or a clock, and nothing guesses a default host or tag.
"""

from airferry.oci.descriptor import Descriptor, Platform
from airferry.oci.digest import Digest, Verifier
from airferry.oci.errors import ContentMismatchError
from airferry.oci.manifest import Manifest
from airferry.oci.reference import Place, PlaceKind, Reference, Repository

__all__ = [
    "ContentMismatchError",
    "Descriptor",
    "Digest",
    "Manifest",
    "Place",
    "PlaceKind",
    "Platform",
    "Reference",
    "Repository",
    "Verifier",
]
