"""Image streams read from what people have: files of ImageStreams, ``oc get is -o json``, the operator's ConfigMap.

Errors name the file, the document or item, and the field.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from airferry.errors import MalformedError
from airferry.oci.descriptor import shortened
from airferry.oci.reference import is_repository_path, is_tag, refuse_userinfo
from airferry.openshift.documents import read_documents
from airferry.openshift.samples.streams import Stream, StreamTag

CONFIG_MAP: Final = "imagestreamtag-to-image"
"""The ConfigMap in which the operator lists what it imports: ``STREAM_TAG: IMAGE``."""

MANAGED_LABEL: Final = "samples.operator.openshift.io/managed"
CONTENT_FOLDER: Final = "opt/openshift/operator/"
"""Where the operator's image has its files: a folder for each architecture, in older ones with ocp- or okd- before it.

Below it, each file in a folder whose name ends in ``imagestreams`` holds one stream.
"""

ARCHITECTURES: Final = ("x86_64", "aarch64", "ppc64le", "s390x")
_MOST_CHARACTERS: Final = 64 * 1024 * 1024
_LISTS: Final = ("List", "ImageStreamList")
_OF_OBJECTS: Final = frozenset({"apiVersion", "kind", "metadata"})
_API_VERSIONS: Final = ("image.openshift.io/v1", "v1")


def parse_streams(text: str, file: str, *, is_one_of_many: bool = False) -> tuple[Stream, ...]:
    """Return the streams of a file: an ImageStream, a List of them, the ConfigMap, or several documents of these.

    Templates and other objects that stand beside streams in such files are passed over; where the file
    ``is_one_of_many`` of a folder, so is what is no object of a cluster at all. Raises MalformedError.
    """
    architecture = architecture_of(file)
    found: list[Stream] = []
    for where, document in _documents(text.removeprefix("\ufeff"), file):
        if not is_one_of_many or _is_object(document):
            found += _streams(document, where, architecture)
    return tuple(found)


def _is_object(document: Any) -> bool:
    return isinstance(document, dict) and not _OF_OBJECTS.isdisjoint(document)


def is_stream_file(name: str) -> bool:
    """Whether the operator takes a file of its image for a stream, by where it lies."""
    *folders, _ = name.split("/")
    return name.startswith(CONTENT_FOLDER) and len(folders) > 4 and folders[-1].endswith("imagestreams")


def architecture_of(file: str) -> str | None:
    """Return the architecture that a file's folder or name tells (ocp-x86_64/…, …-rhel-aarch64.json), or None."""
    *folders, name = file.split("/")
    for folder in reversed(folders):
        word = folder.removeprefix("ocp-").removeprefix("okd-")
        if word in ARCHITECTURES:
            return word
    stem = name.partition(".json")[0].partition(".y")[0]
    return next((word for word in ARCHITECTURES if stem.endswith(f"-{word}")), None)


def _documents(text: str, file: str) -> Iterator[tuple[str, Any]]:
    # What oc prints may have megabytes, for which the reader of YAML takes minutes.
    if text.lstrip().startswith("{") and len(text) <= _MOST_CHARACTERS:
        try:
            document = json.loads(text)
        except RecursionError:
            raise MalformedError(f"{file} is nested too deep") from None
        except ValueError:
            pass  # JSON in the sense of YAML, or neither: the other reader tells
        else:
            yield file, document
            return
    yield from read_documents(text, file)


def _streams(document: Any, where: str, architecture: str | None) -> list[Stream]:
    if not isinstance(document, dict):
        raise MalformedError(f"{where} is not an object but {type(document).__name__}")
    kind = document.get("kind")
    if kind in _LISTS:
        return [
            stream
            for number, item in enumerate(_list(document, "items", where))
            for stream in _streams(item, f"{where}, items[{number}]", architecture)
        ]
    if kind == "ConfigMap":
        return _from_config_map(document, where)
    if kind == "ImageStream":
        return [_stream(document, where, architecture)]
    if not isinstance(kind, str):
        raise MalformedError(
            f"{where} has no kind", hint="name files of ImageStreams, or what `oc get is -o json` printed"
        )
    return []


