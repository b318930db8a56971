"""Certificates as text: PEM blocks found, compared by what they hold, and put into YAML with the right indentation."""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from airferry.errors import MalformedError

_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----(.*?)-----END \1-----", re.DOTALL)
_LABELS: Final = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_WIDTH: Final = 64
_INDENTATION: Final = "  "
_HEADER: Final = re.compile(r"^additionalTrustBundle:[ \t]*[|>][0-9+-]*[ \t]*$")


@dataclass(frozen=True, slots=True)
class PemCertificate:
    """One certificate. Two are equal when their DER is, however they were written."""

    der: bytes = field(repr=False)

    @property
    def lines(self) -> tuple[str, ...]:
        """The PEM, line by line."""
        body = base64.b64encode(self.der).decode()
        middle = (body[at : at + _WIDTH] for at in range(0, len(body), _WIDTH))
        return ("-----BEGIN CERTIFICATE-----", *middle, "-----END CERTIFICATE-----")

    @property
    def pem(self) -> str:
        """The PEM, ended by a newline."""
        return "".join(f"{line}\n" for line in self.lines)


def read_certificates(text: str, where: str) -> tuple[PemCertificate, ...]:
    """Return every certificate in ``text``, each once, whatever stands around and between them.

    Raises MalformedError, beginning with ``where``, for a block that is cut off or broken, for a private key,
    and where there is no certificate at all.
    """
    found: dict[PemCertificate, None] = {}
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        if block[1].endswith("PRIVATE KEY"):
            raise MalformedError(
                f"{where}, line {line}: that is a private key",
                hint="a bundle holds certificates only; keep the key away",
            )
        if block[1] in _LABELS:
            found.setdefault(PemCertificate(_decode(block[2], f"{where}, line {line}")))
    if text.count("-----BEGIN ") != len(_BLOCK.findall(text)):
        raise MalformedError(f"{where}: a certificate is cut off", hint="each BEGIN line needs its END line")
    if not found:
        raise MalformedError(
            f"{where} holds no certificate in PEM",
            hint="PEM begins with -----BEGIN CERTIFICATE-----; from DER: `openssl x509 -inform der -in FILE`",
        )
    return tuple(found)


def print_bundle(certificates: Iterable[PemCertificate], key: str = "additionalTrustBundle") -> tuple[str, ...]:
    """Return the lines of ``key`` as a literal block, indented by two spaces."""
    lines = (line for certificate in certificates for line in certificate.lines)
    return (f"{key}: |", *(_INDENTATION + line for line in lines))


def repair_indentation(text: str) -> str:
    """Return install-config.yaml with the bundle's certificates indented, where they stand as sed or cat left them.

    Only lines between BEGIN and END that follow the line ``additionalTrustBundle: |`` are touched, so what they
    belong to is certain.
    """
    lines = text.split("\n")
    repaired: list[str] = []
    in_bundle = in_block = False
    for line in lines:
        bare = line.strip()
        if in_bundle and (in_block or bare.startswith("-----BEGIN ")):
            in_block = not bare.startswith("-----END ")
            repaired.append(_INDENTATION + bare if bare else bare)
            continue
        in_bundle = _HEADER.match(line) is not None or (in_bundle and not bare)
        repaired.append("additionalTrustBundle: |" if _HEADER.match(line) else line)
    return "\n".join(repaired)


def is_intact(value: str) -> bool:
    """Whether a reader of PEM that is strict about lines finds every block of ``value``."""
    return all(
        value[max(block.start() - 1, 0) : block.start()] in ("", "\n")
        and re.fullmatch(r"[ \t\r]*\n[A-Za-z0-9+/=\s]+\n", block[2])
        and not value[block.end() :].partition("\n")[0].strip()
        for block in _BLOCK.finditer(value)
    )


def _decode(body: str, where: str) -> bytes:
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        der = b""
    if not der.startswith(b"\x30"):
        raise MalformedError(f"{where}: the certificate is damaged", hint="copy it again from where it was issued")
    return der
