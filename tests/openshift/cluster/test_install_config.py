"""install-config.yaml edited: what was asked for is in it, all else is as it was, and secrets are never shown."""

import json
import re
from difflib import unified_diff
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from airferry.errors import AirferryError, MalformedError, UnsupportedError, UsageError
from airferry.lab import make_certificates
from airferry.openshift.cluster.install_config import EditedInstallConfig, InstallConfigChanges, edit_install_config
from airferry.openshift.cluster.mirror_sets import MirrorEntry, MirrorKind, MirrorSet, SourcePolicy
from airferry.openshift.cluster.trust_bundle import PemCertificate, read_certificates

GOLDEN = (Path(__file__).parents[2] / "data" / "mirrors" / "files" / "upi-none-mirror.yaml").read_text()
DIGESTS, CONTENTS = MirrorKind.DIGEST_SOURCES, MirrorKind.CONTENT_SOURCES
FILE = "install-config.yaml"
SECRET = "bXk6c2VjcmV0LXRoaW5n"
MIRROR_SECRET = "YWRtaW46bWlycm9yLXNlY3JldA=="
GIVEN = json.dumps({"auths": {"m.lan:8443": {"auth": MIRROR_SECRET}, "quay.io": {"auth": "b3RoZXI6b3RoZXI="}}})
CONFIG = """# for the lab; ask Ann
apiVersion:   v1        # do not change
baseDomain: 'example.com'
metadata: {name: "lab"}
platform:
  baremetal:   # hosts below
    apiVIP: 192.168.1.5
    hosts:
      - name: m0
        bmc:
          password: hunter2-very-secret
pullSecret: '{"auths":{"quay.io":{"auth":"SECRET"}}}'   # from the console
sshKey: |
  ssh-ed25519 AAAA ann

""".replace("SECRET", SECRET)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[PemCertificate, PemCertificate]:
    found = []
    for name in ("one", "two"):
        made = make_certificates(tmp_path_factory.mktemp(name))
        found += read_certificates(made.authority_file.read_text(), "ca.pem")
    return found[0], found[1]


def idms(*entries: MirrorEntry) -> tuple[MirrorSet, ...]:
    return (MirrorSet(MirrorKind.IDMS, entries, "x", "idms.yaml"),)


ENTRY = MirrorEntry("quay.io/ocp/release", ("m.lan:8443/ocp4/openshift4",))


def edit(text: str, **changes: Any) -> EditedInstallConfig:
    """Edit, and edit the outcome: the second time changes nothing."""
    edited = edit_install_config(text, InstallConfigChanges(**changes), FILE)
    again = edit_install_config(edited.after, InstallConfigChanges(**changes), FILE)
    assert not again.is_changed and again.notes == () and again.diff == ""
    for secret in (SECRET, MIRROR_SECRET, "hunter2"):
        assert secret not in edited.diff + " ".join(edited.notes) + repr(edited)
    return edited


