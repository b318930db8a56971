"""Image configurations as nodes read them; tests/outsiders holds the same against podman."""

import json
from typing import Any

import pytest

from airferry.errors import MalformedError
from airferry.survey.pull_configuration import parse_configuration

GOOD: dict[str, dict[str, Any]] = {
    "nothing at all": {},
    "a date of the last year that Go has": {"created": "9999-12-31T23:59:59Z"},
    "a date of the year 0": {"created": "0001-01-01T00:00:00Z"},
    "null everywhere": {"created": None, "config": None, "rootfs": None, "history": [None], "author": None},
    "fields of Docker": {"container": "abc", "docker_version": "20.10", "config": {"Image": "", "OnBuild": []}},
}
BAD: dict[str, dict[str, Any]] = {
    "a day that there is not": {"created": "2023-02-29T00:00:00Z"},
    "an hour that there is not": {"created": "2023-02-28T24:00:00Z"},
    "an empty date": {"created": ""},
    "a step that is text": {"history": ["RUN x"]},
    "a flag that is text": {"history": [{"empty_layer": "yes"}]},
    "a command that is text": {"config": {"Cmd": "sh"}},
    "an architecture that is a number": {"architecture": 64},
    "layers that are numbers": {"rootfs": {"diff_ids": [1]}},
}


@pytest.mark.parametrize("word", GOOD)
def test_what_nodes_read_is_read(word: str) -> None:
    parse_configuration(json.dumps(GOOD[word]).encode())


@pytest.mark.parametrize("word", BAD)
def test_what_nodes_do_not_read_is_refused(word: str) -> None:
    with pytest.raises(MalformedError, match="not one that nodes read"):
        parse_configuration(json.dumps(BAD[word]).encode())
