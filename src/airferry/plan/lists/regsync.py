"""The configuration of regsync. Source: regclient's documentation, "regsync", and its configuration's fields."""

from typing import Final

from airferry.errors import AirferryError, MalformedError, UnsupportedError
from airferry.oci import Place, PlaceKind, Reference
from airferry.oci.reference import is_host
from airferry.plan.lists.documents import Node, unknown_fields
from airferry.plan.lists.model import Choice, ImageList, Note, RegistryWish, Wish
from airferry.plan.lists.plain import parse_image
from airferry.plan.lists.regular import Regular
from airferry.plan.lists.skopeo import credentials_note, insecure_note, parse_range

_LATER: Final = frozenset({"interval", "schedule"})
_PACE: Final = frozenset(
    {"parallel", "ratelimit", "blobLimit", "cacheCount", "cacheTime", "userAgent", "skipDockerConfig", "fastCheck"}
)
_ATTACHED: Final = frozenset({"referrers", "referrerSlow", "digestTags"})
_NOT_DONE: Final = {
    "hooks": "hooks are not run",
    "backup": "what a tag pointed at before gets no backup tag",
    "mediaTypes": "manifests of every type are copied",
    "referrerFilters": "all that refers to an image is copied",
    "referrerSource": "referrers are looked for beside the image only",
    "referrerTarget": "referrers go where the image goes",
    "includeExternal": "layers that lie elsewhere are not copied",
    "forceRecursive": "not needed: what is there is looked at down to its blobs; --refresh forgets earlier runs",
}
_OPTIONS: Final = _LATER | _PACE | _ATTACHED | _NOT_DONE.keys()
_ENTRY: Final = _OPTIONS | {"source", "target", "type", "tags", "tagSets", "repos", "platform", "platforms"}
_CHOICE: Final = frozenset({"allow", "deny", "semverRange"})


def parse_regsync(document: Node, *, tree: str = ".") -> ImageList:
    """Return what ``sync`` asks for. Raises MalformedError with the line; UnsupportedError for Go templates."""
    fields = document.fields()
    notes = list(unknown_fields(fields, frozenset({"version", "creds", "defaults", "sync"})))
    if (node := fields.get("version")) is not None and node.text() != "1":
        raise UnsupportedError(f"{node.where}: only version 1 of regsync's configuration is known")
    for creds in fields["creds"].items() if "creds" in fields else ():
        notes += _creds_notes(creds)
    defaults = fields["defaults"].fields() if "defaults" in fields else {}
    notes += _option_notes(defaults, _OPTIONS)
    wishes: list[Wish] = []
    registries: list[RegistryWish] = []
    for entry in fields["sync"].items():
        of = entry.fields()
        notes += _option_notes(of, _ENTRY)
        match _need(entry, of, "type").text():
            case "image":
                wishes.append(_image(entry, of, tree))
            case "repository":
                wishes.append(_repository(entry, of, tree))
            case "registry":
                registries.append(_registry(entry, of))
            case _:
                raise MalformedError(f"{of['type'].where} is none of registry, repository and image")
    return ImageList(tuple(wishes), tuple(registries), notes=tuple(notes))


def _image(entry: Node, of: dict[str, Node], tree: str) -> Wish:
    source, target = _need(entry, of, "source"), _need(entry, of, "target")
    found = parse_image(_address(source), source.where, tree=tree)
    to = parse_image(_address(target), target.where, tree=tree)
    if to.digest is not None:
        raise MalformedError(f"{target.where}: images are put under tags, not digests")
    return Wish(found, entry.where, (), to, _platforms(of))


def _repository(entry: Node, of: dict[str, Node], tree: str) -> Wish:
    source, target = (_reference(_need(entry, of, name), tree) for name in ("source", "target"))
    return Wish(source, entry.where, _choices(of), target, _platforms(of))


