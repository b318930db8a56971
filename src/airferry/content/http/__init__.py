"""The registry client: any registry of the distribution API as a place to read images from and write them to.

One :class:`HttpContent` per side of a run holds connections, credentials, trust and budgets;
:class:`MirroredSource` reads through the rules of registries.conf.
"""

from airferry.content.http.auth_files import (
    AuthFile,
    Credential,
    default_auth_files,
    load_auth_files,
    parse_auth_file,
    read_auth_file,
)
from airferry.content.http.content import HttpContent
from airferry.content.http.credentials import (
    CredentialSource,
    FixedCredential,
    NoCredentials,
    StoredCredentials,
    stored_credentials,
)
from airferry.content.http.login import LoginOutcome
from airferry.content.http.mirrored import MirroredSource
from airferry.content.http.place import RegistryPlace
from airferry.content.http.questions import Heard, Proof, Questions
from airferry.content.http.rehearsal import Rehearsal
from airferry.content.http.retry import RetryPolicy
from airferry.content.http.settings import HttpSettings
from airferry.content.http.timing import Timing
from airferry.content.http.tls import default_certs_dirs

__all__ = [
    "AuthFile",
    "Credential",
    "CredentialSource",
    "FixedCredential",
    "Heard",
    "HttpContent",
    "HttpSettings",
    "LoginOutcome",
    "MirroredSource",
    "NoCredentials",
    "Proof",
    "Questions",
    "RegistryPlace",
    "Rehearsal",
    "RetryPolicy",
    "StoredCredentials",
    "Timing",
    "default_auth_files",
    "default_certs_dirs",
    "load_auth_files",
    "parse_auth_file",
    "read_auth_file",
    "stored_credentials",
]
