"""What the flags of ``catalog mirror`` mean."""

from dataclasses import dataclass
from pathlib import Path

from airferry.app.catalogs.catalog_mirror_files import MirrorStyles, SetStyle
from airferry.app.catalogs.catalog_source import WantedCatalog
from airferry.app.catalogs.mirror_catalog import MirrorCatalog, parse_destination
from airferry.app.copies.copying import CopyOptions, Tolerance
from airferry.errors import UsageError
from airferry.openshift.catalog.mirroring.catalog_objects import check_object_name
from airferry.openshift.catalog.mirroring.mirror_names import check_max_components
from airferry.openshift.cluster.mirror_scopes import ScopeWidth


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFlags:
    """The flags about copying; a catalog goes on past every failure, whatever is said."""

    dry_run: bool
    no_attachments: bool
    refresh: bool
    force: bool
    skip_mount: bool
    max_per_registry: int

    def options(self) -> CopyOptions:
        """Return what they mean."""
        return CopyOptions(
            dry_run=self.dry_run,
            attachments=not self.no_attachments,
            refresh=self.refresh,
            tolerance=Tolerance.FAILURES,
            force=self.force,
            mount=not self.skip_mount,
            workers=self.max_per_registry,
        )


def new_request(
    source: WantedCatalog,
    destination: str,
    copying: CopyFlags,
    *,
    max_components: int,
    manifests_only: bool,
    to_manifests: Path | None,
    name: str | None,
    idms_scope: str,
    icsp_scope: str,
    max_idms_size: int,
    max_icsp_size: int,
) -> MirrorCatalog:
    """Return the request that the command line's flags mean. Raises UsageError and others, before anything is read."""
    if manifests_only and copying.dry_run:
        raise UsageError("--manifests-only and --dry-run may not both be given", hint="--manifests-only reads less")
    return MirrorCatalog(
        source=source,
        destination=parse_destination(destination, source.tree),
        max_components=check_max_components(max_components),
        manifests_only=manifests_only,
        folder=to_manifests,
        name=check_object_name(name) if name is not None else None,
        styles=MirrorStyles(
            SetStyle(ScopeWidth(idms_scope), max_idms_size), SetStyle(ScopeWidth(icsp_scope), max_icsp_size)
        ),
        options=copying.options(),
    )
