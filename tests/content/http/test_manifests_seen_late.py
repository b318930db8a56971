"""A registry that has just taken a manifest's parts may not see them for a moment; that is waited for, briefly.

docker-registry 2.8 empties the file that stands for a manifest while it writes it again, so a tag that is put for a
child makes its list look incomplete just then.
"""

import pytest

from airferry.content.errors import RegistryFailedError
from airferry.content.http import RetryPolicy
from airferry.oci import Manifest

from .scripted import HOST, FakeTime, Reply, client, on

INDEX = Manifest.parse(b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}')
UNSEEN = Reply(
    400,
    b'{"errors":[{"code":"DIGEST_INVALID","message":"x"},{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}',
)
OTHERWISE = Reply(400, b'{"errors":[{"code":"MANIFEST_INVALID","message":"no"}]}')
TAG = "/v2/team/app/manifests/v1"


async def test_parts_that_are_seen_late_are_waited_for() -> None:
    time = FakeTime()
    http, script = client(on("PUT", TAG, UNSEEN, UNSEEN, Reply(201)), time=time)
    await http.registry(HOST).write_tag("team/app", "v1", INDEX)
    assert script.requests() == 3 * [f"PUT {TAG}"]
    assert len(time.slept) == 2 and 0 < time.slept[0] < time.slept[1]
    await http.close()


async def test_parts_that_are_never_seen_end_it_soon() -> None:
    time = FakeTime()
    http, script = client(on("PUT", TAG, UNSEEN), time=time)
    with pytest.raises(RegistryFailedError, match="MANIFEST_BLOB_UNKNOWN: blob unknown"):
        await http.registry(HOST).write_tag("team/app", "v1", INDEX)
    assert script.requests() == 3 * [f"PUT {TAG}"] and sum(time.slept) < 2
    await http.close()


@pytest.mark.parametrize(
    ("reply", "retry"), [(OTHERWISE, RetryPolicy()), (UNSEEN, RetryPolicy(attempts=1))], ids=["invalid", "no retries"]
)
async def test_other_refusals_are_final(reply: Reply, retry: RetryPolicy) -> None:
    http, script = client(on("PUT", TAG, reply), retry=retry)
    with pytest.raises(RegistryFailedError):
        await http.registry(HOST).write_tag("team/app", "v1", INDEX)
    assert script.requests() == [f"PUT {TAG}"]
    await http.close()
