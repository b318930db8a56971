"""Namespaces, permissions and scopes: the pure rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import UsageError
from airferry.registry.access.grants import (
    EVERYWHERE,
    Grants,
    Permission,
    parse_namespace,
    parse_permissions,
    print_permissions,
)
from airferry.registry.access.scopes import MOST_SCOPES, Scopes, parse_scopes, scopes_of_claims

from .guarded import grants

COVERED = {
    "a namespace covers itself": ("team", "team", True),
    "and what is below": ("team", "team/app/x", True),
    "and nothing that only begins like it": ("team", "teams/app", False),
    "a deeper one covers what is deeper still": ("team/app", "team/app/x", True),
    "and not its neighbours": ("team/app", "team/web", False),
    "and not what is above": ("team/app", "team", False),
    "the star covers all": (EVERYWHERE, "any/thing", True),
}


@pytest.mark.parametrize("case", COVERED)
def test_which_repositories_a_namespace_covers(case: str) -> None:
    namespace, path, is_covered = COVERED[case]
    assert (Permission.PULL in Grants({namespace: parse_permissions("pull")}).of(path)) is is_covered


BROUGHT = {"pull": "pull", "push": "pull,push", "delete": "pull,delete", "admin": "pull,push,delete,admin", "none": ""}


@pytest.mark.parametrize("given_", BROUGHT)
def test_what_a_permission_brings_along(given_: str) -> None:
    assert ",".join(print_permissions(grants(team=given_).of("team/x"))) == BROUGHT[given_]


def test_grants_add_up_and_a_narrow_one_takes_nothing_away() -> None:
    both = grants(everywhere="push", team="pull", team__app="delete")
    assert print_permissions(both.of("team/app/x")) == ("pull", "push", "delete")
    assert print_permissions(both.of("team/web")) == ("pull", "push")
    assert both.replaced(EVERYWHERE, frozenset()).of("other") == frozenset()


PATHS = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4).map("/".join)
SOME_GRANTS = st.dictionaries(
    PATHS | st.just(EVERYWHERE), st.frozensets(st.sampled_from(Permission), min_size=1), max_size=4
).map(Grants)


@given(SOME_GRANTS, SOME_GRANTS, PATHS)
def test_more_grants_never_allow_less(some: Grants, more: Grants, path: str) -> None:
    assert some.added(more).of(path) >= some.of(path) | more.of(path)


@given(SOME_GRANTS, PATHS, PATHS)
def test_whoever_may_do_it_above_may_do_it_below(some: Grants, path: str, below: str) -> None:
    assert some.of(f"{path}/{below}") >= some.of(path)


@pytest.mark.parametrize("text", ["", "Team", "team/", "/team", "team/*", "a b", "../x", "**"])
def test_a_namespace_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_namespace(text)


@pytest.mark.parametrize("text", ["", "write", "pull,", "pull,none", "PULL"])
def test_a_permission_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_permissions(text)


ASKED = {
    "one repository": (["repository:a/b:pull,push"], ["repository:a/b:pull,push"]),
    "several, between spaces and in several parameters": (
        ["repository:a:pull repository:b:pull", "repository:c:delete"],
        ["repository:a:pull", "repository:b:pull", "repository:c:delete"],
    ),
    "the same twice": (["repository:a:pull", "repository:a:push"], ["repository:a:pull,push"]),
    "everything in a repository": (["repository:a:*"], ["repository:a:pull,push,delete"]),
    "a class, which nobody uses any more": (["repository(plugin):a:pull"], ["repository:a:pull"]),
    "the catalog": (["registry:catalog:*"], ["registry:catalog:*"]),
    "the catalog and a repository": (
        ["registry:catalog:* repository:a:pull"],
        ["repository:a:pull", "registry:catalog:*"],
    ),
    "no action": (["repository:a:"], []),
    "an action that we do not have": (["repository:a:admin,metrics"], []),
    "a repository that cannot be": (["repository:../A:pull", "repository::pull", "repository:*:pull"], []),
    "something else": (["aws:x:y", "registry:metrics:*", "::", ":", "", "repository", "registry:catalog:pull"], []),
}


@pytest.mark.parametrize("case", ASKED)
def test_what_scopes_ask_for(case: str) -> None:
    asked, read = ASKED[case]
    assert list(parse_scopes(asked).words()) == read


def test_a_token_holds_no_more_repositories_than_fit_into_a_header() -> None:
    assert len(parse_scopes([f"repository:r{n}:pull" for n in range(3 * MOST_SCOPES)]).by_path) == MOST_SCOPES


@given(st.lists(st.text(st.sampled_from("ab:/,* ()registyepoul"), max_size=40), max_size=5))
def test_any_text_can_be_asked_for_and_claims_say_what_was_read(texts: list[str]) -> None:
    scopes = parse_scopes(texts)
    assert scopes_of_claims(scopes.claims()) == scopes
    assert parse_scopes(scopes.words()) == scopes


@given(SOME_GRANTS, st.dictionaries(PATHS, st.frozensets(st.sampled_from(["pull", "push", "delete"]), min_size=1)))
def test_a_token_never_holds_more_than_is_asked_and_granted(some: Grants, asked: dict[str, frozenset[str]]) -> None:
    wanted = parse_scopes([f"repository:{path}:{','.join(actions)}" for path, actions in asked.items()])
    for limit in (None, frozenset({Permission.PULL})):
        given_ = wanted.narrowed(some, limit=limit, catalog=False)
        for path, actions in given_.by_path.items():
            assert actions and actions <= wanted.by_path[path] & some.of(path)
            assert limit is None or actions <= limit


@pytest.mark.parametrize("access", [None, 1, "x", {}, [1, None], [{"type": "repository"}], [{"name": "a"}]])
def test_claims_that_are_none_allow_nothing(access: object) -> None:
    assert not any(
        Scopes.narrowed(scopes_of_claims(access), grants(everywhere="admin"), limit=None, catalog=True).by_path
    )
