from .stage import *
from airferry.lab import *
from airferry.lab.faults import *
def test_x(quay, disk):
    quay.fails(Rule(Endpoint.MANIFEST, ExpireTokens(), skip=6))
    r=quay.mirror(disk, "--log-level", "debug")
    print([l[:300] for l in r.err.splitlines() if "error" in l or "token" in l or "refused" in l])
    for e in quay.server.requests[-60:]: print(e.endpoint,e.method,e.status,e.path[-100:])
    print(r.code)
