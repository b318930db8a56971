"""Files of certificates that people name with ``--ca``."""

from pathlib import Path

from airferry.app.text_files import read_text_file
from airferry.openshift.cluster.trust_bundle import PemCertificate, read_certificates


def read_ca_files(files: tuple[Path, ...]) -> tuple[PemCertificate, ...]:
    """Return the certificates of all files, each once. Raises UsageError, MalformedError."""
    found: dict[PemCertificate, None] = {}
    for file in files:
        text = read_text_file(file, "--ca", any_encoding=True)  # what is around certificates may be anything
        found |= dict.fromkeys(read_certificates(text, str(file)))
    return tuple(found)
