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
from airferry.registry.protocol import ReadableStore, StoredBlob, StoredManifest, WritableStore
from airferry.registry.provision import PASSWORD_FILE, Provisioned, init, is_initialized
from airferry.registry.routes import parse_endpoint, repository_of
from airferry.registry.server import Running, listen_at, refuse_address, serve, serve_app, serve_store
from airferry.registry.settings import CA_FILE, DEFAULT_LISTEN, Settings, TlsFiles
from airferry.registry.store import RegistryStore
from airferry.registry.workers import Ended, Worker, share_work

__all__ = [
    "CA_FILE",
    "DEFAULT_LISTEN",
    "PASSWORD_FILE",
    "Access",
    "AccountsFile",
    "AuditLog",
    "Door",
    "Ended",
    "Everyone",
    "Grants",
    "Limits",
    "Permission",
    "Provisioned",
    "ReadableStore",
    "RegistryStore",
    "Running",
    "Settings",
    "SharedListener",
    "StoredBlob",
    "StoredManifest",
    "TlsFiles",
    "TokenKeysFile",
    "Tokens",
    "Verb",
    "Visitor",
    "Worker",
    "WritableStore",
    "add_hosts",
    "certified_hosts",
    "init",
    "is_initialized",
    "listen_at",
    "make_app",
    "make_ca",
    "make_leaf",
    "parse_endpoint",
    "refuse_address",
    "repository_of",
    "serve",
    "serve_app",
    "serve_store",
    "server_context",
    "share_work",
]
