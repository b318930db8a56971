"""Which files of a folder are the catalog's: as in operator-registry's loader."""

import os
from pathlib import Path

import pytest

from airferry.content.errors import NotFoundError
from airferry.errors import MalformedError
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.survey.catalog_folder import catalog_files, folder_metas


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def package(name: str) -> str:
    return f"schema: olm.package\nname: {name}\n"


def names(folder: Path) -> list[str]:
    return [str(file.relative_to(folder)) for file in catalog_files(folder)]


def tree(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(package("a"))


@pytest.mark.parametrize(
    ("ignored", "kept"),
    [
        ({"": "*.md\n"}, ["a/c.yaml", "a/objects/x.json", "c.json"]),
        ({"": "# none\n\nobjects/\n*.md\n"}, ["a/c.yaml", "c.json"]),
        ({"": "/c.json\nREADME.md"}, ["a/c.yaml", "a/objects/x.json"]),
        ({"": "*\n!*.yaml\n"}, ["a/c.yaml"]),
        ({"": "**/*.json\nREADME.md"}, ["a/c.yaml"]),
        ({"": "*.md", "a": "objects\n"}, ["a/c.yaml", "c.json"]),
        ({"": "*.md\n*.json", "a": "!x.json\n"}, ["a/c.yaml", "a/objects/x.json"]),
        ({"a": "/c.yaml\nc.json\nobjects/x.json"}, ["README.md", "c.json"]),
    ],
)
def test_indexignore_is_written_like_gitignore_and_holds_for_its_folder(
    tmp_path: Path, ignored: dict[str, str], kept: list[str]
) -> None:
    tree(tmp_path, "c.json", "a/c.yaml", "a/objects/x.json", "README.md")
    for folder, text in ignored.items():
        (tmp_path / folder / ".indexignore").write_text(text)
    assert names(tmp_path) == kept


def test_hidden_files_count_and_empty_ones_hold_nothing(tmp_path: Path) -> None:
    write(tmp_path, **{".hidden.yaml": package("a"), "empty.yaml": "", "blank.json": " \n", "comment.yaml": "# none\n"})
    assert [meta.name for meta in folder_metas(tmp_path)] == ["a"]


def test_links_to_files_are_followed_and_links_to_folders_told(tmp_path: Path) -> None:
    catalog, outside = tmp_path / "catalog", tmp_path / "outside"
    tree(outside, "c.yaml")
    catalog.mkdir()
    (catalog / "file.yaml").symlink_to(outside / "c.yaml")
    (catalog / "folder").symlink_to(outside)
    (catalog / "gone").symlink_to("nowhere")
    (catalog / "loop").symlink_to("loop")
    os.mkfifo(catalog / "fifo")  # would keep a reader waiting for ever
    findings: list[Finding] = []
    assert [meta.where for meta in folder_metas(catalog, findings)] == ["file.yaml, document 1"]
    assert sorted((item.code, item.where) for item in findings) == [
        (FindingCode.LEFT_OUT, name) for name in ("folder", "gone", "loop")
    ]


def test_what_is_no_document_is_named_with_a_way_out(tmp_path: Path) -> None:
    write(tmp_path, **{"c.yaml": package("a"), "README.md": "# My catalog\n\nHello: there: you\n"})
    with pytest.raises(MalformedError, match=r"README\.md, document 1 is not YAML at line 3") as caught:
        list(folder_metas(tmp_path))
    assert ".indexignore" in (caught.value.hint or "")


def test_manifests_of_a_cluster_are_told_from_documents(tmp_path: Path) -> None:
    write(tmp_path, **{"csv.yaml": "apiVersion: operators.coreos.com/v1alpha1\nkind: ClusterServiceVersion\n"})
    with pytest.raises(MalformedError, match=r"csv\.yaml, document 1 has no schema") as caught:
        list(folder_metas(tmp_path))
    assert "the folder of the bundle" in (caught.value.hint or "")


def test_a_folder_without_a_document_is_no_catalog(tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match="holds no document"):
        list(folder_metas(tmp_path))
    with pytest.raises(NotFoundError):
        list(folder_metas(tmp_path / "nowhere"))
