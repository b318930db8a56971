"""Which tool is where, and what is said when it is not."""

from dataclasses import replace

import pytest

from airferry.errors import UsageError
from airferry.oci import Digest
from airferry.openshift.release.errors import ToolMissingError
from airferry.openshift.release.installer import (
    TOOLS,
    System,
    check_markers,
    component_image,
    missing_file,
    patch_values,
    select_command,
    select_tools,
)
from airferry.openshift.release.patching import RELEASE_ARCHITECTURE, RELEASE_IMAGE, RELEASE_VERSION
from airferry.openshift.release.tool_texts import checksums_text, readme_text, release_text

from .samples import oc_release, real_4_12


def select(command: str, system: str, architecture: str = "amd64"):
    return select_command(command, System.parse(system), architecture, "REF")


TABLE = """
    oc linux cli usr/bin/oc openshift-client-linux.tar.gz
    oc mac cli-artifacts SHARE/mac/oc openshift-client-mac.tar.gz
    oc mac/arm64 cli-artifacts SHARE/mac_arm64/oc openshift-client-mac-arm64.tar.gz
    oc darwin/amd64 cli-artifacts SHARE/mac/oc openshift-client-mac.tar.gz
    oc windows cli-artifacts SHARE/windows/oc.exe openshift-client-windows.zip
    oc linux/ppc64le cli-artifacts SHARE/linux_ppc64le/oc openshift-client-linux-ppc64le.tar.gz
    oc.rhel8 linux cli-artifacts SHARE/linux_amd64/oc.rhel8 openshift-client-linux-amd64-rhel8.tar.gz
    oc.rhel9 linux/s390x cli-artifacts SHARE/linux_s390x/oc.rhel9 openshift-client-linux-s390x-rhel9.tar.gz
    INSTALL linux installer usr/bin/INSTALL INSTALL-linux.tar.gz
    INSTALL linux/amd64 installer usr/bin/INSTALL INSTALL-linux.tar.gz
    INSTALL linux/arm64 ARTIFACTS SHARE/linux_arm64/INSTALL INSTALL-linux-arm64.tar.gz
    INSTALL mac ARTIFACTS SHARE/mac/INSTALL INSTALL-mac.tar.gz
    BAREMETAL linux baremetal-installer usr/bin/INSTALL BAREMETAL-linux.tar.gz
    INSTALL-fips linux baremetal-installer usr/bin/INSTALL INSTALL-rhel.tar.gz
    ccoctl linux cloud-credential-operator usr/bin/ccoctl ccoctl-linux.tar.gz
    ccoctl.rhel9 linux cloud-credential-operator usr/bin/ccoctl.rhel9 ccoctl-linux-rhel9.tar.gz
"""


SHORT = {
    "SHARE": "usr/share/openshift",
    "BAREMETAL": "openshift-baremetal-install",
    "ARTIFACTS": "installer-artifacts",
    "INSTALL": "openshift-install",
}


@pytest.mark.parametrize("row", TABLE.strip().splitlines(), ids=str.strip)
def test_each_tool_is_where_the_table_says(row):
    for short, long in SHORT.items():
        row = row.replace(short, long)
    command, system, component, path, archive = row.split()
    (tool,) = select(command, system)
    assert (tool.component, tool.path, tool.archive_name("4.9").replace("-4.9", "")) == (component, path, archive)


def test_on_another_release_the_same_words_mean_its_own_architecture():
    (tool,) = select("openshift-install", "linux", "arm64")
    assert (tool.component, tool.architecture) == ("installer", None)
    (tool,) = select("openshift-install", "linux/amd64", "arm64")
    assert tool.component == "installer-artifacts"


@pytest.mark.parametrize(
    ("command", "system", "says"),
    [
        ("foo", "linux", 'command "foo" does not exist in targets or does not support the operating system "linux"'),
        ("ccoctl", "windows", 'command "ccoctl" does not exist in targets or does not support'),
        ("ccoctl", "linux/s390x", "the command 'ccoctl' is not available for linux/s390x on REF"),
        ("oc", "windows/arm64", "the command 'oc' is not available for windows/arm64 on REF"),
    ],
)
def test_a_tool_that_cannot_be_had_is_an_error_with_a_hint(command, system, says):
    with pytest.raises(ToolMissingError) as caught:
        select(command, system)
    assert caught.value.message.startswith(says)
    assert caught.value.hint
    assert caught.value.code == "tool-missing"


@pytest.mark.parametrize("text", ["", "beos", "linux/", "/amd64"])
def test_a_system_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="--command-os="):
        System.parse(text)


