"""A full disk refuses commands with 503, keeps reading and proxying, and recovers when space returns."""

import json
import os
import pathlib
import subprocess

import pytest

from harness import peers, sockets
from harness.gateway import CARTS, route, settings
from harness.wire import Wire, get, once, post

SIZE = 3 << 20


@pytest.fixture
def small_disk(tmp_path: pathlib.Path):
    """A tmpfs of 3 MiB. Mounting needs root; without it the test cannot be had."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run([peers.tool("mount"), "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting a small tmpfs is not allowed here: {done.stderr.strip()}")
    yield place
    subprocess.run([peers.tool("umount"), "-l", str(place)], check=True)


def add(wire: Wire, number: int):
    body = json.dumps({"userId": f"user{number % 7}", "item": {"productId": f"p{number}" + "x" * 50, "quantity": 1}}).encode()
    return wire.ask(post("/api/cart/add", body, "Content-Type: application/json"))


def versions(address: str) -> int:
    return sum(json.loads(once(address, get(f"/api/cart/user{n}")).body)["version"] for n in range(7))


def test_a_full_disk_refuses_and_recovers(stage, small_disk):
    config = settings(stage.backend().address, store={"path": str(small_disk / "events.db")})
    gateway = stage.gateway(config, [*CARTS, route()])
    accepted = 0
    with Wire(gateway.address, timeout=10) as wire:
        for _ in range(5):
            accepted += add(wire, accepted).status == 202
        assert accepted == 5
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as out:
            try:
                while True:
                    out.write(b"x" * 4096)
            except OSError:
                pass
        refused = None
        for _ in range(5000):
            reply = add(wire, accepted)
            if reply.status == 202:
                accepted += 1
                continue
            refused = reply
            break
        assert refused is not None, "the disk never filled"
        assert refused.status == 503, refused.raw[:300]
        assert refused.field("content-type") == "application/problem+json" and refused.field("retry-after")
    # Reads and proxying go on.
    assert once(gateway.address, get("/proxied")).status == 200
    assert versions(gateway.address) == accepted, "what was refused is not there, what was accepted is"
    filler.unlink()

    def works_again() -> bool:
        with Wire(gateway.address, timeout=10) as wire:
            return add(wire, accepted).status == 202

    sockets.wait_until(works_again, 10, "commands accepted again", every=0.2)
    accepted += 1
    assert versions(gateway.address) == accepted
    assert gateway.stop() == 0
    gateway.start()
    assert versions(gateway.address) == accepted
    assert gateway.stop() == 0


def test_a_store_that_cannot_be_opened_is_said_at_start(stage):
    gateway = stage.files(settings(store={"path": "/proc/nowhere/events.db"}), CARTS)
    done = gateway.run("run")
    assert done.returncode > 0 and "/proc/nowhere" in done.stderr


def test_a_store_that_is_no_database_is_not_overwritten(stage):
    gateway = stage.files(settings(), CARTS)
    path = gateway.folder / "data/events.db"
    path.write_bytes(b"not a database" * 1000)
    done = gateway.run("run")
    assert done.returncode > 0 and "events.db" in done.stderr
    assert path.read_bytes() == b"not a database" * 1000