def _stream(document: Mapping[str, Any], where: str, architecture: str | None) -> Stream:
    if document.get("apiVersion") not in _API_VERSIONS:
        raise MalformedError(
            f"{where}: an ImageStream of {document.get('apiVersion')!r}", hint=f"it is {_API_VERSIONS[0]} today"
        )
    metadata = _map(document, "metadata", where)
    name = _text(metadata, "name", f"{where}, metadata")
    if not is_repository_path(name) or "/" in name:
        raise MalformedError(f"{where}: {name!r} cannot be the name of an ImageStream")
    where = f"{where}, ImageStream {name}"
    labels, spec = _map(metadata, "labels", where), _map(document, "spec", where)
    tags = tuple(_tag(item, f"{where}, spec.tags[{number}]") for number, item in enumerate(_list(spec, "tags", where)))
    names = [tag.name for tag in tags]
    twice = next((tag for tag in names if names.count(tag) > 1), None)
    if twice is not None:
        raise MalformedError(f"{where} has the tag {twice} twice")
    repository = spec.get("dockerImageRepository")
    label = labels.get(MANAGED_LABEL)
    return Stream(
        name,
        tags,
        architecture,
        _image(spec, "dockerImageRepository", f"{where}, spec") if repository else None,
        None if label is None else label == "true",
        where,
    )


def _tag(item: Any, where: str) -> StreamTag:
    if not isinstance(item, dict):
        raise MalformedError(f"{where} is not an object")
    name = _text(item, "name", where)
    if not is_tag(name):
        raise MalformedError(f"{where}: {name!r} cannot be the name of a tag")
    origin = item.get("from")
    if origin is None:
        return StreamTag(name, oddity="it names no image: what it is comes from outside, by a push")
    if not isinstance(origin, dict):
        raise MalformedError(f"{where}.from is not an object")
    target = _image(origin, "name", f"{where}.from")
    match origin.get("kind"):
        case "DockerImage":
            return StreamTag(name, image=target)
        case "ImageStreamTag":
            return StreamTag(name, alias=target)
        case "ImageStreamImage":
            return StreamTag(name, oddity=f"it is the image {target} of a stream, whose place is not told")
        case kind:
            raise MalformedError(
                f"{where}.from.kind is {kind!r}", hint="DockerImage, ImageStreamTag and ImageStreamImage are known"
            )


def _from_config_map(document: Mapping[str, Any], where: str) -> list[Stream]:
    name = _map(document, "metadata", where).get("name")
    if name != CONFIG_MAP:
        raise MalformedError(
            f"{where} is the ConfigMap {name!r}, not {CONFIG_MAP}",
            hint=f"oc get configmap {CONFIG_MAP} -n openshift-cluster-samples-operator -o json",
        )
    tags: dict[str, list[StreamTag]] = {}
    for key, image in _map(document, "data", where).items():
        # Names of streams hold no underscore (they are names of objects), tags may.
        stream, underscore, tag = str(key).partition("_")
        if not underscore or not is_repository_path(stream) or not is_tag(tag):
            raise MalformedError(f"{where}, data: the key {key!r} is not STREAM_TAG")
        found = _image({key: image}, key, f"{where}, data")
        tags.setdefault(stream, []).append(StreamTag(tag, image=found))
    return [
        Stream(stream, tuple(found), file=f"{where}, data.{stream}_{found[0].name}") for stream, found in tags.items()
    ]


def _map(document: Mapping[str, Any], field: str, where: str) -> Mapping[str, Any]:
    value = document.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedError(f"{where}: {field} is not a map of fields")
    return value


def _list(document: Mapping[str, Any], field: str, where: str) -> list[Any]:
    value = document.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedError(f"{where}: {field} is not a list")
    return value


def _text(document: Mapping[str, Any], field: str, where: str) -> str:
    value = document.get(field)
    if value is None or value == "":
        raise MalformedError(f"{where} has no {field}")
    if not isinstance(value, str):
        raise MalformedError(f"{where}.{field} is not text but {shortened(value)}", hint="in YAML write it in quotes")
    return _printable(value, f"{where}.{field}")


def _image(document: Mapping[str, Any], field: str, where: str) -> str:
    """Return a pull spec, which is shown wherever its tag is: it must not hold a password."""
    text = _text(document, field, where)
    try:
        refuse_userinfo(text)
    except MalformedError as error:
        raise MalformedError(f"{where}.{field}: {error.message}", hint=error.hint) from None
    return text


def _printable(text: str, where: str) -> str:
    """Return ``text``, which will be shown on terminals: signs that steer them are no part of any name."""
    if not text.isprintable():
        raise MalformedError(f"{where} holds signs that cannot be printed: {text!r}")
    return text
