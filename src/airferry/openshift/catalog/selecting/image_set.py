"""What an ImageSetConfiguration of oc-mirror wants of one catalog.

Source: oc-mirror, api v2alpha1 and v1alpha2, ``mirror.operators``. Meant as oc-mirror means it: a package alone is the
head of each of its channels, an entry without packages the head of every channel, ``full`` all versions. Unknown
fields are refused, as oc-mirror does; what is not about which operators are wanted is passed over, and told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from airferry.errors import AirferryError, MalformedError, UnsupportedError, UsageError
from airferry.oci import Reference
from airferry.openshift.catalog.reading.yaml_documents import read_yaml
from airferry.openshift.catalog.selecting.wanted import Depth, Wanted, WantedChannel, WantedPackage
from airferry.openshift.semver import is_version
from airferry.openshift.version_range import VersionRange

_KIND: Final = "ImageSetConfiguration"
_GROUP: Final = "mirror.openshift.io/"

_TOP: Final = frozenset({"kind", "apiVersion", "mirror"})
_TOP_PASSED: Final = frozenset({"archiveSize", "storageConfig", "metadata"})
_MIRROR_PASSED: Final = frozenset({"platform", "additionalImages", "helm", "blockedImages", "samples", "ocp"})
_ENTRY: Final = frozenset({"catalog", "packages", "full", "skipDependencies"})
_ENTRY_PASSED: Final = frozenset(
    {"targetCatalog", "targetTag", "targetName", "targetCatalogSourceTemplate", "platforms", "originalRef"}
)
_PACKAGE: Final = frozenset({"name", "channels", "minVersion", "maxVersion", "defaultChannel"})
_CHANNEL: Final = frozenset({"name", "minVersion", "maxVersion"})
_BY_BUNDLE: Final = frozenset({"minBundle", "bundles"})


@dataclass(frozen=True, slots=True)
class ImageSetWish:
    """What the file wants of the catalog, and what of it was passed over, as sentences."""

    wanted: Wanted
    notes: tuple[str, ...] = ()


def read_image_set(text: str, catalog: str, file: str) -> ImageSetWish:
    """Return what the configuration ``text`` wants of ``catalog``, as it is named on the command line.

    The entry for the catalog is the one that names it; or its repository under another tag; or the only one there is.
    Raises MalformedError with the path of the field, UnsupportedError, and UsageError when no entry fits.
    """
    document = _document(text, file)
    notes = [_passed(name) for name in _keys(document, _TOP, _TOP_PASSED, file, "")]
    mirror = _object(document.get("mirror"), "mirror", file)
    notes += [_passed(f"mirror.{name}") for name in _keys(mirror, {"operators"}, _MIRROR_PASSED, file, "mirror.")]
    entries = [
        _object(item, f"mirror.operators[{number}]", file)
        for number, item in enumerate(_list(mirror.get("operators"), "mirror.operators", file))
    ]
    number, told = _matching(entries, catalog, file)
    where = f"mirror.operators[{number}]"
    notes += [_passed(f"{where}.{name}") for name in _keys(entries[number], _ENTRY, _ENTRY_PASSED, file, f"{where}.")]
    return ImageSetWish(_wanted(entries[number], where, file), (*notes, *told))


def _wanted(entry: Mapping[str, Any], where: str, file: str) -> Wanted:
    packages = tuple(
        _package(item, f"{where}.packages[{number}]", file)
        for number, item in enumerate(_list(entry.get("packages"), f"{where}.packages", file))
    )
    _refuse_twice([package.name for package in packages], f"{where}.packages", file)
    full = _flag(entry, "full", where, file)
    # Without packages the head of every channel is what oc-mirror takes; with them the wish itself knows.
    depth = Depth.ALL if full else None if packages else Depth.HEADS
    return Wanted(packages, depth, not _flag(entry, "skipDependencies", where, file))


def _package(item: Any, where: str, file: str) -> WantedPackage:
    value = _object(item, where, file)
    _keys(value, _PACKAGE, (), file, f"{where}.")
    channels = tuple(
        _channel(inner, f"{where}.channels[{number}]", file)
        for number, inner in enumerate(_list(value.get("channels"), f"{where}.channels", file))
    )
    _refuse_twice([channel.name for channel in channels], f"{where}.channels", file)
    versions = _versions(value, where, file)
    if versions is not None and any(channel.versions is not None for channel in channels):
        raise MalformedError(f"{file}: {where} has versions for the package and for a channel", hint="keep one of both")
    default = _word(value, "defaultChannel", where, file)
    return WantedPackage(_name(value, where, file), channels, versions, default)


def _channel(item: Any, where: str, file: str) -> WantedChannel:
    value = _object(item, where, file)
    _keys(value, _CHANNEL, (), file, f"{where}.")
    return WantedChannel(_name(value, where, file), _versions(value, where, file))


def _versions(value: Mapping[str, Any], where: str, file: str) -> VersionRange | None:
    conditions = []
    for sign, field in ((">=", "minVersion"), ("<=", "maxVersion")):
        version = _word(value, field, where, file).removeprefix("v")
        if version and not is_version(version):
            raise MalformedError(f"{file}: {where}.{field} is no version: {version}", hint="such as 1.2.3")
        if version:
            conditions.append(sign + version)
    return VersionRange.parse(" ".join(conditions)) if conditions else None


def _matching(entries: list[Mapping[str, Any]], catalog: str, file: str) -> tuple[int, list[str]]:
    """Return which entry is for the catalog, and what should be told of that."""
    names = [_word(entry, "catalog", f"mirror.operators[{number}]", file) for number, entry in enumerate(entries)]
    if not names:
        raise UsageError(f"{file} has no mirror.operators", hint="it wants nothing of any catalog")
    for likeness in (_same, _repository, _last_part):
        found = [number for number, name in enumerate(names) if name and likeness(name) == likeness(catalog)]
        if len(found) == 1:
            told = [] if likeness is _same else [f"{file}: what it wants of {names[found[0]]} is taken from {catalog}"]
            return found[0], told
        if len(found) > 1:
            raise UsageError(f"{file} has {len(found)} entries for {catalog}", hint="join them into one")
    if len(names) == 1:
        return 0, [f"{file}: what it wants of {names[0] or 'its catalog'} is taken from {catalog}"]
    raise UsageError(f"{file} has no entry for {catalog}", hint=f"it has: {', '.join(name for name in names if name)}")


def _same(name: str) -> str:
    return name.removeprefix("docker://").rstrip("/")


def _repository(name: str) -> str:
    try:
        return str(Reference.parse(name).repository)
    except AirferryError:
        return _same(name)


def _last_part(name: str) -> str:
    return _same(name).rpartition("/")[2]


def _document(text: str, file: str) -> Mapping[str, Any]:
    documents = [item for item in read_yaml([text.encode()], file) if item is not None]
    if len(documents) != 1:
        raise MalformedError(f"{file} holds {len(documents)} documents", hint=f"keep the one {_KIND} that is meant")
    document = _object(documents[0], "the document", file)
    kind, version = document.get("kind"), document.get("apiVersion")
    if kind != _KIND:
        raise MalformedError(f"{file} is not an {_KIND}: its kind is {kind!r}")
    if version is not None and not str(version).startswith(_GROUP):
        raise MalformedError(f"{file}: apiVersion is {version!r}", hint=f"such as {_GROUP}v2alpha1")
    return document


def _keys(
    value: Mapping[str, Any], known: Iterable[str], passed: Iterable[str], file: str, where: str
) -> tuple[str, ...]:
    """Return the fields that are passed over. Raises for those that nobody knows."""
    known, passed = frozenset(known), frozenset(passed)
    for name in value:
        if name in _BY_BUNDLE:
            raise UnsupportedError(
                f"{file}: {where}{name} is not supported", hint="say it by minVersion and maxVersion"
            )
        if name not in known and name not in passed:
            near = get_close_matches(str(name), known | passed, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
            raise MalformedError(f"{file}: {where}{name} is no field of an {_KIND}", hint=hint)
    return tuple(name for name in value if name in passed)


def _passed(path: str) -> str:
    return f"{path} is passed over: it does not say which operators are wanted"


def _refuse_twice(names: list[str], where: str, file: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MalformedError(f"{file}: {where} names {', '.join(twice)} twice", hint="join them into one")


def _object(value: Any, where: str, file: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MalformedError(f"{file}: {where} is not an object but {type(value).__name__}")
    return value


def _list(value: Any, where: str, file: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedError(f"{file}: {where} is not a list but {type(value).__name__}")
    return value


def _name(value: Mapping[str, Any], where: str, file: str) -> str:
    name = _word(value, "name", where, file)
    if not name:
        raise MalformedError(f"{file}: {where} has no name")
    return name


def _word(value: Mapping[str, Any], field: str, where: str, file: str) -> str:
    word = value.get(field)
    if word is None:
        return ""
    if not isinstance(word, str):
        raise MalformedError(f"{file}: {where}.{field} is not text but {word!r}", hint="put it in quotes")
    return word.strip()


def _flag(value: Mapping[str, Any], field: str, where: str, file: str) -> bool:
    flag = value.get(field, False)
    if not isinstance(flag, bool):
        raise MalformedError(f"{file}: {where}.{field} is neither true nor false but {flag!r}")
    return flag