def load(text: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return found


def kept_lines(before: str, after: str) -> list[str]:
    """Return the lines of ``before`` that are not in ``after``, where order counts."""
    return [line[1:] for line in unified_diff(before.split("\n"), after.split("\n"), n=0) if re.match("-(?!--)", line)]


class TestEverythingAtOnce:
    def test_only_what_was_asked_for_differs(self, certificates) -> None:
        edited = edit(
            CONFIG,
            certificates=certificates,
            bundle_policy="Always",
            mirror_sets=idms(ENTRY),
            pull_secret=GIVEN,
            registries=("m.lan:8443",),
            bootstrap_os_image=f"http://m.lan/qemu.qcow2.gz?sha256={'a' * 64}",
        )
        before, after = load(CONFIG), load(edited.after)
        assert read_certificates(after.pop("additionalTrustBundle"), "bundle") == certificates
        assert after.pop("additionalTrustBundlePolicy") == "Always"
        assert after.pop("imageDigestSources") == [{"source": ENTRY.source, "mirrors": list(ENTRY.mirrors)}]
        assert json.loads(after.pop("pullSecret")) == {
            "auths": {"quay.io": {"auth": SECRET}, "m.lan:8443": {"auth": MIRROR_SECRET}}
        }
        assert after["platform"]["baremetal"].pop("bootstrapOSImage").startswith("http://m.lan/qemu")
        del before["pullSecret"]
        assert after == before
        # Comments, order, quotes and odd spaces: all lines but that of the pull secret are there, in order.
        (line,) = kept_lines(CONFIG, edited.after)
        assert line.startswith("pullSecret:")
        assert "   # from the console" in edited.after
        assert len(edited.notes) == 5

    def test_the_diff_shows_registries_and_no_secret(self) -> None:
        edited = edit(CONFIG, pull_secret=GIVEN, registries=("m.lan:8443",))
        assert "-pullSecret: *** (quay.io)   # from the console" in edited.diff
        assert "+pullSecret: *** (quay.io, m.lan:8443)   # from the console" in edited.diff

    def test_nothing_asked_for_is_nothing_changed(self) -> None:
        assert edit(CONFIG).after == CONFIG

    def test_windows_line_ends_stay(self, certificates) -> None:
        text = CONFIG.replace("\n", "\r\n")
        edited = edit(text, certificates=certificates, mirror_sets=idms(ENTRY))
        assert edited.after.replace("\r\n", "").count("\n") == 0
        assert load(edited.after)["imageDigestSources"]

    def test_a_file_without_a_last_line_end(self, certificates) -> None:
        edited = edit(CONFIG.rstrip("\n"), certificates=certificates[:1])
        assert load(edited.after)["sshKey"].rstrip() == "ssh-ed25519 AAAA ann"


def indented(certificate: PemCertificate, spaces: str) -> str:
    return "".join(f"{spaces}{line}\n" for line in certificate.lines)


class TestTrustBundle:
    def test_a_new_one_is_indented_by_two(self, certificates) -> None:
        edited = edit(CONFIG, certificates=certificates[:1])
        assert f"additionalTrustBundle: |\n{indented(certificates[0], '  ')}" in edited.after

    @pytest.mark.parametrize("spaces", [" ", "  ", "     "])
    def test_one_is_added_with_the_indentation_that_is_there(self, certificates, spaces: str) -> None:
        one = f"{spaces}corporate CA\n{indented(certificates[0], spaces)}"
        text = f"additionalTrustBundle: |  # ours\n{one}\n# next\n{CONFIG}"
        edited = edit(text, certificates=certificates)
        assert indented(certificates[0], spaces) + indented(certificates[1], spaces) + "\n# next" in edited.after
        assert kept_lines(text, edited.after) == []

    def test_one_that_is_there_in_other_words_is_not_added(self, certificates) -> None:
        """The same bytes in lines of another length."""
        body = "".join(certificates[0].lines[1:-1])
        lines = ["-----BEGIN CERTIFICATE-----", *(body[at : at + 76] for at in range(0, len(body), 76))]
        text = (
            CONFIG
            + "additionalTrustBundle: |\n"
            + "".join(f"   {line}\n" for line in [*lines, "-----END CERTIFICATE-----"])
        )
        assert edit(text, certificates=certificates[:1]).after == text

    @pytest.mark.parametrize(
        "spaces",
        [("", ""), ("  ", ""), ("", "  "), ("\t", "\t"), (" ", "   ")],
        ids=["none", "first", "rest", "tabs", "odd"],
    )
    def test_what_sed_and_cat_leave_is_repaired(self, certificates, spaces: tuple[str, str]) -> None:
        """`echo "additionalTrustBundle: |" >> FILE; cat ca.crt >> FILE`, with another field after it."""
        first, *rest = certificates[0].lines
        lines = [spaces[0] + first, *(spaces[1] + line for line in rest)]
        text = CONFIG + "additionalTrustBundle: |\n" + "\n".join(lines) + "\nfips: false\n"
        edited = edit(text, certificates=certificates)
        assert read_certificates(load(edited.after)["additionalTrustBundle"], "b") == certificates
        assert load(edited.after)["fips"] is False
        assert load(edited.after)["sshKey"] == load(CONFIG)["sshKey"]

    def test_a_bundle_without_its_block_sign_is_written_again(self, certificates) -> None:
        """YAML folds the lines into one, and the installer finds no PEM."""
        text = f"additionalTrustBundle:\n{indented(certificates[0], '  ')}{CONFIG}"
        edited = edit(text)
        assert load(edited.after)["additionalTrustBundle"] == certificates[0].pem
        assert "lost their lines" in edited.notes[0]

    def test_a_bundle_in_double_quotes_is_kept_and_grows(self, certificates) -> None:
        text = f"additionalTrustBundle: {json.dumps(certificates[0].pem)}\n{CONFIG}"
        assert edit(text).after == text
        found = load(edit(text, certificates=certificates).after)["additionalTrustBundle"]
        assert read_certificates(found, "b") == certificates

    def test_a_damaged_one_is_named(self, certificates) -> None:
        text = CONFIG + "additionalTrustBundle: |\n" + indented(certificates[0], "  ").replace("END", "FIN")
        with pytest.raises(MalformedError, match=r"additionalTrustBundle: a certificate is cut off"):
            edit(text)


class TestMirrors:
    @pytest.mark.parametrize(("section", "kind"), [(None, "imageDigestSources"), (CONTENTS, "imageContentSources")])
    def test_the_section_is_that_of_the_version(self, section: MirrorKind | None, kind: str) -> None:
        assert load(edit(CONFIG, mirror_sets=idms(ENTRY), section=section).after)[kind][0]["source"] == ENTRY.source

    def test_the_golden_file_grows_and_keeps_every_line(self) -> None:
        other = MirrorEntry("quay.io/openshift-release-dev/ocp-release", ("a.lan/second",))
        edited = edit(GOLDEN, mirror_sets=idms(ENTRY, other))
        assert kept_lines(GOLDEN, edited.after) == []
        sources = {item["source"]: item["mirrors"] for item in load(edited.after)["imageContentSources"]}
        helper = "helper.cluster-0001.rhsacn.org:5000/ocp4/openshift4"
        assert sources == {
            "quay.io/openshift-release-dev/ocp-release": ["a.lan/second", helper],
            "quay.io/openshift-release-dev/ocp-v4.0-art-dev": [helper],
            ENTRY.source: list(ENTRY.mirrors),
        }

    def test_the_old_section_is_renamed_for_a_new_release(self) -> None:
        edited = edit(GOLDEN, section=DIGESTS)
        assert edited.after == GOLDEN.replace("imageContentSources:", "imageDigestSources:")
        assert edit(edited.after, section=CONTENTS).after == GOLDEN

    def test_both_sections_are_refused_with_their_lines(self) -> None:
        with pytest.raises(
            MalformedError, match=r"both imageDigestSources and imageContentSources \(lines 30 and 23\)"
        ):
            edit(GOLDEN + "imageDigestSources: []\n")

    @pytest.mark.parametrize(
        "there",
        [
            "imageDigestSources: []\n",
            "imageDigestSources:\n",
            "imageDigestSources: [{source: q.io/a, mirrors: [m.lan/a]}]\n",
            "imageDigestSources:\n    # why\n    - source: q.io/a\n      mirrors: [m.lan/a]  # flow\n",
            "imageDigestSources:\n  - source: quay.io/ocp/release\n    mirrors:\n      - z.lan/x # first\n",
        ],
    )
    def test_every_way_of_writing_a_list(self, there: str) -> None:
        for text in (CONFIG + there, there + CONFIG):
            after = load(edit(text, mirror_sets=idms(ENTRY)).after)["imageDigestSources"]
            found = {item["source"]: set(item["mirrors"]) for item in after}
            expected = {item["source"]: set(item["mirrors"]) for item in load(there)["imageDigestSources"] or ()}
            expected.setdefault(ENTRY.source, set()).update(ENTRY.mirrors)
            assert found == expected

    def test_two_policies_are_refused(self) -> None:
        there = "imageDigestSources:\n- source: quay.io/ocp/release\n  mirrors: [z.lan/x]\n"
        there += "  sourcePolicy: NeverContactSource\n"
        allow = MirrorEntry(ENTRY.source, ENTRY.mirrors, SourcePolicy.ALLOW)
        with pytest.raises(MalformedError, match=r"idms\.yaml"):
            edit(CONFIG + there, mirror_sets=idms(allow))
        with pytest.raises(UsageError, match="imageContentSources cannot say"):
            edit(CONFIG + there, section=CONTENTS)

    def test_a_faulty_entry_is_located(self) -> None:
        with pytest.raises(MalformedError, match=r"imageDigestSources\[0\]: source is missing .*line 16"):
            edit(CONFIG + "imageDigestSources:\n- mirrors: [a.lan/b]\n", mirror_sets=idms(ENTRY))


class TestPullSecret:
    FORMS: ClassVar[dict[str, str]] = {
        "single quotes": "pullSecret: '{}'\n",
        "double quotes": 'pullSecret: "{}"\n',
        "a block": "pullSecret: |\n  {}\n",
        "folded": "pullSecret: >-\n  {}\n",
        "a map": "pullSecret: {}\n",
    }

    @pytest.mark.parametrize("form", FORMS)
    def test_every_way_of_writing_it(self, form: str) -> None:
        secret = '{"auths": {"quay.io": {"auth": "SECRET", "email": "o\'x@y.z"}}}'.replace("SECRET", SECRET)
        if form == "single quotes":
            secret = secret.replace("'", "''")
        if form == "double quotes":
            secret = secret.replace('"', '\\"')
        text = "a: 1\n" + self.FORMS[form].replace("{}", secret) + "# after\nz: 2\n"
        edited = edit(text, pull_secret=GIVEN, registries=("m.lan:8443",))
        after = load(edited.after)
        assert json.loads(after["pullSecret"])["auths"] == {
            "quay.io": {"auth": SECRET, "email": "o'x@y.z"},
            "m.lan:8443": {"auth": MIRROR_SECRET},
        }
        assert "\n" not in after["pullSecret"].strip() and (after["a"], after["z"]) == (1, 2)
        assert "# after\nz: 2\n" in edited.after

    def test_an_empty_one_is_filled(self) -> None:
        for empty in ("pullSecret:\n", "pullSecret: ''\n", "pullSecret: '{\"auths\":{}}'\n"):
            edited = edit(f"{empty}b: 1\n", pull_secret=GIVEN, registries=("m.lan:8443",))
            assert set(json.loads(load(edited.after)["pullSecret"])["auths"]) == {"m.lan:8443"}

    def test_only_the_mirrors_entry_comes_along(self) -> None:
        edited = edit(CONFIG, pull_secret=GIVEN, registries=("m.lan:8443",))
        assert json.loads(load(edited.after)["pullSecret"])["auths"]["quay.io"] == {"auth": SECRET}

    def test_a_credential_that_nobody_has_is_named(self) -> None:
        with pytest.raises(MalformedError, match=r"line 12, pullSecret: there is no credential for n\.lan"):
            edit(CONFIG, pull_secret=GIVEN, registries=("n.lan",))

    def test_one_that_is_no_json_is_located_and_not_quoted(self) -> None:
        with pytest.raises(MalformedError, match="line 12, pullSecret: the pull secret is not JSON") as refused:
            edit(CONFIG.replace('"auths":', '"auths"'), pull_secret=GIVEN, registries=("m.lan:8443",))
        assert SECRET not in str(refused.value)

    def test_a_missing_one_is_refused(self) -> None:
        with pytest.raises(MalformedError, match="has no pullSecret") as refused:
            edit("baseDomain: x.y\n")
        assert refused.value.hint is not None and "pullSecret:" in refused.value.hint


FAULTS: dict[str, tuple[str, str]] = {
    "a tab": (CONFIG.replace("  baremetal:", "\tbaremetal:"), "line 6: the line is indented with a tab"),
    "a section twice": (CONFIG + CONFIG.split("\n")[11] + "\n", "line 16: pullSecret is there a second time"),
    "no colon": (CONFIG + "fips\nx: 1\n", r"line 1[67], column \d+: not YAML"),
    "an open quote": (CONFIG.replace("}}}'", "}}}"), r"line \d+, column \d+: not YAML"),
    "an anchor twice, and a tab": (CONFIG.replace("v1 ", "&a v1 ").replace("192", "&a 192") + "\tx: 1\n", "line 16"),
    "several documents": (f"{CONFIG}---\na: 1\n", "2 documents"),
    "a list": ("- a\n", "no map of fields"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_located_and_nothing_is_quoted(fault: str) -> None:
    text, message = FAULTS[fault]
    with pytest.raises(MalformedError, match=message) as refused:
        edit(text)
    assert SECRET not in str(refused.value) and "hunter2" not in str(refused.value)
    assert refused.value.message.startswith(FILE) and refused.value.hint


class TestBaremetal:
    URL = f"http://m.lan:8080/rhcos.qcow2.gz?sha256={'b' * 64}"

    def test_fields_are_set_where_they_belong(self) -> None:
        edited = edit(CONFIG, bootstrap_os_image=self.URL, cluster_os_image=self.URL)
        baremetal = load(edited.after)["platform"]["baremetal"]
        assert baremetal.pop("bootstrapOSImage") == baremetal.pop("clusterOSImage") == self.URL
        assert baremetal == load(CONFIG)["platform"]["baremetal"]
        newer = self.URL.replace("bbb", "ccc")
        assert (
            load(edit(edited.after, bootstrap_os_image=newer).after)["platform"]["baremetal"]["bootstrapOSImage"]
            == newer
        )

    def test_other_platforms_have_none(self) -> None:
        with pytest.raises(UnsupportedError, match=r"platform\.baremetal"):
            edit(GOLDEN, bootstrap_os_image=self.URL)

    @pytest.mark.parametrize("url", ["http://m.lan/x", "m.lan/x?sha256=" + "a" * 64, "http://m.lan/x?sha256=abc"])
    def test_an_image_without_a_digest_is_refused(self, url: str) -> None:
        with pytest.raises(MalformedError, match="sha256"):
            edit(CONFIG, bootstrap_os_image=url)


WORDS = st.sampled_from(["a", "b1", "'q r'", '"x: y"', "[1, 2]", "{k: v}", "|\n  text\n  # no comment\n", "null", ""])
FIELDS = st.dictionaries(st.sampled_from(["fips", "publish", "sshKey", "proxy", "zz"]), WORDS, max_size=5)
COMMENTS = st.sampled_from(["", "# a comment\n", "\n", "\n# one\n\n  # indented\n"])


@settings(max_examples=150)
@given(st.data())
def test_whatever_else_stands_there_stays(data: st.DataObject) -> None:
    fields = {**data.draw(FIELDS), "pullSecret": f'\'{{"auths":{{"quay.io":{{"auth":"{SECRET}"}}}}}}\''}
    keys = data.draw(st.permutations(sorted(fields)))
    text = "".join(f"{key}: {fields[key].rstrip()}\n{data.draw(COMMENTS)}" for key in keys)
    edited = edit(text, mirror_sets=idms(ENTRY), bundle_policy="Always", pull_secret=GIVEN, registries=("m.lan:8443",))
    assert [line for line in kept_lines(text, edited.after) if not line.startswith("pullSecret:")] == []
    before, after = load(text), load(edited.after)
    assert {key: after[key] for key in before if key != "pullSecret"} == {
        key: before[key] for key in before if key != "pullSecret"
    }


SIGNS = st.sampled_from(
    ["", "\t", ":", " ", "'", '"', "|", "{", "}", "[", "- ", "#", "&a ", "*a", "\n", "---\n", "!x ", "%", "é"]
)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(CONFIG)), st.integers(0, 3), SIGNS), max_size=4))
def test_a_damaged_file_is_edited_or_refused_and_never_quoted(cuts: list[tuple[int, int, str]]) -> None:
    """Whatever a slip of the hand leaves: one of our errors, or an outcome that is proven; no secret either way."""
    text = CONFIG + "imageDigestSources:\n- mirrors:\n  - m.lan/a\n  source: q.io/a\n"
    for at, length, sign in cuts:
        text = text[:at] + sign + text[at + length :]
    assume(text.count("&a") < 2)  # what reads the outcome here warns of those
    changes = InstallConfigChanges(mirror_sets=idms(ENTRY), pull_secret=GIVEN, registries=("m.lan:8443",))
    try:
        edited = edit_install_config(text, changes, FILE)
    except AirferryError as error:
        assert SECRET[3:] not in str(error) and "very-secret" not in str(error) and SECRET[3:] not in (error.hint or "")
    else:
        found = load(edited.after)["imageDigestSources"]
        assert ENTRY.source in [item["source"] for item in found]
        assert not edit_install_config(edited.after, changes, FILE).is_changed
        assert MIRROR_SECRET not in edited.diff
