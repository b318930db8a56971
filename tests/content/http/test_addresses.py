"""What a registry's paths and Locations mean, and which of them are still the registry."""

import pytest

from airferry.content.http.addresses import absolute, same_host

BASE = "https://reg.example.com:8443"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("/v2/app/blobs/uploads/", f"{BASE}/v2/app/blobs/uploads/", id="a path"),
        pytest.param("/other/place?x=1", f"{BASE}/other/place?x=1", id="a path outside of the API"),
        pytest.param("https://cdn.example.com/v2/x", "https://cdn.example.com/v2/x", id="another host"),
        pytest.param("//cdn.example.com/v2/x", "https://cdn.example.com/v2/x", id="another host without a scheme"),
        pytest.param("http://reg.example.com/v2/x", f"{BASE}/v2/x", id="itself, named with http behind a proxy"),
    ],
)
def test_a_target_becomes_a_url(target: str, expected: str) -> None:
    assert absolute(target, BASE, "read it") == expected


@pytest.mark.parametrize(
    ("url", "base", "same"),
    [
        pytest.param(f"{BASE}/v2/", BASE, True, id="a path of it"),
        pytest.param("https://quay.io:443/v2/", "https://quay.io", True, id="the default port written out"),
        pytest.param("https://QUAY.io/v2/", "https://quay.io", True, id="upper case"),
        pytest.param("https://quay.io.evil.com/v2/", "https://quay.io", False, id="a longer name"),
        pytest.param("https://quay.io@evil.com/v2/", "https://quay.io", False, id="its name as a user"),
        pytest.param("https://quay.io:8443/v2/", "https://quay.io", False, id="another port"),
        pytest.param("http://quay.io/v2/", "https://quay.io", False, id="another scheme"),
    ],
)
def test_credentials_go_to_the_same_scheme_host_and_port_alone(url: str, base: str, same: bool) -> None:
    assert same_host(url, base) is same
