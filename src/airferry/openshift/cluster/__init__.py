"""What a cluster reads: mirror sets, registries.conf as its nodes get it, pull secrets. Pure."""

from airferry.openshift.cluster.mirror_files import parse_mirror_sets
from airferry.openshift.cluster.mirror_sets import (
    MirrorEntry,
    MirrorKind,
    MirrorSet,
    SourcePolicy,
    print_documents,
    print_fragment,
    print_object,
    release_mirrors,
)
from airferry.openshift.cluster.registries_conf import print_registries_conf, pull_rules

__all__ = [
    "MirrorEntry",
    "MirrorKind",
    "MirrorSet",
    "SourcePolicy",
    "parse_mirror_sets",
    "print_documents",
    "print_fragment",
    "print_object",
    "print_registries_conf",
    "pull_rules",
    "release_mirrors",
]
