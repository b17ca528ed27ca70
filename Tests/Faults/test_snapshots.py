"""Snapshots beside the event log: used at a restart, never needed."""

import json
import re

from harness import sockets
from harness.gateway import CARTS, route, settings
from harness.wire import Wire, get, once, post


def add(wire: Wire, number: int) -> int:
    body = json.dumps({"userId": "u", "item": {"productId": f"p{number % 40}", "quantity": 1}}).encode()
    return wire.ask(post("/api/cart/add", body, "Content-Type: application/json")).status


def series(gateway, name: str) -> int:
    text = once(gateway.admin, get("/metrics")).body.decode()
    return int(float(re.search(rf"^{name}(?:_total)? (\S+)", text, re.M)[1]))


def test_a_restart_begins_with_the_snapshot_and_survives_its_loss(stage, tmp_path):
    path = tmp_path / "events.db"
    config = settings(stage.backend().address, store={"path": str(path), "snapshots": {"events": 120}})
    gateway = stage.gateway(config, [*CARTS, route()])
    with Wire(gateway.address, timeout=10) as wire:
        assert [add(wire, i) for i in range(260)] == [202] * 260
    cart = once(gateway.address, get("/api/cart/u")).body
    sockets.wait_until(lambda: series(gateway, "nexus_snapshots_written") == 2, 5, "two snapshots within five seconds", every=0.1)
    assert gateway.stop() == 0

    snapshots = tmp_path / "events.db.snapshots"
    whole = snapshots.read_bytes()
    state = whole.rindex(b'{"items"')
    flipped = bytearray(whole)
    flipped[state + 20] ^= 1
    for damage, used, unreadable in [(whole, 1, 0), (bytes(flipped), 1, 1), (whole[: len(whole) // 2], 0, None), (b"x" * 5000, 0, 0), (None, 0, 0)]:
        for suffix in ("-wal", "-shm"):
            snapshots.with_name(snapshots.name + suffix).unlink(missing_ok=True)
        if damage is None:
            snapshots.unlink(missing_ok=True)
        else:
            snapshots.write_bytes(damage)
        gateway.start()
        assert once(gateway.address, get("/api/cart/u")).body == cart
        assert series(gateway, "nexus_aggregate_loads_from_snapshot") == used
        if unreadable is not None:
            assert series(gateway, "nexus_snapshots_unreadable") == unreadable
        assert gateway.stop() == 0
