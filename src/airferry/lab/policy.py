"""How the lab upstream treats its visitors. The defaults are those of quay.io for a public repository."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Authentication(StrEnum):
    """How a visitor proves who they are."""

    BEARER = "bearer"
    BASIC = "basic"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may pull, and how content is handed out.

    ``users`` gives passwords by name; without ``anonymous_pull`` only they may pull. Nobody may pull from the
    repositories in ``denied``. Tokens live for ``token_lifetime_s`` and say so only with ``says_lifetime``
    (Quay's do not). With ``redirects`` a blob is answered by 302 to the CDN on another port, which refuses requests
    that carry an Authorization header. ``referrers`` False answers 404 where the referrers API would be.
    ``pace_bytes_per_s`` slows down each blob; None is as fast as it goes.
    """

    authentication: Authentication = Authentication.BEARER
    anonymous_pull: bool = True
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    denied: tuple[str, ...] = ()
    token_lifetime_s: float = 3600.0
    says_lifetime: bool = False
    redirects: bool = True
    referrers: bool = True
    tags_per_page: int = 100
    pace_bytes_per_s: int | None = None
