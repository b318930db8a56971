"""Who may do what: accounts, grants, passwords, bearer tokens, and the door that asks for them."""

from airferry.registry.access.accounts import Account, AccountKind, Accounts
from airferry.registry.access.accounts_file import AccountsFile
from airferry.registry.access.credentials import Credentials
from airferry.registry.access.door import Door, Scheme, pull_everywhere
from airferry.registry.access.failures import Ledger
from airferry.registry.access.grants import Grants, Permission
from airferry.registry.access.shared_failures import SharedLedger
from airferry.registry.access.token_keys import TokenKeysFile
from airferry.registry.access.tokens import Tokens
from airferry.registry.access.visitors import (
    Access,
    Everyone,
    IssuedToken,
    Knock,
    ScopeMissingError,
    TokenWish,
    Verb,
    Visitor,
)

__all__ = [
    "Access",
    "Account",
    "AccountKind",
    "Accounts",
    "AccountsFile",
    "Credentials",
    "Door",
    "Everyone",
    "Grants",
    "IssuedToken",
    "Knock",
    "Ledger",
    "Permission",
    "Scheme",
    "ScopeMissingError",
    "SharedLedger",
    "TokenKeysFile",
    "TokenWish",
    "Tokens",
    "Verb",
    "Visitor",
    "pull_everywhere",
]
