"""An image's configuration, as strictly as nodes read it: a field of another type fails the pull.

Source: OCI image-spec, config.md; containers/image reads those of Docker as the same, with Go's rules: null is as good
as absent, further fields are passed over, and a date is one of RFC 3339.
"""

import re
from datetime import date as calendar_day
from typing import Any, Final

import msgspec

from airferry.errors import MalformedError, parser_words

_DATE: Final = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-5][0-9])\Z"
)

Texts = list[str | None] | None
Flags = dict[str, dict[str, Any] | None] | None


class _Step(msgspec.Struct):
    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class _Layers(msgspec.Struct):
    type: str | None = None
    diff_ids: Texts = None


class _Execution(msgspec.Struct, rename="pascal"):
    user: str | None = None
    exposed_ports: Flags = None
    env: Texts = None
    entrypoint: Texts = None
    cmd: Texts = None
    volumes: Flags = None
    working_dir: str | None = None
    labels: dict[str, str | None] | None = None
    stop_signal: str | None = None


class Configuration(msgspec.Struct):
    """What nodes read of a configuration; None for what it does not say."""

    created: str | None = None
    author: str | None = None
    architecture: str | None = None
    variant: str | None = None
    os: str | None = None
    config: _Execution | None = None
    rootfs: _Layers | None = None
    history: list[_Step | None] | None = None


_DECODER: Final = msgspec.json.Decoder(Configuration)


def parse_configuration(content: bytes) -> Configuration:
    """Return the configuration. Raises MalformedError, naming the field, for one that nodes do not read."""
    try:
        found = _DECODER.decode(content)
    except msgspec.ValidationError as error:
        raise MalformedError(f"the configuration is not one that nodes read: {parser_words(error)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"the configuration is not JSON: {parser_words(error)}") from error
    dates = [found.created, *(step.created for step in found.history or () if step is not None)]
    for date in dates:
        if date is not None and not _is_date(date):
            raise MalformedError(f"the configuration is not one that nodes read: created is no date but {date[:40]!r}")
    return found


def _is_date(text: str) -> bool:
    found = _DATE.match(text)
    if found is None:
        return False
    try:
        calendar_day.fromisoformat(found["day"])
    except ValueError:
        return found["day"].startswith("0000-")  # a year that Go has and Python has not
    return True
