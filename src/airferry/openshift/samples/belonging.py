"""Which streams of the namespace ``openshift`` are the samples operator's to import, and which come otherwise.

Sources: openshift/cluster-samples-operator: its manifests bring the streams below with images of the release, which
the cluster version operator applies; its list of what to mirror leaves out every stream whose name begins with
``jenkins``, and its rewriting of pull specs leaves four of them as they are. Where Jenkins is a component of the
release (4.8), its images come from there; where it is none any more (4.12), they are imported from
registry.redhat.io/ocp-tools-4, whatever the samplesRegistry is.
"""

from collections.abc import Iterable, Set
from dataclasses import replace
from typing import Final

from airferry.openshift.samples.streams import Belonging, Stream

PAYLOAD_STREAMS: Final = frozenset(
    {
        "cli",
        "cli-artifacts",
        "driver-toolkit",
        "hello-openshift",
        "installer",
        "installer-artifacts",
        "must-gather",
        "network-tools",
        "oauth-proxy",
        "tests",
        "tools",
    }
)
"""Streams of the namespace that the release itself applies."""

_JENKINS: Final = "jenkins"
_PAYLOAD_REPOSITORIES: Final = ("openshift-release-dev/ocp-v4.0-art-dev", "openshift-release-dev/ocp-release")
_JENKINS_OUTSIDE: Final = "/ocp-tools-4/"


def with_belonging(streams: Iterable[Stream], components: Set[str] = frozenset()) -> tuple[Stream, ...]:
    """Return ``streams`` with who brings their images; ``components`` are those of the release, where it is known.

    A cluster labels the operator's streams, so where any has the label, those without it are somebody else's.
    """
    listed = tuple(streams)
    is_labelled = any(stream.managed is not None for stream in listed)
    found = [replace(stream, belonging=belonging(stream, components)) for stream in listed]
    return tuple(
        replace(stream, belonging=Belonging.OTHER)
        if is_labelled and stream.managed is None and stream.belonging is Belonging.SAMPLE
        else stream
        for stream in found
    )


def belonging(stream: Stream, components: Set[str] = frozenset()) -> Belonging:
    """Return who brings the images of ``stream`` into a cluster."""
    images = [tag.image for tag in stream.tags if tag.image is not None]
    if stream.name.startswith(_JENKINS):
        is_outside = _JENKINS not in components and any(_JENKINS_OUTSIDE in image for image in images)
        return Belonging.OUTSIDE if is_outside else Belonging.PAYLOAD
    if stream.name in PAYLOAD_STREAMS and not stream.managed:
        return Belonging.PAYLOAD
    if images and all(any(f"/{path}@" in image for path in _PAYLOAD_REPOSITORIES) for image in images):
        return Belonging.PAYLOAD
    return Belonging.SAMPLE
