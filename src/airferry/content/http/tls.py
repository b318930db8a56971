"""Whom we trust, per host: the system's CAs, the CA that was given, and the folders of containers-certs.d(5).

A CA that is given is added to the system's, not put in their place: images may come from both worlds.
"""

import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from airferry.content.errors import NotFoundError
from airferry.errors import AirferryError, MalformedError

_SYSTEM_BUNDLES: Final = (
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep their bundle, for a Python whose OpenSSL was built to look elsewhere."""
_NOT_TLS_REASONS: Final = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "UNKNOWN_PROTOCOL",
        "UNEXPECTED_MESSAGE",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
    }
)

MAYBE_ANOTHER_OF_THE_NAME: Final = frozenset({2, 7, 10, 18, 19, 20, 21})
"""X509_V_ERR numbers of OpenSSL's x509_vfy.h that another CA of the same name may not give: no trusted signer, the
signature of another key (7), and, since it may be that of the CA, a date (10)."""
_PEM_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def speaks_no_tls(error: ssl.SSLError) -> bool:
    """Whether the handshake failed because the other side does not speak TLS at all."""
    return error.reason in _NOT_TLS_REASONS


def default_certs_dirs(home: Path) -> tuple[Path, ...]:
    """Return the folders that containers-certs.d(5) and docker read, the user's own first."""
    return (
        home / ".config/containers/certs.d",
        Path("/etc/containers/certs.d"),
        Path("/etc/docker/certs.d"),
    )


class TlsContexts:
    """Makes and keeps one TLS context per host."""

    def __init__(
        self,
        ca_file: Path | None,
        certs_dirs: Sequence[Path],
        *,
        ca_pem: str | None = None,
        system_cas: bool = True,
    ) -> None:
        """Raise NotFoundError or MalformedError at once when ``ca_file`` or ``ca_pem`` is of no use."""
        self._ca_file = ca_file
        self._ca_pem = ca_pem
        self._system_cas = system_cas
        self._certs_dirs = tuple(certs_dirs)
        self._made: dict[tuple[str, bool], ssl.SSLContext] = {}
        self._shared: dict[bool, ssl.SSLContext] = {}
        if ca_file is not None:
            _load_ca(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca_file)
        if ca_pem is not None:
            _load_pem(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca_pem)

    def context(self, host: str, *, insecure: bool) -> ssl.SSLContext:
        """Return the context for ``host`` (host:port); with ``insecure`` no certificate is checked.

        Raises MalformedError for files in certs.d that cannot be used.
        """
        key = (host, insecure)
        if key not in self._made:
            folder = self._folder(host)
            if folder is None:
                # Reading the system's CAs takes tens of milliseconds, so hosts without own files share.
                if insecure not in self._shared:
                    self._shared[insecure] = self._new_context(insecure=insecure)
                self._made[key] = self._shared[insecure]
            else:
                context = self._new_context(insecure=insecure)
                _load_folder(context, folder)
                self._made[key] = context
        return self._made[key]

    def anchors(self) -> tuple[str, ...]:
        """Return each certificate that was given, as PEM, for when a name alone does not tell which one is meant.

        Those of the system and of certs.d are not among them.
        """
        text = self._ca_pem or ""
        if self._ca_file is not None:
            with suppress(OSError):
                text = f"{self._ca_file.read_text(errors='replace')}\n{text}"
        return tuple(dict.fromkeys(_PEM_BLOCK.findall(text)))

    def trusting(self, anchor: str) -> ssl.SSLContext:
        """Return a context that checks all that others check, and trusts nothing but ``anchor``."""
        context = _checking_context()
        _load_pem(context, anchor)
        return context

    def may_settle(self, host: str) -> bool:
        """Whether it is worth asking which anchor ``host`` is meant to be under: not where certs.d has files for it."""
        return self._folder(host) is None

    def settle(self, host: str, context: ssl.SSLContext) -> None:
        """Use ``context`` for ``host`` from now on: it trusts a part of what is trusted, and the host is under it."""
        self._made[host, False] = context

    def _folder(self, host: str) -> Path | None:
        """The first folder that exists wins alone, as in containers/image; the default port may be written."""
        names = (host,) if host.rpartition(":")[2].isdigit() else (host, f"{host}:443")
        for certs_dir in self._certs_dirs:
            for name in names:
                with suppress(OSError):  # not ours to look into, or too long a name: passed over there as well
                    if (certs_dir / name).is_dir():
                        return certs_dir / name
        return None

    def _new_context(self, *, insecure: bool) -> ssl.SSLContext:
        if insecure:
            context = _plain_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        context = _checking_context()
        if self._system_cas:
            _load_system(context)
        if self._ca_file is not None:
            _load_ca(context, self._ca_file)
        if self._ca_pem is not None:
            _load_pem(context, self._ca_pem)
        return context


def _plain_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _checking_context() -> ssl.SSLContext:
    context = _plain_context()
    # Nodes are Go programs and refuse certificates that have a name only in their subject; so do we.
    context.hostname_checks_common_name = False
    # A server certificate that was itself given as trust anchor counts, whether or not it says CA:TRUE.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # Python 3.13 turned this on; Go does not ask CAs for these extensions, and private CAs lack them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _load_system(context: ssl.SSLContext) -> None:
    context.load_default_certs()
    paths = ssl.get_default_verify_paths()
    if not any(path and Path(path).exists() for path in (paths.cafile, paths.capath)):
        for bundle in _SYSTEM_BUNDLES:
            if Path(bundle).is_file():
                context.load_verify_locations(cafile=bundle)
                return


def _load_ca(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except FileNotFoundError as error:
        raise NotFoundError(f"the CA file {path} does not exist") from error
    except ssl.SSLError as error:
        raise MalformedError(
            f"the CA file {path} holds no certificate that can be read",
            hint="it must be PEM: -----BEGIN CERTIFICATE-----",
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _load_pem(context: ssl.SSLContext, text: str) -> None:
    """Load the certificates in ``text``; what stands around them, such as remarks, is passed over."""
    blocks = _PEM_BLOCK.findall(text)
    try:
        if blocks:
            context.load_verify_locations(cadata="\n".join(blocks))
            return
    except (ssl.SSLError, ValueError):
        pass
    raise MalformedError(
        "the CA bundle holds no certificate that can be read", hint="it must be PEM: -----BEGIN CERTIFICATE-----"
    )


def _load_folder(context: ssl.SSLContext, folder: Path) -> None:
    """Load ``*.crt`` as CAs and each ``NAME.cert`` with its ``NAME.key`` as a client certificate."""
    try:
        names = sorted(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from error
    for path in names:
        if path.suffix == ".crt" and context.verify_mode is not ssl.CERT_NONE:
            _load_ca(context, path)
        elif path.suffix == ".cert":
            _load_client_pair(context, path)
        elif path.suffix == ".key" and not path.with_suffix(".cert").exists():
            raise MalformedError(f"{path} has no client certificate {path.with_suffix('.cert').name} beside it")


def _load_client_pair(context: ssl.SSLContext, path: Path) -> None:
    key = path.with_suffix(".key")
    if not key.exists():
        raise MalformedError(
            f"the client certificate {path} has no key {key.name} beside it",
            hint="CA certificates end in .crt, client certificates in .cert (containers-certs.d(5))",
        )
    try:
        # The callback keeps OpenSSL from asking for a pass phrase on the terminal.
        context.load_cert_chain(path, key, password=lambda: "")
    except ssl.SSLError as error:
        raise MalformedError(f"the client certificate {path} and its key {key.name} cannot be used") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> AirferryError:
    return MalformedError(f"{path} cannot be read: {error.strerror or error}")
