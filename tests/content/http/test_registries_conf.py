"""registries.conf, read as containers/image reads it."""

from pathlib import Path

import pytest

from airferry.content.errors import NotFoundError
from airferry.content.registries_conf import load_default_rules, read_registries_conf
from airferry.errors import MalformedError
from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules

DATA = Path(__file__).parents[2] / "data/registries_conf"


def conf(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "registries.conf"
    path.write_text(text)
    return path


def test_a_real_sample_is_read() -> None:
    assert read_registries_conf(DATA / "unmarshal.conf") == PullRules(
        (
            PullRule("blocked.registry.com", "blocked.registry.com", blocked=True),
            PullRule("insecure.registry.com", "insecure.registry.com", insecure=True),
            PullRule(
                "registry.com", "registry.com", (Mirror("mirror-1.registry.com"), Mirror("mirror-2.registry.com"))
            ),
            PullRule("untrusted.registry.com", "untrusted.registry.com", insecure=True),
        )
    )


def test_an_empty_file_has_no_rules() -> None:
    assert read_registries_conf(DATA / "empty.conf") == PullRules()


def test_version_1_knows_blocked_and_insecure() -> None:
    rules = read_registries_conf(DATA / "v1-compatibility.conf").rules
    assert [(rule.prefix, rule.blocked, rule.insecure) for rule in rules] == [
        ("registry-a.com", False, True),
        ("registry-b.com", True, True),
        ("registry-d.com", False, True),
        ("registry-e.com", False, True),
    ]


def test_all_that_version_2_says_is_read(tmp_path: Path) -> None:
    path = conf(
        tmp_path,
        """
        unqualified-search-registries = ["docker.io"]
        short-name-mode = ""
        [[registry]]
        prefix = "*.ex.com"
        [[registry]]
        prefix = "quay.io/ocp/"
        location = "in.lan:5000/ocp/"
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = "m.lan:8443/ocp/"
        insecure = true
        [[registry]]
        location = "q.io/a"
        [[registry.mirror]]
        location = "m.lan/d"
        pull-from-mirror = "digest-only"
        [[registry.mirror]]
        location = "m.lan/t"
        pull-from-mirror = "tag-only"
        [[registry]]
        location = "q.io/a"
        """,
    )
    assert read_registries_conf(path).rules == (
        PullRule("*.ex.com", ""),
        PullRule(
            "q.io/a",
            "q.io/a",
            (Mirror("m.lan/d", False, PullFrom.DIGEST_ONLY), Mirror("m.lan/t", False, PullFrom.TAG_ONLY)),
        ),
        PullRule("quay.io/ocp", "in.lan:5000/ocp", (Mirror("m.lan:8443/ocp/", True),), mirror_by_digest_only=True),
    )


SAMPLES = {
    "blocked-conflicts.conf": "registry.com is listed more than once with different blocked settings",
    "insecure-conflicts.conf": "registry.com is listed more than once with different insecure settings",
    "invalid-config-level-mirror.conf": "number 1 (registry-a.com/foo): pull-from-mirror belongs to a",
    "invalid-prefix.conf": "number 1: 'http://schema-is-invalid.com' has a scheme",
    "invalid-short-name-mode.conf": "short-name-mode cannot be 'invalid'",
    "missing-mirror-location.conf": "number 2 (registry-b.com), mirror number 2 has no location",
    "mixing-v1-v2.conf": "mixes [registries.…] (version 1) with version 2",
    "try-update-cache-invalid.conf": "is not TOML",
    "v1-invalid-insecure.conf": "[registries.insecure]: 'http://schema-is-invalid.com' has a scheme",
}


@pytest.mark.parametrize(("name", "message"), SAMPLES.items(), ids=SAMPLES)
def test_what_the_library_refuses_is_refused_by_file_and_table(name: str, message: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read_registries_conf(DATA / name)
    assert name in caught.value.message and message in caught.value.message


WRITTEN = {
    "neither prefix nor location": ("[[registry]]\nblocked = true", "has neither prefix nor location"),
    "a prefix without a location": ('[[registry]]\nprefix = "a.io"', "has no location"),
    "both ways to restrict mirrors": (
        '[[registry]]\nlocation="a.io"\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation="m.io"\npull-from-mirror="all"',
        "cannot be set together",
    ),
    "an unknown restriction": (
        '[[registry]]\nlocation="a.io"\n[[registry.mirror]]\nlocation="m.io"\npull-from-mirror="some"',
        "cannot be 'some'",
    ),
    "a flag that is text": ('[[registry]]\nlocation="a.io"\nblocked="yes"', "blocked is neither true nor false"),
    "a location that is a number": ("[[registry]]\nlocation=5", "location is not text"),
    "one table instead of many": ('[registry]\nlocation="a.io"', "write [[registry]]"),
    "mirrors as a list of text": ('[[registry]]\nlocation="a.io"\nmirror=["m.io"]', "write [[registry.mirror]]"),
    "version 1 as a list": ("registries = []", "is not a table"),
    "version 1 with numbers": ("[registries.block]\nregistries = [1]", "list of registries"),
}


@pytest.mark.parametrize(("text", "message"), WRITTEN.values(), ids=WRITTEN)
def test_what_is_written_wrongly_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read_registries_conf(conf(tmp_path, text))
    assert message in caught.value.message and "registries.conf" in caught.value.message


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no\.conf does not exist"):
        read_registries_conf(tmp_path / "no.conf")
    with pytest.raises(NotFoundError):
        load_default_rules({"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "no.conf")}, tmp_path, tmp_path / "etc/none")


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A system's folder with a main file and the real drop-ins, one of them with the wrong ending."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "registries.conf").write_text('[[registry]]\nlocation="base.com"\n[[registry]]\nlocation="kept.com"\n')
    (folder / "registries.conf.d").mkdir()
    for source in (DATA / "registries.conf.d").iterdir():
        (folder / "registries.conf.d" / source.name).write_bytes(source.read_bytes())
    return folder


def prefixes(rules: PullRules) -> list[str]:
    return [("!" if rule.blocked else "") + rule.prefix for rule in rules.rules]


SYSTEM = ["*.docker.com", "1.com", "2.com", "!base.com", "kept.com"]


def test_drop_ins_replace_tables_of_the_same_prefix(etc: Path, tmp_path: Path) -> None:
    assert prefixes(load_default_rules({}, tmp_path / "home", etc / "registries.conf")) == SYSTEM


def test_the_users_drop_ins_come_last(etc: Path, tmp_path: Path) -> None:
    own = tmp_path / "home/.config/containers/registries.conf.d"
    own.mkdir(parents=True)
    (own / "9.conf").write_text('[[registry]]\nlocation="base.com"\n')
    assert "base.com" in prefixes(load_default_rules({}, tmp_path / "home", etc / "registries.conf"))


def test_the_users_file_replaces_the_systems_and_its_drop_ins(etc: Path, tmp_path: Path) -> None:
    own = tmp_path / "home/.config/containers"
    (own / "registries.conf.d").mkdir(parents=True)
    (own / "registries.conf").write_text('[[registry]]\nlocation="own.com"\n')
    (own / "registries.conf.d/1.conf").write_text('[[registry]]\nlocation="own-drop-in.com"\n')
    rules = load_default_rules({}, tmp_path / "home", etc / "registries.conf")
    assert prefixes(rules) == ["own-drop-in.com", "own.com"]


def test_the_environment_replaces_the_main_file_only(etc: Path, tmp_path: Path) -> None:
    environ = {"CONTAINERS_REGISTRIES_CONF": str(conf(tmp_path, '[[registry]]\nlocation="named.com"\n'))}
    rules = load_default_rules(environ, tmp_path / "home", etc / "registries.conf")
    assert prefixes(rules) == ["*.docker.com", "1.com", "2.com", "!base.com", "named.com"]


def test_a_drop_in_must_be_version_2(etc: Path, tmp_path: Path) -> None:
    (etc / "registries.conf.d/old.conf").write_text('[registries.block]\nregistries = ["a.com"]\n')
    with pytest.raises(MalformedError, match=r"old\.conf: drop-in files must be written in version 2"):
        load_default_rules({}, tmp_path / "home", etc / "registries.conf")


def test_a_system_without_any_file_has_no_rules(tmp_path: Path) -> None:
    assert load_default_rules({}, tmp_path, tmp_path / "etc/registries.conf") == PullRules()
