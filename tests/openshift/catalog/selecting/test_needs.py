"""What a bundle needs is met by the bundle that OLM would take, or named."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.openshift.catalog.findings import FindingCode
from airferry.openshift.catalog.model import Catalog, Gvk, Package
from airferry.openshift.catalog.selecting.dependencies import unsatisfied_needs
from airferry.openshift.catalog.selecting.select import select_catalog
from airferry.openshift.catalog.selecting.wanted import parse_wanted

from ..catalogs import catalog, kept, needs, package

QUEUE = Gvk("mq.example.com", "v1", "Queue")


def provider(name: str, channels: dict[str, str], *versions: str, default: str = "stable") -> Package:
    """Return a package whose bundles of these versions provide queues."""
    return package(name, channels, default=default, needs={version: {"provides": (QUEUE,)} for version in versions})


def app(*wanted: str, constraints: tuple[Any, ...] = ()) -> Package:
    """Return a package of one bundle that needs what is ``wanted``."""
    return package("app", {"stable": "1.0.0"}, needs={"1.0.0": {**needs(*wanted), "constraints": constraints}})


def added(*packages: Package) -> dict[str, dict[str, list[str]]]:
    """Return what comes along with the app."""
    found = kept(select_catalog(catalog(*packages), parse_wanted(("app",))).catalog)
    del found["app"]
    return found


KIND = "mq.example.com/v1/Queue"

CHOICES = {
    "the default channel comes first": (
        [app(KIND), provider("mq", {"fast": "2.0.0", "stable": "1.0.0"}, "1.0.0", "2.0.0")],
        {"mq": {"stable": ["1.0.0"]}},
    ),
    "then its newest version": (
        [app(KIND), provider("mq", {"stable": "1.1.0 > 1.0.0, 1.0.0"}, "1.0.0", "1.1.0")],
        {"mq": {"stable": ["1.1.0"]}},
    ),
    "a head before what is newer by number": (
        [app(KIND), provider("mq", {"stable": "1.0.0 > 1.1.0, 1.1.0"}, "1.0.0", "1.1.0")],
        {"mq": {"stable": ["1.0.0"]}},
    ),
    "default channels of any package before other channels": (
        [
            app(KIND),
            provider("amq", {"fast": "2.0.0", "stable": "1.0.0"}, "2.0.0"),
            provider("zmq", {"stable": "1.0.0"}, "1.0.0"),
        ],
        {"zmq": {"stable": ["1.0.0"]}},
    ),
    "packages by name": (
        [app(KIND), provider("amq", {"stable": "1.0.0"}, "1.0.0"), provider("zmq", {"stable": "2.0.0"}, "2.0.0")],
        {"amq": {"stable": ["1.0.0"]}},
    ),
    "another channel brings the head of the default one": (
        [app("mq 2.x"), package("mq", {"fast": "2.0.0", "stable": "1.0.0"})],
        {"mq": {"fast": ["2.0.0"], "stable": ["1.0.0"]}},
    ),
    "an older version, where the range ends before the head": (
        [app("mq <2.0.0"), package("mq", {"stable": "2.0.0 > 1.5.0, 1.5.0 > 1.0.0, 1.0.0"})],
        {"mq": {"stable": ["1.5.0"]}},
    ),
    "needs of needs": (
        [
            app("mq 1.x"),
            package("mq", {"stable": "1.0.0"}, needs={"1.0.0": needs("db 1.x")}),
            package("db", {"stable": "1.0.0"}),
        ],
        {"mq": {"stable": ["1.0.0"]}, "db": {"stable": ["1.0.0"]}},
    ),
    "needs in a circle": (
        [app("mq 1.x"), package("mq", {"stable": "1.0.0"}, needs={"1.0.0": needs("app 1.x")})],
        {"mq": {"stable": ["1.0.0"]}},
    ),
    "what the bundle provides itself": (
        [replace(app(KIND), bundles={k: replace(v, provides=(QUEUE,)) for k, v in app(KIND).bundles.items()})],
        {},
    ),
}


@pytest.mark.parametrize(("packages", "expected"), CHOICES.values(), ids=CHOICES)
def test_what_olm_would_take_comes_along(packages: list[Package], expected: dict[str, dict[str, list[str]]]) -> None:
    assert added(*packages) == expected


def test_others_that_would_do_are_named() -> None:
    packages = [app(KIND), provider("amq", {"stable": "1.0.0"}, "1.0.0"), provider("zmq", {"stable": "2.0.0"}, "2.0.0")]
    (reason,) = select_catalog(catalog(*packages), parse_wanted(("app",))).reasons
    assert str(reason) == (
        "app.v1.0.0 needs a provider of mq.example.com/v1/Queue: added amq.v1.0.0 from its default channel stable, "
        "its head; zmq would do as well"
    )


def of_package(name: str, versions: str = "") -> dict[str, Any]:
    return {"failureMessage": "needed", "package": {"packageName": name, "versionRange": versions}}


OF_KIND = {"gvk": {"group": QUEUE.group, "version": QUEUE.version, "kind": QUEUE.kind}}
TWO = [provider("mq", {"stable": "2.0.0 > 1.0.0, 1.0.0"}, "1.0.0"), package("db", {"stable": "1.0.0"})]

CONSTRAINTS = {
    "a package": (of_package("mq", "1.x"), {"mq": {"stable": ["1.0.0"]}}),
    "a kind": (OF_KIND, {"mq": {"stable": ["1.0.0"]}}),
    "all of one bundle": ({"all": {"constraints": [of_package("mq"), OF_KIND]}}, {"mq": {"stable": ["1.0.0"]}}),
    "all, each by another bundle": (
        {"all": {"constraints": [of_package("mq", "2.x"), of_package("db", "1.x")]}},
        {"mq": {"stable": ["2.0.0"]}, "db": {"stable": ["1.0.0"]}},
    ),
    "any, by the first that OLM tries": (
        {"any": {"constraints": [of_package("mq", "2.x"), of_package("db")]}},
        {"db": {"stable": ["1.0.0"]}},
    ),
    "all but not that": (
        {"all": {"constraints": [of_package("mq"), {"not": {"constraints": [of_package("mq", "2.x")]}}]}},
        {"mq": {"stable": ["1.0.0"]}},
    ),
    "nothing but a not": ({"not": {"constraints": [of_package("mq")]}}, {}),
}


@pytest.mark.parametrize(("constraint", "expected"), CONSTRAINTS.values(), ids=CONSTRAINTS)
def test_constraints_are_asked_of_bundles(constraint: dict[str, Any], expected: dict[str, Any]) -> None:
    assert added(app(constraints=(constraint,)), *TWO) == expected


def test_a_package_that_olm_would_not_serve_is_not_taken() -> None:
    broken, whole = (
        provider("amq", {"stable": "1.0.0"}, "1.0.0", default="gone"),
        provider("zmq", {"stable": "1.0.0"}, "1.0.0"),
    )
    assert added(app(KIND), broken, whole) == {"zmq": {"stable": ["1.0.0"]}}


NAMED = {
    "a package of another catalog": (app("quay 3.x"), "unsatisfied-need", "needs quay 3.x, which no bundle here is"),
    "a version that is not there": (app("mq 9.x"), "unsatisfied-need", "needs mq 9.x"),
    "the part of an all that is not there": (
        app(constraints=({"all": {"constraints": [of_package("db"), of_package("quay", "3.x")]}},)),
        "unsatisfied-need",
        "needs quay 3.x,",
    ),
    "a rule in CEL": (
        app(constraints=({"cel": {"rule": "properties.exists(p, p.type == 'x')"}},)),
        "not-evaluated",
        "a rule in CEL is not evaluated: properties.exists(p, p.type == 'x')",
    ),
    "a rule in CEL inside": (
        app(constraints=({"all": {"constraints": [of_package("db"), {"cel": {"rule": "true"}}]}},)),
        "not-evaluated",
        "CEL",
    ),
    "a range that is none": (app("mq ~1.0"), "not-evaluated", "mq ~1.0: '~1.0' in the range '~1.0'"),
    "a constraint of a kind to come": (app(constraints=({"moon": {}},)), "not-evaluated", "says moon"),
    "a compound of nothing": (app(constraints=({"all": {"constraints": []}},)), "not-evaluated", "no constraints"),
    "a package without a name": (app(constraints=({"package": {}},)), "not-evaluated", "has no name"),
}


@pytest.mark.parametrize(("asking", "code", "what"), NAMED.values(), ids=NAMED)
def test_what_cannot_be_met_or_told_is_named_and_stops_nothing(asking: Package, code: str, what: str) -> None:
    whole = catalog(asking, *TWO)
    (warning,) = select_catalog(whole, parse_wanted(("app",))).warnings
    assert (warning.code, warning.bundle) == (FindingCode(code), "app.v1.0.0")
    assert what in warning.what
    assert warning in unsatisfied_needs(whole)


def test_a_constraint_of_any_depth_is_told_not_followed() -> None:
    nested: dict[str, Any] = of_package("db")
    for _ in range(5000):
        nested = {"all": {"constraints": [nested]}}
    (warning,) = select_catalog(Catalog(catalog(app(constraints=(nested,))).packages), parse_wanted(("app",))).warnings
    assert warning.what == "a constraint is nested too deeply"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["all", "any", "not", "cel", "gvk", "package", "constraints", "packageName", "versionRange"]
            ),
            inner,
            max_size=3,
        )
    ),
)


@given(st.dictionaries(st.sampled_from(["all", "any", "not", "cel", "gvk", "package"]), _JSON, max_size=2))
def test_whatever_a_constraint_says_it_is_a_need_or_named(constraint: dict[str, Any]) -> None:
    asking = app(constraints=(constraint,))
    select_catalog(catalog(asking, *TWO), parse_wanted(("app",)))
    unsatisfied_needs(catalog(asking))


def test_needs_may_be_left_to_others() -> None:
    alone = select_catalog(catalog(app("mq 1.x"), *TWO), parse_wanted(("app",), dependencies=False))
    assert list(alone.catalog.packages) == ["app"]
    assert alone.warnings == ()
