"""``airferry catalog check``: what is wrong is told for people, for programs and in a ledger."""

import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from airferry.app.catalogs.check_text import TITLES
from airferry.lab import Endpoint, LabStore, Rule, Upstream
from airferry.lab.faults import Answer
from airferry.openshift.catalog.checking import REFUSED_BY_OPM
from airferry.openshift.catalog.findings import FindingCode
from airferry.openshift.catalog.upgrade_graph import Flaw
from cli.world import nothing_listens
from failures.stage import QUICK, Served, airferry

CATALOGS = Path(__file__).parents[1] / "data" / "catalogs"
DIGEST = "sha256:" + "a" * 64
OCI = "application/vnd.oci.image.manifest.v1+json"


def bundle(package: str, version: str, *images: dict[str, str], **properties: Any) -> dict[str, Any]:
    """Return the document of a bundle; ``properties`` are its other ones by name, with - as _ and without olm."""
    more = [{"type": f"olm.{kind.replace('_', '.')}", "value": value} for kind, value in properties.items()]
    return {
        "schema": "olm.bundle",
        "name": f"{package}.v{version}",
        "package": package,
        "image": f"quay.io/{package}/bundle@{DIGEST}",
        "properties": [{"type": "olm.package", "value": {"packageName": package, "version": version}}, *more],
        "relatedImages": list(images) or [{"name": "operand", "image": f"quay.io/{package}/operand@{DIGEST}"}],
    }