@pytest.mark.parametrize("word", ["mac", "macos", "macOS", "MacOS", "MAC", "darwin", "Darwin"])
def test_a_mac_is_one_under_each_of_its_names(word):
    assert System.parse(word) == System("darwin")
    assert System.parse(f"{word}/arm64") == System("darwin", "arm64")
    assert select("oc", word)[0].path == "usr/share/openshift/mac/oc"


@pytest.mark.parametrize("word", ["Linux", "Windows", "WINDOWS"])
def test_a_system_may_be_written_as_its_maker_does(word):
    assert System.parse(word) == System(word.lower())


def test_a_star_means_every_system_once():
    tools = select("openshift-install", "*")
    assert [tool.system("amd64") for tool in tools] == ["linux/amd64", "darwin/amd64", "darwin/arm64", "linux/arm64"]


def test_tools_are_those_that_oc_extracts():
    names = [tool.archive_name("4.99.1") for tool in select_tools(System.parse("linux"), "amd64")]
    assert sorted(names) == [
        "ccoctl-linux-4.99.1.tar.gz",
        "ccoctl-linux-rhel8-4.99.1.tar.gz",
        "ccoctl-linux-rhel9-4.99.1.tar.gz",
        "openshift-client-linux-4.99.1.tar.gz",
        "openshift-client-linux-amd64-rhel8-4.99.1.tar.gz",
        "openshift-client-linux-amd64-rhel9-4.99.1.tar.gz",
        "openshift-install-linux-4.99.1.tar.gz",
    ]


def test_no_two_archives_have_one_name():
    for architecture in ("amd64", "arm64", "s390x", "ppc64le"):
        names = [tool.archive for tool in select_tools(System.parse("*"), architecture)]
        assert len(names) == len(set(names))


def test_the_image_of_a_tool_is_found_in_a_real_release():
    (tool,) = select("openshift-install", "linux")
    assert component_image(tool, real_4_12()).digest is not None


def test_a_release_without_the_image_is_an_error():
    payload = real_4_12()
    lacking = replace(payload, components=tuple(item for item in payload.components if item.name != "installer"))
    (tool,) = select("openshift-install", "linux")
    with pytest.raises(ToolMissingError, match='the image "installer" containing the desired command is not available'):
        component_image(tool, lacking)
    assert "image did not contain usr/bin/openshift-install" in missing_file(tool, payload.components[0].image).message


def test_installers_get_three_values_clients_one_and_ccoctl_none():
    def markers(command: str) -> list[str]:
        (tool,) = select(command, "linux")
        return list(patch_values(tool, pullspec="p", version="v", platform="linux/amd64").values())

    assert markers("openshift-install") == ["p", "v", "linux/amd64"]
    assert markers("openshift-baremetal-install") == ["p", "v", "linux/amd64"]
    assert markers("oc") == ["v"]
    assert markers("ccoctl") == []


def test_an_installer_without_a_marker_is_an_error_and_a_client_a_warning():
    (installer,), (client,) = select("openshift-install", "linux"), select("oc", "linux")
    assert check_markers(installer, ()) is None
    with pytest.raises(ToolMissingError, match="no place for: release image, release architecture"):
        check_markers(installer, (RELEASE_IMAGE, RELEASE_ARCHITECTURE))
    warning = check_markers(client, (RELEASE_VERSION,))
    assert warning == "oc has no place for: release version; it will not report this release's version"


def test_client_archives_hold_kubectl_and_the_windows_one_does_not():
    assert select("oc", "linux")[0].has_kubectl
    assert select("oc.rhel8", "linux")[0].has_kubectl
    assert not select("oc", "windows")[0].has_kubectl
    assert not select("openshift-install", "linux")[0].has_kubectl


def test_every_archive_has_a_readme_that_names_its_program():
    for tool in TOOLS:
        text = readme_text(tool, "4.99.1")
        assert "4.99.1" in text
        assert f"`{tool.inner_name.removesuffix('.exe')}" in text
        assert ("\r\n" in text) == (tool.os == "windows")
        assert "\n" not in text.replace("\r\n", "") if tool.os == "windows" else text.endswith("\n")


def test_checksums_are_what_sha256sum_reads_with_release_txt_first():
    digest = Digest.of(b"x")
    text = checksums_text({"b.tar.gz": digest, "release.txt": digest, "a.zip": digest})
    assert text == "".join(f"{digest.hex}  {name}\n" for name in ("release.txt", "a.zip", "b.tar.gz"))


def test_release_txt_ends_with_the_description():
    assert release_text("Name: x\n").endswith("---\n\nName: x\n")


def test_the_platform_is_written_as_oc_writes_it():
    release = oc_release("4.99.1")
    assert release.platform == "linux/amd64"
    assert replace(release, list_digest=Digest.of(b"l")).platform == "multi (linux/amd64)"
