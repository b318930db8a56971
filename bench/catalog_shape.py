"""Large catalogs: real packages over and over under new names, as opm renders them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airferry.openshift.catalog.reading.metas import read_metas

REAL = Path(__file__).parent.parent / "tests" / "data" / "catalogs" / "fbc"


def write_catalog(folder: Path, *, bundles: int, form: str = "json") -> int:
    """Write ``bundles`` bundles in JSON or YAML, a file for each package; return the bytes written."""
    real = [_documents(package) for package in sorted(REAL.iterdir())]
    written = made = number = 0
    while made < bundles:
        documents = []
        for document in real[number % len(real)]:
            if document["schema"] == "olm.bundle":
                if made == bundles:
                    continue
                made += 1
            documents.append(_renamed(document, number))
        file = folder / f"package-{number:04d}" / f"catalog.{form}"
        file.parent.mkdir(parents=True)
        written += file.write_text("".join(_text(document, form) for document in documents))
        number += 1
    return written


def _documents(package: Path) -> list[dict[str, Any]]:
    metas: Iterator[Any] = (
        meta for file in sorted(package.iterdir()) for meta in read_metas([file.read_bytes()], file.name)
    )
    return [dict(meta.value) for meta in metas]


def _renamed(document: dict[str, Any], number: int) -> dict[str, Any]:
    """Give the package a number in its name, and each image a repository and digest of its own."""
    package = document["name"] if document["schema"] == "olm.package" else document["package"]
    text = json.dumps(document).replace(f'"{package}"', f'"{package}-{number:04d}"')
    for image in {document.get("image", ""), *(item["image"] for item in document.get("relatedImages", []))} - {""}:
        repository, at, digest = image.partition("@sha256:")
        text = text.replace(image, f"{repository}-{number:04d}{at}{digest and f'{number:08d}{digest[8:]}'}")
    renamed: dict[str, Any] = json.loads(text)
    return renamed


def _text(document: dict[str, Any], form: str) -> str:
    if form == "json":
        return json.dumps(document, indent=4) + "\n"
    import yaml

    return str(yaml.dump(document, Dumper=yaml.CSafeDumper, explicit_start=True, sort_keys=False))