def _registry(entry: Node, of: dict[str, Node]) -> RegistryWish:
    source, target = _need(entry, of, "source"), _need(entry, of, "target")
    host = _address(source)
    if not is_host(host):
        raise MalformedError(f"{source.where} is not the host of a registry")
    repositories = _choice(of["repos"], "repos") if "repos" in of else Choice()
    to = _address(target).rstrip("/")
    if not is_host(to.partition("/")[0]):
        raise MalformedError(f"{target.where} is not a registry")
    place = Place(PlaceKind.REGISTRY, host)
    return RegistryWish(place, entry.where, to, repositories, _choices(of), _platforms(of))


def _need(entry: Node, of: dict[str, Node], name: str) -> Node:
    if name not in of:
        raise MalformedError(f"{entry.where} has no {name}")
    return of[name]


def _address(node: Node) -> str:
    text = node.text()
    if "{{" in text:
        raise UnsupportedError(f"{node.where} is a Go template", hint="write out what it comes to")
    return f"oci://{text.removeprefix('ocidir://')}" if text.startswith("ocidir://") else text


def _reference(node: Node, tree: str) -> Reference:
    try:
        reference = Reference.parse(_address(node), tree=tree)
    except UnsupportedError:
        raise
    except AirferryError as error:
        raise MalformedError(f"{node.where}: {error.message}", hint=error.hint) from error
    if reference.tag is not None or reference.digest is not None:
        raise MalformedError(f"{node.where} is an image, and the entry's type wants a repository")
    return reference


def _platforms(of: dict[str, Node]) -> tuple[str, ...]:
    one = (of["platform"].text(),) if "platform" in of and not of["platform"].is_null else ()
    return one or (of["platforms"].texts() if "platforms" in of else ())


def _choices(of: dict[str, Node]) -> tuple[Choice, ...]:
    """``tags`` and each of ``tagSets`` choose; without both, everything is chosen."""
    sets = [_choice(node, "a tag set") for node in (of["tagSets"].items() if "tagSets" in of else ())]
    if "tags" in of and not of["tags"].is_null:
        sets.append(_choice(of["tags"], "tags"))
    return tuple(sets) or (Choice(),)


def _choice(node: Node, what: str) -> Choice:
    fields = node.fields()
    for name, found in fields.items():
        if name not in _CHOICE or (what == "repos" and name == "semverRange"):
            # Not to follow it would copy other images than are meant.
            raise MalformedError(f"{found.where} is not known for {what}", hint="there are allow and deny")
    ranges = tuple(parse_range(item) for item in fields["semverRange"].items()) if "semverRange" in fields else ()
    allow, deny = (_expressions(fields[name]) if name in fields else () for name in ("allow", "deny"))
    return Choice(None, ranges, allow, deny)


def _expressions(node: Node) -> tuple[Regular, ...]:
    """Follow regsync to the letter: ``^`` and ``$`` are written around each as they are, so ``a|b`` is ``^a|b$``."""
    found = []
    for item in node.items():
        try:
            found.append(Regular.parse(f"^{item.text()}$"))
        except MalformedError as error:
            raise MalformedError(f"{item.where}: {error.message}", hint=error.hint) from error
    return tuple(found)


def _option_notes(of: dict[str, Node], known: frozenset[str] | set[str]) -> list[Note]:
    notes = list(unknown_fields(of, frozenset(known)))
    for name, node in of.items():
        if node.is_null:
            continue
        if name in _LATER:
            notes.append(Note(node.where, "this runs once; a timer of systemd or cron runs it again"))
        elif name in _ATTACHED and not node.flag():
            notes.append(Note(node.where, "signatures and referrers travel along; --no-attachments leaves them out"))
        elif name in _NOT_DONE and not (node.kind == "scalar" and node.text() == "false"):
            notes.append(Note(node.where, _NOT_DONE[name]))
    return notes


def _creds_notes(node: Node) -> list[Note]:
    fields = node.fields()
    host = fields["registry"].text() if "registry" in fields else "its registry"
    notes = []
    if any(name in fields for name in ("user", "pass", "credHelper", "token")):
        notes.append(credentials_note(node, host))
    tls = fields.get("tls")
    if tls is not None and tls.text() != "enabled":
        notes.append(insecure_note(tls, host))
    if (authority := fields.get("regcert")) is not None:
        notes.append(Note(authority.where, f"not used; --src-certificate-authority FILE trusts the CA of {host}"))
    return notes
