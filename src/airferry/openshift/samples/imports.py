"""What the samples operator will import under its Config: from where, and under which tag."""

from dataclasses import dataclass
from typing import Final

from airferry.errors import AirferryError
from airferry.oci import Reference
from airferry.openshift.samples.operator_config import OperatorConfig
from airferry.openshift.samples.rewriting import rewritten
from airferry.openshift.samples.streams import Belonging, Inventory, Resolved, image_reference

_INTERNAL: Final = "image-registry.openshift-image-registry.svc:5000/openshift"


@dataclass(frozen=True, slots=True)
class Import:
    """One tag that will be imported, ``STREAM:TAG``. ``reference`` is where from, None where there is ``trouble``.

    ``is_rewritten`` is False where the operator leaves the pull spec as it is, whatever its samplesRegistry.
    """

    stream: str
    name: str
    reference: Reference | None
    trouble: str | None = None
    is_rewritten: bool = True

    @property
    def shown(self) -> Reference:
        """Where it is imported from, or else the name by which pods of the cluster know the tag."""
        return self.reference or Reference.parse(f"{_INTERNAL}/{self.name}")


def imports(inventory: Inventory, config: OperatorConfig) -> tuple[Import, ...]:
    """Return every import; none where the operator does not manage the samples. Aliases are not imported themselves."""
    if config.state != "Managed":
        return ()
    found: list[Import] = []
    for stream in inventory.streams:
        if stream.belonging not in (Belonging.SAMPLE, Belonging.OUTSIDE) or stream.name in config.skipped:
            continue
        if stream.repository is not None:
            found.append(Import(stream.name, f"{stream.name}:latest", None, every_tag(stream.repository)))
        items = [inventory.resolve(stream, tag) for tag in stream.tags if tag.is_imported]
        found += [_import(item, config) for item in items if item.tag.alias is None or item.image is None]
    return tuple(found)


def every_tag(repository: str) -> str:
    """Say why a stream with the deprecated ``dockerImageRepository`` cannot be mirrored by names."""
    return f"it imports every tag of {repository}, and not tags that are named"


def _import(item: Resolved, config: OperatorConfig) -> Import:
    is_rewritten = item.stream.belonging is Belonging.SAMPLE
    if item.image is None:
        return Import(item.stream.name, item.name, None, item.trouble, is_rewritten)
    spec = rewritten(item.image, config.samples_registry) if is_rewritten else item.image
    try:
        return Import(item.stream.name, item.name, image_reference(spec), None, is_rewritten)
    except AirferryError as error:
        return Import(item.stream.name, item.name, None, f"the operator imports {spec}: {error.message}", is_rewritten)
