"""The rule by which opm refuses a cache. The digests are what Go's archive/tar and hash/fnv make of these trees."""

from airferry.openshift.catalog.building.cache_digest import check_cache, files_digest
from airferry.openshift.catalog.building.tar_stream import TarFile

DOCUMENTS = {
    ".": TarFile("", None, 0o755),
    "etcd": TarFile("", None, 0o755),
    "etcd/catalog.json": TarFile("", b'{"schema":"olm.package","name":"etcd","defaultChannel":"a"}\n'),
    f"{'x' * 120}.json": TarFile("", b"{}"),
}
CACHE = {
    ".": TarFile("", None, 0o750),
    "cache": TarFile("", None, 0o750),
    "cache/packages.json": TarFile("", b'{"etcd":{}}', 0o640),
    "cache/\u00e9_a_b.json": TarFile("", "\u00e9".encode(), 0o640),
}
DIGEST, DIGEST_WITHOUT_CACHE = "d66e9fb3a30334a6", "83176a684891a3f7"


def test_the_digest_is_that_of_opm() -> None:
    assert files_digest(DOCUMENTS, CACHE) == DIGEST
    assert files_digest(DOCUMENTS, {".": CACHE["."]}) == DIGEST_WITHOUT_CACHE
    backwards = dict(reversed(DOCUMENTS.items()))
    assert files_digest(backwards, CACHE) == DIGEST


def test_a_cache_is_good_with_the_digest_of_the_documents_that_are_there() -> None:
    stored = {"digest": TarFile("", f"{DIGEST}\n".encode(), 0o640)}
    assert check_cache(DOCUMENTS, {**CACHE, **stored}).valid is True
    changed = {**DOCUMENTS, "etcd/catalog.json": TarFile("", b"{}")}
    assert check_cache(changed, {**CACHE, **stored}).valid is False
    other_mode = {**DOCUMENTS, "etcd": TarFile("", None, 0o700)}
    assert check_cache(other_mode, {**CACHE, **stored}).valid is False
    assert check_cache(DOCUMENTS, {**CACHE, **stored, "cache/more": TarFile("", b"")}).valid is False


def test_what_is_no_cache_or_cannot_be_computed_is_told_apart() -> None:
    assert check_cache(DOCUMENTS, {".": CACHE["."]}).valid is False
    assert check_cache(DOCUMENTS, CACHE).reason == "the cache holds no digest"
    database = {**CACHE, "pogreb.v1": TarFile("", None)}
    assert check_cache(DOCUMENTS, database).valid is False
    assert check_cache(DOCUMENTS, {**database, "pogreb.v1/digest": TarFile("", b"x")}).valid is None
