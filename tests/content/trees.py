"""Trees on disk, looked at as a whole."""

import os
import tarfile
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
OC_TREES = {"4.99.1": "to-dir-4.99.1-unsigned.tar.gz", "4.99.2": "to-dir-4.99.2-signed.tar.gz"}
OC_REPOSITORY = "openshift/release"


def unpack_oc_tree(version: str, folder: Path) -> Path:
    """Unpack a tree that the real oc wrote; return the folder that holds its v2."""
    with tarfile.open(DATA / "oc_media" / OC_TREES[version]) as archive:
        archive.extractall(folder, filter="data")
    (root,) = (child for child in folder.iterdir() if (child / "v2").is_dir())
    return root


def describe(root: Path) -> dict[str, str]:
    """Say of each path its type, its link target or content, and which paths are one file."""
    first_name: dict[tuple[int, int], str] = {}
    found = {}
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root).as_posix()
        if file.is_symlink():
            found[name] = f"-> {os.readlink(file)}"  # noqa: PTH115 - a Path would hide a leading ./
        elif file.is_dir():
            found[name] = "folder"
        else:
            status = file.stat()
            same = first_name.setdefault((status.st_dev, status.st_ino), name)
            found[name] = f"same as {same}" if same != name else f"file {file.read_bytes().hex()}"
    return found
