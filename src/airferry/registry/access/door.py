"""The door of a registry with users: Basic and Bearer, accounts, grants. Implements ``Access``.

What an account may do is looked up for every request, also for those with a bearer token: what was taken away is
gone at once, and a token can only ever do less than its account.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from airferry.errors import AirferryError, MalformedError
from airferry.registry.access.accounts import Account, Accounts, is_access_token
from airferry.registry.access.credentials import BearerToken, Credentials, parse_authorization
from airferry.registry.access.grants import EVERYWHERE, Grants, Permission
from airferry.registry.access.passwords import PasswordChecks, Verdict
from airferry.registry.access.scopes import Scopes, parse_scopes
from airferry.registry.access.throttle import Throttle
from airferry.registry.access.tokens import TokenInvalidError, Tokens
from airferry.registry.access.visitors import IssuedToken, Knock, NotGrantedError, ScopeMissingError, TokenWish, Verb
from airferry.registry.audit import AuditEvent, AuditLog
from airferry.registry.errors import UnauthorizedError

TOKEN_PATH: Final = "/v2/auth"  # noqa: S105 - a path, where Quay has it, too
_NEEDED: Final = {Verb.PULL: Permission.PULL, Verb.PUSH: Permission.PUSH, Verb.DELETE: Permission.DELETE}
_SCOPE_ACTIONS: Final = {Verb.PULL: "pull", Verb.PUSH: "pull,push", Verb.DELETE: "delete"}


class Scheme(Enum):
    """A way to bring credentials."""

    BEARER = "Bearer"
    BASIC = "Basic"


@dataclass(frozen=True, slots=True)
class Guest:
    """A visitor: an account (``name`` None: nobody), its grants, and what narrows them for this request."""

    name: str | None
    grants: Grants
    limit: frozenset[Permission] | None = None
    scopes: Scopes | None = None

    def may(self, verb: Verb, path: str | None) -> bool:
        """Whether grants, limit and scopes all allow it. The registry as a whole is for accounts only."""
        if verb is Verb.ADMINISTER:
            # A bearer token has no scope for it, and an access token that was narrowed is meant for something else.
            everywhere = self.grants.by_namespace.get(EVERYWHERE, ())
            return Permission.ADMIN in everywhere and self.scopes is None and self.limit is None
        if path is None:
            listed = verb is not Verb.LIST or self.scopes is None or self.scopes.catalog
            return self.name is not None and listed and verb in (Verb.PING, Verb.LIST)
        needed = _NEEDED.get(verb)
        if needed is None or needed not in self.grants.of(path):
            return False
        if self.limit is not None and needed not in self.limit:
            return False
        return self.scopes is None or needed in self.scopes.by_path.get(path, ())

    def sees(self, path: str) -> bool:
        """Whether the account could pull it: a token for the catalog names no repositories."""
        return replace(self, scopes=None).may(Verb.PULL, path)


@dataclass(frozen=True, slots=True)
class _Identity:
    """A proven account, and by which of its credentials."""

    account: Account
    credential: str
    limit: frozenset[Permission] | None = None


class Door:
    """Lets in who has an account, and the anonymous where they were granted something.

    ``everybody`` is granted to the anonymous besides what the accounts say. ``offers`` are the schemes of the
    challenge; both are always taken.
    """

    def __init__(
        self,
        accounts: Accounts,
        tokens: Tokens,
        *,
        audit: AuditLog | None = None,
        everybody: Grants | None = None,
        offers: Sequence[Scheme] = tuple(Scheme),
        checks: PasswordChecks | None = None,
        throttle: Throttle | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._audit = audit
        self._everybody = everybody or Grants()
        self._offers = tuple(offers)
        self._checks = checks or PasswordChecks()
        self._throttle = throttle or Throttle()
        self._now = now

    async def admit(self, knock: Knock) -> Guest:
        """Return who it is. Wrong credentials are refused even where none are needed."""
        guest = await self._guest(knock)
        if not guest.may(knock.verb, knock.path):
            raise _refusal(guest, knock)
        return guest

    async def challenges(self, knock: Knock, error: AirferryError) -> tuple[str, ...]:
        """Return Bearer, then Basic.

        Basic is left out where the anonymous may pull: docker and oc answer every challenge that they know, and
        give up on Basic when they have no credentials, although Bearer would have let them in.
        """
        made = []
        for scheme in self._offers:
            if scheme is Scheme.BEARER and knock.origin is not None:
                made.append(await self._bearer_challenge(knock, error))
            elif scheme is Scheme.BASIC and (len(self._offers) == 1 or not await self._anonymous()):
                made.append(BASIC_CHALLENGE)
        return tuple(made) or (BASIC_CHALLENGE,)

    async def issue(self, wish: TokenWish) -> IssuedToken:
        """Return a token for what of the wished scopes the account may do; the rest is left out in silence.

        Raises UnauthorizedError for wrong credentials, and for none where the anonymous may do nothing of it.
        """
        if wish.service not in (None, await self._tokens.service()):
            raise MalformedError(f"this is not the service {wish.service[:80]!r}" if wish.service else "no service")
        identity = await self._prove(wish.credentials, wish.address) if wish.credentials else None
        grants = identity.account.grants if identity else await self._anonymous()
        limit = identity.limit if identity else None
        asked = parse_scopes(wish.scopes)
        given = asked.narrowed(grants, limit=limit, catalog=identity is not None)
        if identity is None:
            if not given:
                raise UnauthorizedError("credentials are needed for a token")
            return await self._tokens.issue(None, None, given)
        await self._say(AuditEvent.LOGIN, account=identity.account.name, address=wish.address, by="token")
        return await self._tokens.issue(identity.account.name, identity.credential, given)

    def let_everybody(self, grants: Grants) -> None:
        """Grant the anonymous this from now on, besides what the accounts say."""
        self._everybody = grants

    def close(self) -> None:
        """End the thread that checks passwords."""
        self._checks.close()

    async def _guest(self, knock: Knock) -> Guest:
        match parse_authorization(knock.authorization):
            case None:
                return Guest(None, await self._anonymous())
            case Credentials() as credentials:
                identity = await self._prove(credentials, knock.address)
                if knock.verb is Verb.PING:
                    await self._say(AuditEvent.LOGIN, account=identity.account.name, address=knock.address, by="basic")
                return Guest(identity.account.name, identity.account.grants, identity.limit)
            case BearerToken(secret):
                return await self._bearer(secret)

    async def _bearer(self, secret: str) -> Guest:
        good = await self._tokens.check(secret)
        if good.account is None:
            return Guest(None, await self._anonymous(), scopes=good.scopes)
        account = await self._accounts.find(good.account)
        if account is None or good.credential is None:
            raise TokenInvalidError("the account of the bearer token is gone")
        if account.password is not None and account.password.id == good.credential:
            return Guest(account.name, account.grants, scopes=good.scopes)
        token = account.token(good.credential)
        if token is None or token.is_expired(self._now()):
            raise TokenInvalidError("the login that the bearer token came from is gone", hint="log in again")
        return Guest(account.name, account.grants, token.permissions, good.scopes)

    async def _prove(self, credentials: Credentials, address: str | None) -> _Identity:
        """Return whose credentials these are, or raise UnauthorizedError, the same for all that is wrong."""
        account = await self._accounts.find(credentials.name)
        if is_access_token(credentials.password):
            return await self._prove_token(account, credentials, address)
        password = account.password if account else None
        hashed = password.bcrypt if password else None
        verdict = self._checks.recall(credentials, hashed)
        if verdict is None:
            is_new = not self._checks.is_under_way(credentials, hashed)
            if is_new:
                self._throttle.guess(address, credentials.name)
            others = () if hashed else [one.password.bcrypt for one in await self._accounts.all() if one.password]
            verdict = await self._checks.check(credentials, hashed, others)
            if is_new:
                await self._count(verdict, account, credentials, address)
        if account is None or password is None or not verdict.is_right:
            raise UnauthorizedError("the name or the password is wrong")
        return _Identity(account, password.id)

    async def _prove_token(self, account: Account | None, credentials: Credentials, address: str | None) -> _Identity:
        token = account.token_for(credentials.password) if account else None
        if account is not None and token is not None and not token.is_expired(self._now()):
            return _Identity(account, token.id, token.permissions)
        if self._checks.recall(credentials, None) is None:
            self._throttle.guess(address, credentials.name)
            self._checks.remember_wrong(credentials)
            await self._count(Verdict.WRONG, account, credentials, address)
        if token is not None:
            raise UnauthorizedError("the access token has expired", hint="make a new one, and use that")
        raise UnauthorizedError("the name or the password is wrong")

    async def _count(
        self, verdict: Verdict, account: Account | None, credentials: Credentials, address: str | None
    ) -> None:
        if verdict.is_right:
            self._throttle.succeeded(address, credentials.name)
            await self._say(AuditEvent.LOGIN, account=credentials.name, address=address, by="password")
            return
        # A name that is none may be a password in the wrong field: it is not written down.
        name = credentials.name if account else None
        await self._say(AuditEvent.LOGIN_FAILED, account=name, address=address)

    async def _anonymous(self) -> Grants:
        """Return what everybody may do: at most pull, whatever the file says."""
        granted = (await self._accounts.anonymous()).added(self._everybody)
        return Grants({namespace: _PULL for namespace, given in granted.by_namespace.items() if given})

    async def _bearer_challenge(self, knock: Knock, error: AirferryError) -> str:
        fields = {"realm": f"{knock.origin}{TOKEN_PATH}", "service": await self._tokens.service()}
        actions = _SCOPE_ACTIONS.get(knock.verb)
        if knock.path is not None and actions is not None:
            fields["scope"] = f"repository:{knock.path}:{actions}"
        elif knock.verb is Verb.LIST:
            fields["scope"] = "registry:catalog:*"
        match error:
            case ScopeMissingError(also_pull=source):
                fields["error"] = "insufficient_scope"
                if source is not None:
                    fields["scope"] += f" repository:{source}:pull"
            case TokenInvalidError():
                fields["error"] = "invalid_token"
        return "Bearer " + ",".join(f'{name}="{value}"' for name, value in fields.items())

    async def _say(self, event: AuditEvent, **fields: str | None) -> None:
        if self._audit is not None:
            await self._audit.write(event, **fields)


BASIC_CHALLENGE: Final = 'Basic realm="airferry registry", charset="UTF-8"'
_PULL: Final = frozenset({Permission.PULL})


def pull_everywhere() -> Grants:
    """Return what lets everybody pull everything."""
    return Grants({EVERYWHERE: _PULL})


def _refusal(guest: Guest, knock: Knock) -> AirferryError:
    """Say no: the same for what is there and what is not."""
    what = f"{knock.verb} {knock.path}" if knock.path else f"{knock.verb} the registry"
    if guest.name is None:
        return UnauthorizedError(f"credentials are needed to {what}")
    if replace(guest, scopes=None).may(knock.verb, knock.path):
        return ScopeMissingError(f"the bearer token is not for this: {what}", hint="ask for a token with that scope")
    return NotGrantedError(f"{guest.name} may not {what}", account=guest.name)
