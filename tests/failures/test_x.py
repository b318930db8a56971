import time, pytest
from .stage import *
from airferry.lab import *
from airferry.lab.faults import *
def show(title, r, t):
    lines=[l for l in r.err.splitlines() if not l.startswith("uploading")]
    print(f"--- {title}: exit {r.code} {time.monotonic()-t:.2f}s\n" + "\n".join(l[:600] for l in lines[-9:]))
CASES={}
for st in (401,403,404,429,500,503):
    for ep in (Endpoint.PING, Endpoint.TOKEN, Endpoint.MANIFEST, Endpoint.BLOB, Endpoint.CDN):
        CASES[f"{st} {ep} all"]=Rule(ep, Answer(st), times=None)
    CASES[f"{st} manifest of a component"]=Rule(Endpoint.MANIFEST, Answer(st), times=None, containing="ocp-v4.0-art-dev", skip=2)
@pytest.mark.parametrize("name", CASES)
def test_x(quay, disk, name):
    quay.fails(CASES[name])
    t=time.monotonic()
    r=quay.mirror(disk)
    show(name, r, t)
    print("    on disk:", sorted(str(p.relative_to(disk)) for p in disk.rglob("*"))[:6] if disk.exists() else None)
