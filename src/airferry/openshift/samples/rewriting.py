"""What the samples operator makes of a pull spec, and so where a mirror must have the image.

Source: openshift/cluster-samples-operator, the functions that put ``samplesRegistry`` into image streams; followed to
the letter, since a mirror that is right by a better rule is a mirror that imports fail at.
"""

from dataclasses import dataclass
from typing import Final

from airferry.errors import MalformedError, UnsupportedError
from airferry.oci import Place, PlaceKind, Reference, Repository
from airferry.oci.reference import is_host, is_repository_path
from airferry.openshift.samples.streams import image_reference

KNOWN_HOSTS: Final = (
    "docker.io",
    "registry.redhat.io",
    "registry.access.redhat.com",
    "quay.io",
    "registry.svc.ci.openshift.org",
)
"""The hosts that the operator replaces, in its order."""

_ANY_REGISTRY: Final = "registry.invalid"


def rewritten(spec: str, samples_registry: str) -> str:
    """Return the pull spec that the operator writes into the stream for ``spec``.

    A host counts as known where the spec begins with it, so quay.io covers quay.io:8443 and quay.io.example.com.
    """
    if not samples_registry or spec.startswith(samples_registry):
        return spec
    if spec.count("/") != 2:
        return f"{samples_registry}/{spec}"
    for host in KNOWN_HOSTS:
        if spec.startswith(host):
            return samples_registry + spec.removeprefix(host)
    _, organisation, name = spec.split("/")
    return f"{samples_registry}/{organisation}/{name}"


@dataclass(frozen=True, slots=True)
class SamplesTarget:
    """Where the samples go: a registry, or a disk on the way there; ``prefix`` is a path below it, or ""."""

    place: Place
    prefix: str = ""

    @classmethod
    def parse(cls, text: str, *, tree: str = ".") -> "SamplesTarget":
        """Return what ``HOST[:PORT][/PATH]`` or ``file://[PATH]`` means. Raises MalformedError, UnsupportedError."""
        scheme, separator, rest = text.partition("://")
        if separator and scheme == PlaceKind.TREE:
            return cls(Place(PlaceKind.TREE, tree), _prefix(rest.strip("/"), text))
        if separator and scheme != PlaceKind.REGISTRY:
            raise UnsupportedError(f"samples are not mirrored to {text}", hint="to HOST[:PORT][/PATH], or file:// ")
        host, _, path = (rest if separator else text).rstrip("/").partition("/")
        if not is_host(host) or not ("." in host or ":" in host or host == "localhost"):
            raise MalformedError(
                f"no registry host in {text!r}", hint="write HOST[:PORT][/PATH], such as mirror.example.com:8443"
            )
        return cls(Place(PlaceKind.REGISTRY, host), _prefix(path, text))

    @property
    def samples_registry(self) -> str:
        """The value of ``samplesRegistry`` for a registry. Meaningless for a disk."""
        return f"{self.place.address}/{self.prefix}" if self.prefix else self.place.address

    def destination(self, spec: str) -> Reference:
        """Return where the image of ``spec`` must be, with ``latest`` where the spec says neither tag nor digest.

        Raises MalformedError where what the operator makes of the spec is no reference: no registry can serve it.
        """
        registry = self.samples_registry if self.place.kind is PlaceKind.REGISTRY else _ANY_REGISTRY
        text = rewritten(spec, registry)
        try:
            found = image_reference(text)
        except MalformedError as error:
            raise MalformedError(
                f"the samples operator makes {text!r} of {spec!r}, which is no reference: {error.message}",
                hint="put the stream into skippedImagestreams; `samples config` does",
            ) from error
        if self.place.kind is PlaceKind.REGISTRY:
            return found
        path = f"{self.prefix}/{found.repository.path}" if self.prefix else found.repository.path
        return Reference(Repository(self.place, path), found.tag, found.digest)


def _prefix(path: str, text: str) -> str:
    if path and not is_repository_path(path):
        raise MalformedError(
            f"{path!r} in {text!r} is no path of repositories", hint="samples keep their own tags; name no tag here"
        )
    return path
