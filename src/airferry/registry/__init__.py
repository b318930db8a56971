"""The embedded mirror registry: the distribution API over any store, and a store of its own.

Knows the protocol, who may do what, and how to keep content so that nothing acknowledged is lost. Does not know
that OpenShift exists. Start one with :func:`serve`, serve another place read-only with :func:`serve_store`, or
build on :func:`make_app` and :func:`serve_app`.
"""

from airferry.registry.accepting import SharedListener
from airferry.registry.access import (
    Access,
    AccountsFile,
    Door,
    Everyone,
    Grants,
    Ledger,
    Permission,
    TokenKeysFile,
    Tokens,
    Verb,
    Visitor,
)
from airferry.registry.application import make_app
from airferry.registry.audit import AuditLog
from airferry.registry.body import Limits
from airferry.registry.certificates import make_ca, make_leaf, server_context
from airferry.registry.host_names import add_hosts, certified_hosts
from airferry.registry.listening import GRACE_S, Running, listen_at, refuse_address, serve_app
from airferry.registry.metadata.counting import Holdings, Stock
from airferry.registry.operation.control import ask_serving
from airferry.registry.operation.counting import count_stored
from airferry.registry.operation.expiry import CertificateFacts, expiry_warnings, read_ca_facts, read_facts
from airferry.registry.operation.live import Reloaded
from airferry.registry.operation.own_certificate import OwnCertificate
from airferry.registry.operation.renewing import Renewed, install_certificate, renew
from airferry.registry.operation.systemd_unit import SystemdUnit, systemd_unit
from airferry.registry.protocol import ReadableStore, StoredBlob, StoredManifest, WritableStore
from airferry.registry.provision import PASSWORD_FILE, Provisioned, init, is_initialized
from airferry.registry.routes import parse_endpoint, repository_of
from airferry.registry.server import serve, serve_store
from airferry.registry.settings import CA_FILE, DEFAULT_LISTEN, Settings, TlsFiles
from airferry.registry.store import RegistryStore
from airferry.registry.workers import Ended, Worker, share_work

__all__ = [
    "CA_FILE",
    "DEFAULT_LISTEN",
    "GRACE_S",
    "PASSWORD_FILE",
    "Access",
    "AccountsFile",
    "AuditLog",
    "CertificateFacts",
    "Door",
    "Ended",
    "Everyone",
    "Grants",
    "Holdings",
    "Ledger",
    "Limits",
    "OwnCertificate",
    "Permission",
    "Provisioned",
    "ReadableStore",
    "RegistryStore",
    "Reloaded",
    "Renewed",
    "Running",
    "Settings",
    "SharedListener",
    "Stock",
    "StoredBlob",
    "StoredManifest",
    "SystemdUnit",
    "TlsFiles",
    "TokenKeysFile",
    "Tokens",
    "Verb",
    "Visitor",
    "Worker",
    "WritableStore",
    "add_hosts",
    "ask_serving",
    "certified_hosts",
    "count_stored",
    "expiry_warnings",
    "init",
    "install_certificate",
    "is_initialized",
    "listen_at",
    "make_app",
    "make_ca",
    "make_leaf",
    "parse_endpoint",
    "read_ca_facts",
    "read_facts",
    "refuse_address",
    "renew",
    "repository_of",
    "serve",
    "serve_app",
    "serve_store",
    "server_context",
    "share_work",
    "systemd_unit",
]
