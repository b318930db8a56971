"""Lists become requests: each repository is asked for its tags once, through all pages."""

from collections import Counter

import pytest

from airferry.app.images.image_lists import check_platforms, listed_copies
from airferry.content.errors import NotFoundError, UnreachableError
from airferry.errors import AirferryError, UsageError
from airferry.oci import Place
from airferry.plan.lists import ImageList, Template, parse_list

TAGS = {"org/app": ("1.0", "1.1", "2.0"), "org/tool": ("1.0",)}


class Registry:
    """Knows tags, and counts how often it is asked for them."""

    def __init__(self, error: AirferryError | None = None) -> None:
        self.asked: Counter[str] = Counter()
        self._error = error

    async def list_tags(self, path: str) -> tuple[str, ...]:
        self.asked[path] += 1
        if self._error is not None and path == "org/tool":
            raise self._error
        return TAGS[path]

    async def list_repositories(self) -> tuple[str, ...]:
        return tuple(TAGS)


class Places:
    """One registry under every host."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def source(self, place: Place) -> Registry:
        return self._registry

    def registry(self, host: str) -> Registry:
        return self._registry


def read(text: str) -> ImageList:
    return parse_list("list", text, has_destination=True)


async def copies(text: str, registry: Registry, to: str | None = "mirror.lan", tolerates: bool = False):  # type: ignore[no-untyped-def]
    template = Template.parse(to) if to else None
    return await listed_copies(read(text), template, Places(registry), tolerates=lambda error: tolerates)  # type: ignore[arg-type]


async def test_each_repository_is_asked_for_its_tags_once() -> None:
    registry = Registry()
    text = """
quay.io:
  images: {org/app: [], org/tool: []}
  images-by-tag-regex: {org/app: ^1}
  images-by-semver: {org/app: ["^1", "^2"], org/tool: ">=1"}
"""
    found = await copies(text, registry)
    assert registry.asked == {"org/app": 1, "org/tool": 1}
    assert {f"{request.destination}:{request.tags[0]}" for request in found.requests} == {
        f"mirror.lan/{path}:{tag}" for path, tags in TAGS.items() for tag in tags
    }


async def test_images_named_whole_are_not_asked_about() -> None:
    registry = Registry()
    await copies("quay.io/org/app:1.0\nquay.io/org/tool:9\n", registry)
    assert not registry.asked


async def test_a_whole_registry_goes_below_its_target() -> None:
    chosen = "tags: {deny: ['1.*']}, repos: {deny: [org/tool]}"
    text = f"sync: [{{type: registry, source: quay.io, target: mirror.lan/x, {chosen}}}]"
    found = await copies(text, Registry(), None)
    assert [(str(request.destination), request.tags) for request in found.requests] == [
        ("mirror.lan/x/org/app", ("2.0",))
    ]


@pytest.mark.parametrize("error", [NotFoundError("no such repository"), UnreachableError("no route")])
async def test_a_repository_that_cannot_be_listed_is_a_gap_or_the_end(error: AirferryError) -> None:
    text = "quay.io/org/app:1*\nquay.io/org/tool:*\n"
    with pytest.raises(type(error)):
        await copies(text, Registry(error))
    found = await copies(text, Registry(error), tolerates=True)
    assert len(found.requests) == 2
    assert [(gap.code, gap.request.name) for gap in found.gaps] == [(error.code, "quay.io/org/tool (list, line 2)")]


async def test_an_image_does_not_go_to_where_it_is() -> None:
    with pytest.raises(UsageError, match="would go to where it is"):
        await copies("quay.io/org/app:1.0\n", Registry(), "quay.io")


def test_the_hint_about_platforms_is_an_expression_that_means_them() -> None:
    text = "sync: [{type: image, source: 'quay.io/a/b:1', target: 'm.lan/b:1', platforms: [linux/amd64, linux/arm/v7]}]"
    with pytest.raises(UsageError) as caught:
        check_platforms(read(text), is_filtered=False)
    assert "'^linux/amd64|^linux/arm/v7'" in str(caught.value.hint)
    check_platforms(read(text), is_filtered=True)
