"""Whatever form and place a catalog comes in, the same is read of it."""

import dataclasses
from pathlib import Path

import pytest

from airferry.app.catalogs.catalog_forms import CatalogForm
from airferry.app.catalogs.open_catalog import open_catalog
from airferry.app.places import Places
from airferry.app.settings import Settings
from airferry.content.errors import DamagedError, NotFoundError
from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.openshift.catalog.findings import FindingCode
from airferry.openshift.catalog.model import Catalog
from content.layers import folder, gzipped, hardlink, member, symlink, tar, zstd

from .catalog_images import BUNDLE, CONFIGS, DATABASE, Layout, layer_of

DATA = Path(__file__).parents[1] / "data" / "catalogs"
PACKAGE = b"schema: olm.package\nname: %s\n"


async def read(text: object, *, architecture: str = "amd64") -> tuple[Catalog, CatalogForm]:
    async with Places(Settings()) as places, open_catalog(str(text), places, architecture=architecture) as opened:
        return opened.catalog, opened.form


async def names(text: object) -> list[str]:
    return list((await read(text))[0].packages)


async def test_a_folder_and_an_image_of_it_hold_the_same(tmp_path: Path) -> None:
    Layout(tmp_path / "layout").add([layer_of(DATA / "fbc", "configs")], {CONFIGS: "/configs"})
    from_folder, from_image = await read(DATA / "fbc"), await read(f"oci://{tmp_path}/layout")
    assert from_folder == from_image and from_folder[1] is CatalogForm.DOCUMENTS
    assert len(from_folder[0].packages) == 3


