import time
from .stage import *
def test_it(quay, mirror, disk, tmp_path, small, undisturbed):
    t=time.monotonic()
    r=quay.mirror(disk); print(r); r.done()
    print(time.monotonic()-t); t=time.monotonic()
    print(*look_at(disk).items(), sep="\n")
    for f in ("RUNBOOK.md",): print((disk/f).read_text())
    print(mirror.load(disk).done())
    print(time.monotonic()-t); t=time.monotonic()
    print(mirror.load_release(disk, small, tmp_path/"files").done())
    print(time.monotonic()-t); t=time.monotonic()
    print(len(mirror.blobs()))
    assert look_at(disk)==undisturbed
    assert mirror.is_sound()
