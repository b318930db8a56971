"""What an operator may decide about talking to registries, for one side of a run. Read once, frozen, passed."""

from dataclasses import dataclass, field
from pathlib import Path

from airferry.content.http.credentials import CredentialSource, NoCredentials
from airferry.content.http.retry import RetryPolicy
from airferry.content.http.transport import DEFAULT_IDLE_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Settings of one side (source or destination); a run makes one for each.

    ``ca_file`` and ``ca_pem`` (CA certificates as PEM text) are trusted in addition to the system's CAs, or without
    ``system_cas`` alone, for every host of this side. ``insecure`` tries
    HTTPS without checking certificates, then plain HTTP; nothing else ever speaks plain HTTP.
    With ``as_nodes`` what containers/image leaves alone is an error: a host whose ``/v2/`` answers neither 200 nor
    401, a manifest that is served as of another type; without, both are taken as they are.
    ``max_per_host`` bounds concurrent requests to a host; fewer are used while it throttles.
    ``idle_timeout_s`` is the longest time without a byte of progress; there is no limit on a whole transfer.
    ``commit_timeout_s`` is how long a registry may think after the last byte of a blob, ``question_timeout_s`` how
    long a question about the registry itself may take altogether.
    """

    credentials: CredentialSource = field(default_factory=NoCredentials)
    ca_file: Path | None = None
    ca_pem: str | None = None
    system_cas: bool = True
    insecure: bool = False
    as_nodes: bool = False
    certs_dirs: tuple[Path, ...] = ()
    max_per_host: int = 16
    connect_timeout_s: float = 15.0
    idle_timeout_s: float = DEFAULT_IDLE_TIMEOUT_S
    commit_timeout_s: float = 600.0
    question_timeout_s: float = 10.0
    small_blob_bytes: int = 1024 * 1024
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    user_agent: str = "airferry"