async def test_an_index_and_an_image_with_its_label_or_none_hold_the_same(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    file = DATA / "sqlite" / "foo-index-v0.2.0.db"
    layer = tar(
        member("database/index.db", file.read_bytes()),
        member("etc/passwd", b"root"),
        symlink("bundles.db", "database/index.db"),
    )
    layout.add([layer], {DATABASE: "/database/index.db"}, "label")
    layout.add([layer], {DATABASE: "./bundles.db"}, "link")
    layout.add([gzipped(layer), tar(member("x", b"SQLite format 3"))], {}, "none")
    expected = await read(file)
    assert expected[1] is CatalogForm.DATABASE
    for tag in ("label", "link", "none"):
        assert await read(f"oci://{tmp_path}/layout:{tag}") == expected


async def test_a_bundle_and_its_image_hold_the_same_but_for_the_image(tmp_path: Path) -> None:
    layer = layer_of(DATA / "bundles" / "etcd.0.9.2", "bundle")
    labels = {
        BUNDLE: "etcd",
        "operators.operatorframework.io.bundle.manifests.v1": "bundle/manifests/",
        "operators.operatorframework.io.bundle.metadata.v1": "bundle/metadata/",
    }
    digest = Layout(tmp_path / "layout").add([layer], labels)
    (from_image, form), (from_folder, _) = (
        await read(f"oci://{tmp_path}/layout"),
        await read(DATA / "bundles/etcd.0.9.2"),
    )
    bundle = from_image.packages["etcd"].bundles["etcdoperator.v0.9.2"]
    assert form is CatalogForm.BUNDLES and bundle.image.endswith(digest)
    assert bundle.image in {item.image for item in bundle.related}
    related = tuple(item for item in bundle.related if item.image != bundle.image)
    assert dataclasses.replace(bundle, image="", related=related) == next(
        iter(from_folder.packages["etcd"].bundles.values())
    )


async def test_layers_whiteouts_and_links_are_seen_as_a_container_sees_them(tmp_path: Path) -> None:
    lowest = tar(
        folder("configs"),
        *(member(f"configs/{name}/c.yaml", PACKAGE % name.encode()) for name in ("kept", "gone", "hidden", "replaced")),
    )
    middle = tar(member("configs/.wh.gone"), member("configs/hidden/.wh..wh..opq"))
    top = tar(
        member("configs/replaced/c.yaml", PACKAGE % b"new"),
        hardlink("configs/hard.yaml", "data/hard.yaml"),
        symlink("configs/soft.yaml", "replaced/../common.yaml"),
        member("configs/common.yaml", PACKAGE % b"common"),
        symlink("configs/out.yaml", "/etc/passwd"),
        member("data/hard.yaml", PACKAGE % b"hard"),
        member("etc/passwd", b"root"),
    )
    Layout(tmp_path / "layout").add([gzipped(lowest), zstd(middle), top], {CONFIGS: "configs/"})
    catalog, _ = await read(f"oci://{tmp_path}/layout")
    assert list(catalog.packages) == ["common", "hard", "kept", "new"]
    assert [(item.code, "out.yaml" in item.what) for item in catalog.findings] == [
        (FindingCode.DUPLICATE_NAME, False),
        (FindingCode.LEFT_OUT, True),
    ]


async def test_a_folder_of_documents_may_be_a_link(tmp_path: Path) -> None:
    lower = tar(symlink("opt/here", "../srv"), symlink("configs", "/opt/here/catalog"))
    Layout(tmp_path / "layout").add([lower, tar(member("srv/catalog/c.yaml", PACKAGE % b"a"))], {CONFIGS: "/configs"})
    assert await names(f"oci://{tmp_path}/layout") == ["a"]


async def test_a_layout_needs_a_tag_only_where_it_holds_several_images(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.add([tar(member("configs/c.yaml", PACKAGE % b"a"))], {CONFIGS: "/configs"}, "v1")
    assert await names(f"oci://{tmp_path}/layout") == ["a"]
    layout.add([tar(member("configs/c.yaml", PACKAGE % b"b"))], {CONFIGS: "/configs"}, "v2")
    with pytest.raises(UsageError, match="holds 2 images") as caught:
        await names(f"oci://{tmp_path}/layout")
    assert "v1, v2" in (caught.value.hint or "")
    assert await names(f"oci://{tmp_path}/layout:v2") == ["b"]


async def test_other_forms_are_told_by_what_a_folder_holds(tmp_path: Path) -> None:
    assert (await read(DATA / "packages"))[1] is CatalogForm.PACKAGES
    assert (await read(DATA / "bundles"))[1] is CatalogForm.BUNDLES
    (tmp_path / "a.package.yaml").write_bytes(PACKAGE % b"a")
    assert await read(tmp_path) == await read(tmp_path / "a.package.yaml")
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "x").write_bytes((DATA / "sqlite" / "etcd-2020.db").read_bytes())
    assert (await read(tmp_path / "database"))[1] is CatalogForm.DATABASE


@pytest.mark.parametrize(
    ("layers", "labels", "problem"),
    [
        ([tar(member("a", b"b"))], {}, "is not a catalog: it has no label"),
        ([tar(member("a", b"b"))], {CONFIGS: "/configs"}, "have nothing that matches /configs"),
        ([tar(member("a", b"b"))], {DATABASE: "/index.db"}, "has no file 'index.db'"),
        ([tar(member("index.db", b"b"))], {DATABASE: "/index.db"}, "/index.db of oci://"),
        ([tar(symlink("index.db", "index.db"))], {DATABASE: "/index.db"}, "links in the layers lead in a circle"),
        ([tar(symlink("configs", "b"), symlink("b", "configs"))], {CONFIGS: "/configs"}, "lead in a circle"),
        ([tar(folder("index.db"))], {DATABASE: "/index.db"}, "has no file"),
        ([tar(member("a", b"b"))], {CONFIGS: ""}, "a, document 1 is not an object"),
        ([tar(member("a", b"b"))], {CONFIGS: "/a\x00b"}, "a label of oci://"),
        ([tar(member("a", b"b"))], {DATABASE: "../.."}, "a label of oci://"),
        ([tar(member("a", b"b"))], {DATABASE: "/"}, "has no file"),
        ([tar(member("a", b"b"))], {CONFIGS: "a:b:c"}, "nothing that matches /a:b:c"),
        ([tar(folder("manifests"))], {BUNDLE: "x"}, "nothing that matches"),
        ([b"no tar at all" * 100], {CONFIGS: "/configs"}, "layer sha256:"),
    ],
)
async def test_an_image_that_is_no_catalog_is_refused(
    tmp_path: Path, layers: list[bytes], labels: dict[str, str], problem: str
) -> None:
    Layout(tmp_path / "layout").add(layers, labels)
    with pytest.raises(AirferryError) as caught:
        await read(f"oci://{tmp_path}/layout")
    assert problem in caught.value.message


async def test_a_layout_whose_manifest_was_edited_is_named() -> None:
    with pytest.raises(DamagedError, match=r"3986c6e0.* does not match its name"):
        await read(f"oci://{DATA / 'rotten-layout'}")


async def test_what_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError, match="there is no"):
        await read(tmp_path / "nowhere")
    with pytest.raises(NotFoundError, match="there is no"):
        await read("nowhere.db")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "catalog").mkdir()
    with pytest.raises(MalformedError) as caught:
        await read("catalog")
    assert caught.value.hint == "for the folder or file of that name write ./catalog"
