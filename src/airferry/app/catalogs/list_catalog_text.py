"""``catalog list`` for people: a line for each package, or sections for the packages that were named."""

from collections.abc import Iterable, Iterator, Sequence

from airferry.app.catalogs.catalog_findings import finding_line, one_line
from airferry.app.catalogs.catalog_forms import CatalogForm
from airferry.app.catalogs.list_catalog import ListedCatalog, display_name
from airferry.openshift.catalog.model import Channel, Package
from airferry.openshift.catalog.upgrade_graph import heads
from airferry.quantities import print_count, print_decimal_size

_FORMS = {
    CatalogForm.DOCUMENTS: "file-based catalog",
    CatalogForm.DATABASE: "index in SQLite, a form that OLM has deprecated",
    CatalogForm.BUNDLES: "bundles outside of a catalog",
    CatalogForm.PACKAGES: "package manifests of an app registry",
}
_MAX_FINDINGS = 20
_MAX_HEADS = 2  # a sound channel has one


def catalogs_text(listed: Sequence[ListedCatalog], *, in_full: bool) -> str:
    """Return all catalogs; ``in_full`` shows channels and versions of each package."""
    return "\n".join(_catalog_text(item, in_full) for item in listed)


def findings_lines(listed: Sequence[ListedCatalog]) -> list[str]:
    """Return a line for each thing that is wrong with what is shown, the first twenty of each catalog."""
    lines = []
    for item in listed:
        lines += [finding_line(finding) for finding in item.catalog.findings[:_MAX_FINDINGS]]
        more = len(item.catalog.findings) - _MAX_FINDINGS
        if more > 0:
            lines.append(f"{more} more of these in {item.asked}: -o json shows all")
        for unread in item.sizes.unread if item.sizes is not None else ():
            lines.append(f"{unread.image} of {', '.join(unread.packages)} cannot be read: {unread.error.message}")
    return [one_line(line) for line in lines]


def _catalog_text(item: ListedCatalog, in_full: bool) -> str:
    packages = item.catalog.packages.values()
    channels = sum(len(package.channels) for package in packages)
    bundles = sum(len(package.bundles) for package in packages)
    facts = [("Catalog", item.asked), ("Digest", item.digest), ("Form", _FORMS[item.form])]
    counts = ((len(packages), "package"), (channels, "channel"), (bundles, "bundle"))
    facts.append(("Holds", ", ".join(print_count(number, what) for number, what in counts)))
    if item.sizes is not None:
        together = item.sizes.together
        heads_size, all_size = print_decimal_size(together.heads_bytes), print_decimal_size(together.all_bytes)
        unread = print_count(len(item.sizes.unread), "image")
        lacks = f", without {unread} that cannot be read" if item.sizes.unread else ""
        facts.append(("Size", f"{heads_size} with the newest of each channel, {all_size} whole{lacks}"))
    head = "".join(f"{f'{name}:':<9}{one_line(value)}\n" for name, value in facts if value)
    if not packages:
        return head
    if in_full:
        return head + "".join(f"\n{_package_text(package, item)}" for package in packages)
    return f"{head}\n{_table(_overview(item))}"


def _overview(item: ListedCatalog) -> Iterator[tuple[str, ...]]:
    sized = ("HEADS SIZE", "SIZE") if item.sizes is not None else ()
    yield ("PACKAGE", "DEFAULT CHANNEL", "VERSION", "CHANNELS", "BUNDLES", *sized, "DISPLAY NAME")
    for package in item.catalog.packages.values():
        channel = package.channels.get(package.default_channel)
        name = display_name(package)
        yield (
            package.name,
            package.default_channel or "-",
            _newest(channel, package) if channel is not None else "-",
            str(len(package.channels)),
            str(len(package.bundles)),
            *_sizes(package, item),
            f"{name} (deprecated)".strip() if _is_deprecated(package) else name,
        )


def _package_text(package: Package, item: ListedCatalog) -> str:
    facts = [("Package", package.name), ("Name", display_name(package)), ("Default", package.default_channel or "none")]
    if item.sizes is not None:
        newest, whole = _sizes(package, item)
        facts.append(("Size", f"{newest} with the newest of each channel, {whole} whole"))
    for notice in package.deprecations:
        what = notice.schema.removeprefix("olm.")
        of = "" if notice.schema == "olm.package" else f"{what} {notice.name}: "
        facts.append(("Deprecated", f"{of}{notice.message}"))
    width = max(len(name) for name, _ in facts) + 2
    head = "".join(f"{f'{name}:':<{width}}{one_line(value)}\n" for name, value in facts if value)
    return head + "".join(f"\n{_channel_text(channel, package)}" for channel in package.channels.values())


def _channel_text(channel: Channel, package: Package) -> str:
    newest = heads(channel)
    old = {notice.name for notice in package.deprecations if notice.schema == "olm.bundle"}
    marks = ", the default" if channel.name == package.default_channel else ""
    rows = [("VERSION", "BUNDLE", "REPLACES", "NOTES")]
    for entry in channel.entries:
        bundle = package.bundles.get(entry.name)
        notes = [
            "head" if entry.name in newest else "",
            "deprecated" if entry.name in old else "",
            "not in the catalog" if bundle is None else "",
            f"skips {', '.join(entry.skips)}" if entry.skips else "",
            f"updates {entry.skip_range}" if entry.skip_range else "",
        ]
        version = bundle.version if bundle is not None else ""
        rows.append((version or "-", entry.name, entry.replaces or "-", "; ".join(filter(None, notes))))
    return f"Channel {one_line(channel.name)}{marks}\n{_table(rows, indent='  ')}"


def _newest(channel: Channel, package: Package) -> str:
    versions = [package.bundles[name].version if name in package.bundles else name for name in heads(channel)]
    more = f" and {len(versions) - _MAX_HEADS} more" if len(versions) > _MAX_HEADS else ""
    return ", ".join(filter(None, versions[:_MAX_HEADS])) + more or "-"


def _sizes(package: Package, item: ListedCatalog) -> tuple[str, ...]:
    if item.sizes is None:
        return ()
    size = item.sizes.packages[package.name]
    least = "≥ " if any(package.name in unread.packages for unread in item.sizes.unread) else ""
    return tuple(f"{least}{print_decimal_size(bytes_)}" for bytes_ in (size.heads_bytes, size.all_bytes))


def _is_deprecated(package: Package) -> bool:
    return any(notice.schema == "olm.package" for notice in package.deprecations)


def _table(rows: Iterable[tuple[str, ...]], *, indent: str = "") -> str:
    shown = [tuple(one_line(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in shown)
    return "".join(f"{indent}{line}".rstrip() + "\n" for line in lines)
