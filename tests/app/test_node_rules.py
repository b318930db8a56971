"""What we print as a node's files is what we read, and a node's own files count as ours."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.app.cluster.node_rules import load_node_rules, write_node_files
from airferry.content.registries_conf import read_node_registries, read_registries_conf
from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules
from airferry.openshift.cluster.cluster_objects import ClusterObjects
from airferry.openshift.cluster.image_config import ImageConfig
from airferry.openshift.cluster.node_config import NodeConfig, node_config
from airferry.openshift.cluster.registries_conf import print_registries_conf

DATA = Path(__file__).parents[1] / "data"
SAMPLES = sorted((DATA / "registries_conf").glob("*.conf"))
REFUSED = {
    "blocked-conflicts.conf",
    "insecure-conflicts.conf",
    "invalid-config-level-mirror.conf",
    "invalid-prefix.conf",
    "invalid-short-name-mode.conf",
    "missing-mirror-location.conf",
    "mixing-v1-v2.conf",
    "try-update-cache-invalid.conf",
    "v1-invalid-insecure.conf",
}
"""What containers/image's own tests refuse."""


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_the_samples_of_the_library_are_read_or_refused_and_print_back(path: Path, tmp_path: Path) -> None:
    if path.name in REFUSED:
        with pytest.raises(MalformedError):
            load_node_rules([path])
        return
    config = load_node_rules([path]).config
    again = tmp_path / "again.conf"
    again.write_text(print_registries_conf(config.rules, search=config.search))
    assert load_node_rules([again]).config == config


def test_all_samples_are_in_the_table() -> None:
    assert {path.name for path in SAMPLES} > REFUSED


@pytest.mark.parametrize("folder", ["registries.conf.d", "registries.conf.d-empty-helpers", "registries.conf.d-usr2"])
def test_drop_ins_beside_registries_conf_count(folder: str, tmp_path: Path) -> None:
    main = tmp_path / "registries.conf"
    main.write_text('unqualified-search-registries = ["a.io"]\n')
    (tmp_path / "registries.conf.d").symlink_to(DATA / "registries_conf" / folder)
    found = read_node_registries(main)
    assert found.search == ("a.io",)
    assert found.search_drop_in == {"registries.conf.d-usr2": ()}.get(folder, found.search_drop_in)
    if folder == "registries.conf.d":
        assert {rule.prefix for rule in found.rules.rules} >= {"base.com", "1.com", "2.com"} - {"base.com"}
    # A file by another name counts alone.
    alone = tmp_path / "other.conf"
    alone.write_text(main.read_text())
    assert read_node_registries(alone).rules == PullRules()


HOSTS = st.sampled_from(["q.io", "m.io:5000", "localhost", "[::1]:5000", "*.ex.com", "*.io"])
NAMES = st.builds(
    lambda host, path: host if host.startswith("*") else host + path, HOSTS, st.sampled_from(["", "/a", "/a/b-c.d_e"])
)
LOCATIONS = NAMES.filter(lambda name: not name.startswith("*"))
REGISTRIES = HOSTS.filter(lambda name: not name.startswith("*"))
"""What a search list may hold: nodes read no file in which it names a repository."""
MIRRORS = st.lists(st.builds(Mirror, LOCATIONS, st.booleans(), st.sampled_from(PullFrom)), max_size=3).map(tuple)
PLAIN = st.lists(st.builds(Mirror, LOCATIONS, st.booleans()), max_size=3).map(tuple)


def rule(
    prefix: str, elsewhere: str | None, mirrors: tuple[Mirror, ...], plain: tuple[Mirror, ...], flags: tuple[bool, ...]
) -> PullRule:
    blocked, insecure, by_digest = flags
    location = elsewhere or ("" if prefix.startswith("*.") else prefix)
    return PullRule(prefix, location, plain if by_digest else mirrors, blocked, insecure, by_digest)


RULES = st.builds(
    rule, NAMES, st.none() | LOCATIONS, MIRRORS, PLAIN, st.tuples(st.booleans(), st.booleans(), st.booleans())
)


@given(st.lists(RULES, max_size=5, unique_by=lambda item: item.prefix), st.lists(REGISTRIES, max_size=2))
def test_what_is_read_prints_back_as_the_same_rules(rules: list[PullRule], search: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "registries.conf"
        ordered = PullRules(tuple(sorted(rules, key=lambda item: item.prefix)))
        path.write_text(print_registries_conf(PullRules(tuple(rules)), search=search))
        try:
            found = read_node_registries(path)
        except MalformedError as error:
            # Rules that contradict each other are nobody's: the same place both barred and open.
            assert "more than once with different" in error.message
            return
        assert found.rules == ordered == read_registries_conf(path)
        assert found.search == tuple(search)


@given(
    st.lists(LOCATIONS, max_size=2, unique=True),
    st.lists(LOCATIONS, max_size=2, unique=True),
    st.none() | st.lists(REGISTRIES, max_size=2).map(tuple),
)
def test_the_written_files_of_a_cluster_read_back_as_what_its_nodes_have(
    insecure: list[str], blocked: list[str], search: tuple[str, ...] | None
) -> None:
    objects = ClusterObjects((), ImageConfig(tuple(insecure), tuple(blocked), search=search))
    config = node_config(objects)
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(write_node_files(Path(name), config.files()))
        again = load_node_rules([Path(name) / "etc/containers/registries.conf"]).config
    assert sorted(again.rules.rules, key=str) == sorted(config.rules.rules, key=str)
    assert (again.search, again.search_drop_in) == (config.search, config.search_drop_in)


def test_a_nodes_file_is_not_joined_with_objects(tmp_path: Path) -> None:
    conf = DATA / "registries_conf" / "unmarshal.conf"
    with pytest.raises(UsageError, match="cannot be joined"):
        load_node_rules([conf, DATA / "mirrors/files/idmsFile64921.yaml"])
    with pytest.raises(UsageError, match="cannot be joined"):
        load_node_rules([conf, conf])
    lookups = tmp_path / "sigstore-registries.yaml"
    lookups.write_text("docker:\n  q.io/a:\n    use-sigstore-attachments: true\n  q.io/b: {}\n")
    found = load_node_rules([conf, lookups, DATA / "mirrors/files/cluster-image-policy.yaml"])
    assert found.config.lookups == ("q.io/a",)


@pytest.mark.parametrize("name", ["node", "node.txt"])
def test_a_nodes_file_is_known_by_its_content_where_its_name_says_nothing(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text('[[registry]]\nlocation = "q.io"\n')
    assert load_node_rules([path]).config == NodeConfig(PullRules((PullRule("q.io", "q.io"),)), ())


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "no.yaml", tmp_path / "no.conf", tmp_path / "no"):
        with pytest.raises(AirferryError, match=path.name):
            load_node_rules([path])
    with pytest.raises(UsageError, match="no file was given"):
        load_node_rules([])