def package(name: str, *entries: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the documents of a package with the channel stable."""
    channel = {"schema": "olm.channel", "name": "stable", "package": name, "entries": list(entries)}
    return [{"schema": "olm.package", "name": name, "defaultChannel": "stable"}, channel]


def chain(name: str, *versions: str) -> list[dict[str, Any]]:
    """Return entries, from the oldest on, each of which replaces the one before."""
    names = [f"{name}.v{version}" for version in versions]
    return [
        {"name": one, **({"replaces": older} if older else {})} for older, one in zip(["", *names], names, strict=False)
    ]


def write(folder: Path, *documents: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "catalog.json").write_text("\n".join(map(json.dumps, documents)))
    return folder


NEED = {"packageName": "elastic", "versionRange": ">=5.0.0"}
CLEAN = [
    *package("logging", *chain("logging", "5.7.0", "5.8.0")),
    bundle("logging", "5.7.0"),
    bundle("logging", "5.8.0", package_required=NEED),
    *package("elastic", *chain("elastic", "5.0.0", "5.1.0")),
    bundle("elastic", "5.0.0"),
    bundle("elastic", "5.1.0"),
]


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return write(tmp_path / "clean", *CLEAN)


@pytest.fixture
def slips(tmp_path: Path) -> Path:
    """A catalog with the slips of the field: value for image, tags in many versions, a stranded entry."""
    versions = [f"1.{number}.0" for number in range(6)]
    bundles = [
        bundle(
            "redis",
            version,
            {"name": "redis", "value": f"quay.io/r/redis@{DIGEST}"},
            {"name": "x", "image": f"quay.io/r/x:{version}"},
        )
        for version in versions
    ]
    return write(tmp_path / "slips", *package("redis", *chain("redis", *versions), {"name": "redis.v0.1.0"}), *bundles)


ODD = {"name": "x", "image": "q.io/R:1"}


def test_a_clean_catalog_ends_with_0(clean: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.json"
    run = airferry("catalog", "check", clean, "--ledger", ledger).done()
    assert run.out == f"{clean}: 2 packages, 2 channels, 4 bundles, 4 images\n\nnothing is wrong\n"
    assert json.loads(ledger.read_text()) == {"catalogs": [str(clean)], "gaps": [], "findings": []}


def test_slips_are_told_once_for_all_bundles_and_end_with_3(slips: Path) -> None:
    run = airferry("catalog", "check", slips)
    assert run.code == 3
    assert (
        "related images under value instead of image (6): they were read as what is meant; oc drops them in silence, "
        "and the operator fails offline [value-for-image]\n"
        "  redis\n"
        "    redis.v1.0.0, redis.v1.1.0, redis.v1.2.0 and 3 more: the entry 'redis' says value where image belongs\n"
        f"        read as quay.io/r/redis@{DIGEST}\n"
    ) in run.out
    assert "    quay.io/r/x: 1.0.0, 1.1.0, 1.2.0, 1.3.0, 1.4.0, 1.5.0\n" in run.out
    assert "channel stable: redis.v1.5.0 is one of 2 heads of the channel: redis.v1.5.0, redis.v0.1.0" in run.out
    assert (
        "        fix: let the newest of them replace or skip redis.v1.5.0, or remove it from the channel\n" in run.out
    )
    assert run.out.endswith("\n15 findings\n")


def test_the_slip_of_the_field_is_named_with_bundle_and_entry() -> None:
    run = airferry("catalog", "check", CATALOGS / "packages" / "3scale-community-operator")
    assert run.code == 3
    for role in ("redis-32-rhel7", "mysql-57-rhel7", "postgresql-10-rhel7"):
        assert f"3scale-community-operator.v0.5.1: the entry '{role}' says value where image belongs (" in run.out


@pytest.mark.parametrize(
    ("name", "expected"),
    [("aws-load-balancer-operator", 0), ("kairos-operator", 3), ("multicluster-global-hub-operator", 3)],
)
def test_catalogs_of_the_field_have_no_findings_but_tags(name: str, expected: int) -> None:
    run = airferry("catalog", "check", CATALOGS / "fbc" / name, "-o", "json")
    (answer,) = json.loads(run.out)["catalogs"]
    assert run.code == expected
    assert {finding["code"] for finding in answer["findings"]} <= {"image-by-tag"}


def test_programs_get_every_finding(slips: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.json"
    answer = json.loads(airferry("catalog", "check", slips, "-o", "json", "--ledger", ledger).out)["catalogs"][0]
    assert (answer["packages"], answer["bundles"], len(answer["findings"])) == (1, 6, 15)
    assert answer["findings"][0] == {
        "code": "value-for-image",
        "package": "redis",
        "channel": "",
        "bundle": "redis.v1.0.0",
        "image": "",
        "what": "the entry 'redis' says value where image belongs",
        "where": "catalog.json, document 3, relatedImages[0]",
        "repaired": f"quay.io/r/redis@{DIGEST}",
        "hint": "",
        "consequence": "",
    }
    written = json.loads(ledger.read_text())
    assert not written["gaps"], "nothing that is named is known to be missing"
    assert written["findings"] == [{"catalog": str(slips), **finding} for finding in answer["findings"]]


def test_a_reference_that_is_none_makes_its_version_unusable(tmp_path: Path) -> None:
    folder = write(tmp_path / "odd", *package("redis", *chain("redis", "1.0.0")), bundle("redis", "1.0.0", ODD))
    run = airferry("catalog", "check", folder, "--ledger", tmp_path / "ledger.json")
    told = "redis 1.0.0 is unusable, and OLM would install it from the channel stable"
    assert run.code == 3 and f"        so {told}\n" in run.out
    (gap,) = json.loads((tmp_path / "ledger.json").read_text())["gaps"]
    assert (gap["name"], gap["missing"], gap["consequence"]) == ("redis.v1.0.0", "q.io/R:1", told)


def test_names_in_a_catalog_do_nothing_to_a_terminal(tmp_path: Path) -> None:
    hostile = {"name": "x", "value": f"quay.io/r/redis\x1b[2J@{DIGEST}"}
    folder = write(tmp_path / "odd", *package("redis", *chain("redis", "1.0.0")), bundle("redis", "1.0.0", hostile))
    run = airferry("catalog", "check", folder)
    assert f"read as quay.io/r/redis?[2J@{DIGEST}" in run.out and "\x1b" not in run.out + run.err
    built = airferry("catalog", "build", folder, f"oci://{tmp_path}/built:v1").done()
    assert "redis?[2J@" in built.err and "\x1b" not in built.out + built.err


def test_every_kind_of_finding_has_a_title() -> None:
    assert set(TITLES) == set(FindingCode)
    assert {flaw.value for flaw in Flaw} <= {code.value for code in FindingCode}


def test_what_is_said_not_to_be_served_is_not_built() -> None:
    said = {code for code, (_, meaning) in TITLES.items() if meaning == "OLM does not serve such a catalog"}
    # Of names that are there twice the first is written, and deprecations of what is not there are not.
    assert said - REFUSED_BY_OPM == {FindingCode.DUPLICATE_NAME, FindingCode.ABSENT_DEPRECATED}
    assert said >= REFUSED_BY_OPM


def test_hundreds_of_findings_are_counted_not_listed(tmp_path: Path) -> None:
    versions = [f"1.{number}.0" for number in range(60)]
    bundles = [bundle("redis", one, {"name": "x", "image": f"Bad/{number}"}) for number, one in enumerate(versions)]
    folder = write(tmp_path / "many", *package("redis", *chain("redis", *versions)), *bundles)
    run = airferry("catalog", "check", folder)
    assert "  and 20 more: -o json shows all, --ledger FILE writes all\n" in run.out
    assert len(run.out.splitlines()) < 90


def test_a_selection_is_shown_with_the_reasons(clean: Path) -> None:
    run = airferry("catalog", "check", clean, "--package", "logging").done()
    assert run.out == (
        f"{clean}: 2 packages, 2 channels, 2 bundles, 4 images\n"
        "  elastic, default channel stable\n"
        "    stable: elastic.v5.1.0\n"
        "  logging, default channel stable\n"
        "    stable: logging.v5.8.0\n"
        "added, though not asked for:\n"
        "  logging.v5.8.0 needs elastic >=5.0.0: added elastic.v5.1.0 from its default channel stable, its head\n"
        "\n"
        "nothing is wrong\n"
    )
    alone = airferry("catalog", "check", clean, "--package", "logging", "--no-dependencies", "-o", "json")
    (found,) = json.loads(alone.out)["catalogs"]
    assert alone.code == 3
    assert [finding["code"] for finding in found["findings"]] == ["unsatisfied-need"]
    assert [item["name"] for item in found["selected"]["packages"]] == ["logging"]


def test_a_file_of_oc_mirror_says_what_is_wanted(clean: Path, tmp_path: Path) -> None:
    file = tmp_path / "isc.yaml"
    file.write_text(
        "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  platform: {}\n"
        "  operators:\n  - catalog: quay.io/any/catalog:v1\n    packages: [{name: elastic, minVersion: 5.0.0}]\n"
    )
    run = airferry("catalog", "check", clean, "--select", file, "-o", "json").done()
    (found,) = json.loads(run.out)["catalogs"]
    assert found["selected"]["packages"][0]["channels"] == [
        {"name": "stable", "entries": ["elastic.v5.0.0", "elastic.v5.1.0"]}
    ]
    assert "mirror.platform is passed over" in run.err
    assert f"what it wants of quay.io/any/catalog:v1 is taken from {clean}" in run.err
    airferry("catalog", "check", clean, "--select", file, "--package", "elastic").refused("usage", "--select")


def test_what_is_not_there_is_refused_with_what_is(clean: Path) -> None:
    airferry("catalog", "check", clean, "--package", "loging").refused("usage", "loging", hint="did you mean logging?")
    airferry("catalog", "check", clean, "--heads-only", "--all-versions").refused("usage", "contradict")
    airferry("catalog", "check", clean, "--package", "logging@>=6").refused("malformed", ">=6", hint="three numbers")


def test_what_is_no_catalog_ends_with_1_and_others_are_still_checked(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    airferry("catalog", "check", tmp_path / "none").refused("malformed", "holds no document")
    run = airferry("catalog", "check", tmp_path / "none", clean)
    assert run.code == 1
    assert "nothing is wrong" in run.out
    assert f"{tmp_path / 'none'}: error[malformed]: " in run.out


class Registry(Served[Upstream]):
    """A lab registry with the images ``here/bundle`` and ``here/operand``."""

    def __init__(self, folder: Path) -> None:
        store = LabStore(folder)
        self.digests = {}
        for path in ("here/bundle", "here/operand"):
            config = {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "size": 2,
                "digest": store.put_blob(path, b"{}"),
            }
            manifest = {
                "schemaVersion": 2,
                "mediaType": OCI,
                "config": config,
                "layers": [],
                "annotations": {"p": path},
            }
            self.digests[path] = store.put_manifest(path, json.dumps(manifest).encode(), OCI)

        @asynccontextmanager
        async def opening():  # type: ignore[no-untyped-def]
            async with Upstream(store) as upstream:
                yield upstream

        super().__init__(opening)

    def image(self, path: str) -> str:
        return f"{self.server.host}/{path}@{self.digests.get(path, DIGEST)}"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "lab") as running:
        yield running


def upstream_catalog(registry: Registry, folder: Path) -> Path:
    def there(version: str, operand: str) -> dict[str, Any]:
        related = {"name": "operand", "image": registry.image(operand)}
        return {**bundle("etcd", version, related), "image": registry.image("here/bundle")}

    bundles = [there("1.0.0", "here/operand"), there("2.0.0", "here/gone")]
    return write(folder, *package("etcd", *chain("etcd", "1.0.0", "2.0.0")), *bundles)


def test_images_that_are_gone_are_named_with_what_becomes_unusable(registry: Registry, tmp_path: Path) -> None:
    folder = upstream_catalog(registry, tmp_path / "catalog")
    run = airferry("catalog", "check", folder, "--upstream", "--insecure", *QUICK)
    assert run.code == 3
    assert "asked for 3 images, 2 are there\n" in run.out
    assert f"  etcd\n    {registry.image('here/gone')}\n" in run.out
    assert "        so etcd 2.0.0 is unusable, and OLM would install it from the channel stable\n" in run.out
    assert run.out.endswith(
        "unusable without the missing images:\n  etcd: 2.0.0\n    the head is lost of stable\n\n1 finding\n"
    )
    found = json.loads(airferry("catalog", "check", folder, "--upstream", "--insecure", *QUICK, "-o", "json").out)
    upstream = found["catalogs"][0]["upstream"]
    assert upstream["unusable"]["channelsWithoutHead"] == [{"package": "etcd", "channel": "stable"}]
    assert upstream["unusable"]["packages"] == []


def test_a_registry_that_does_not_answer_makes_nothing_missing(registry: Registry, tmp_path: Path) -> None:
    folder = upstream_catalog(registry, tmp_path / "catalog")
    registry.call(registry.server.faults.add, Rule(Endpoint.MANIFEST, Answer(401), times=None))
    with nothing_listens() as away:
        write(
            tmp_path / "catalog" / "more",
            *package("away", *chain("away", "1.0.0")),
            {
                **bundle("away", "1.0.0", *({"name": str(n), "image": f"{away}/a/{n}@{DIGEST}"} for n in range(20))),
                "image": f"{away}/a/bundle@{DIGEST}",
            },
        )
        run = airferry("catalog", "check", folder, "--upstream", "--insecure", *QUICK, "-o", "json")
        told = airferry("catalog", "check", folder, "--upstream", "--insecure", *QUICK).out
    assert f"\n  {away}: 21 images, such as {away}/a/0@{DIGEST}\n" in told
    (answer,) = json.loads(run.out)["catalogs"]
    assert run.code == 3
    codes = {finding["code"] for finding in answer["findings"]}
    assert codes == {"cannot-tell"}
    assert answer["upstream"]["unusable"]["versions"] == []
