"""Which requests go through a proxy."""

import pytest

from airferry.content.http.proxies import proxy_for

P = "http://proxy:3128"
CASES: dict[str, tuple[str, dict[str, str], str | None]] = {
    "none": ("https://q.io/v2/", {}, None),
    "upper case": ("https://q.io/v2/", {"HTTPS_PROXY": P}, P),
    "lower case first": ("https://q.io/v2/", {"https_proxy": P, "HTTPS_PROXY": "http://other"}, P),
    "an empty lower case switches off": ("https://q.io/v2/", {"https_proxy": "", "HTTPS_PROXY": P}, None),
    "by scheme": ("http://q.io/v2/", {"HTTPS_PROXY": P}, None),
    "without a scheme": ("https://q.io/v2/", {"HTTPS_PROXY": "proxy:3128"}, P),
    "loopback never": ("https://127.0.0.1:5000/v2/", {"HTTPS_PROXY": P}, None),
    "localhost never": ("https://localhost:5000/v2/", {"HTTPS_PROXY": P}, None),
    "httpoxy": ("http://q.io/", {"HTTP_PROXY": P, "REQUEST_METHOD": "GET"}, None),
}
NO_PROXY: dict[str, tuple[str, str, bool]] = {
    "everything": ("https://q.io/", "*", True),
    "the host": ("https://q.io/", "q.io", True),
    "the host among others": ("https://q.io/", "a.io, q.io ,b.io", True),
    "its subdomain": ("https://x.q.io/", "q.io", True),
    "a leading dot covers subdomains": ("https://x.q.io/", ".q.io", True),
    "a leading dot does not cover the domain": ("https://q.io/", ".q.io", False),
    "a star": ("https://x.q.io/", "*.q.io", True),
    "only the end of a name": ("https://xq.io/", "q.io", False),
    "host and port": ("https://m.lan:8443/", "m.lan:8443", True),
    "host and another port": ("https://m.lan:8444/", "m.lan:8443", False),
    "host and the default port": ("https://m.lan/", "m.lan:443", True),
    "upper case": ("https://m.lan/", "M.LAN", True),
    "an address": ("https://10.1.2.3/", "10.1.2.3", True),
    "a range": ("https://10.1.2.3:8443/", "10.0.0.0/8", True),
    "another range": ("https://10.1.2.3/", "192.168.0.0/16", False),
    "an IPv6 range": ("https://[fd00::5]:8443/", "fd00::/8", True),
    "an IPv6 address with a port": ("https://[fd00::5]:8443/", "[fd00::5]:8443", True),
    "junk": ("https://q.io/", ",,://,/8", False),
}


@pytest.mark.parametrize(("url", "environ", "expected"), CASES.values(), ids=CASES)
def test_the_proxy_of_a_request(url: str, environ: dict[str, str], expected: str | None) -> None:
    assert proxy_for(url, environ) == expected


@pytest.mark.parametrize(("url", "no_proxy", "direct"), NO_PROXY.values(), ids=NO_PROXY)
def test_no_proxy_names(url: str, no_proxy: str, direct: bool) -> None:
    assert proxy_for(url, {"HTTPS_PROXY": P, "NO_PROXY": no_proxy}) == (None if direct else P)
