"""Write the licences of everything that the self-contained program holds: ``python licences.py FILE``.

That is Python itself and the packages airferry needs, as the environment has them that this runs in.
"""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

_LICENCE_FILE = re.compile(r"(^|/)(licen[cs]e|copying|notice|authors)[^/]*$", re.IGNORECASE)
_NAME = re.compile(r"^[A-Za-z0-9._-]+")
_RULE = "=" * 80
_LIBRARIES = (
    "Libraries of the Linux distribution it was built on\n\n"
    "glibc (LGPL-2.1-or-later), libgcc and libstdc++ (GPL-3.0 with the runtime exception), OpenSSL (Apache-2.0),\n"
    "SQLite (public domain), zlib, bzip2, xz, libffi, expat, libuuid.\n"
    "Their sources and licences are the distribution's.\n"
)


def needed_by(name: str, found: dict[str, Distribution]) -> dict[str, Distribution]:
    """Add ``name`` and all that it needs to ``found``; extras and packages for other systems are not installed."""
    try:
        package = distribution(name)
    except PackageNotFoundError:
        return found
    if package.metadata["Name"] in found:
        return found
    found[package.metadata["Name"]] = package
    for requirement in package.requires or ():
        match = _NAME.match(requirement)
        if match and "extra ==" not in requirement:
            needed_by(match[0], found)
    return found


def texts(package: Distribution) -> list[str]:
    """Return the package's licence files, and without any what its metadata say."""
    files = [file for file in package.files or () if _LICENCE_FILE.search(str(file))]
    read = [Path(str(package.locate_file(file))).read_text(errors="replace") for file in files]
    metadata = package.metadata
    return read or [str(metadata.get("License-Expression") or metadata.get("License") or "see its home page")]


def main(target: Path) -> None:
    """Write everything to ``target``."""
    packages = needed_by("airferry", {})
    del packages["airferry"]
    python = f"Python {sys.version.split()[0]}\n\n{sys.copyright}\nhttps://docs.python.org/3/license.html\n"
    sections = [f"{_RULE}\n{python}", f"{_RULE}\n{_LIBRARIES}"]
    for name, package in sorted(packages.items(), key=lambda item: item[0].lower()):
        sections.append(f"{_RULE}\n{name} {package.version}\n\n" + "\n".join(texts(package)).rstrip() + "\n")
    target.write_text("\n".join(sections))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
