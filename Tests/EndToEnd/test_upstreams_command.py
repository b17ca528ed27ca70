"""`nexus-gateway upstreams` and `GET /upstreams`: what the daemon knows of its upstreams."""

import json
import time

from harness import sockets
from harness.gateway import OPERATIONS, route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once


def report(gateway) -> dict:
    reply = once(gateway.admin, get("/upstreams"))
    assert reply.status == 200 and reply.field("content-type") == "application/json"
    return {cluster["name"]: cluster for cluster in json.loads(reply.body)["clusters"]}


def table(gateway) -> list[list[str]]:
    done = gateway.run("upstreams", "--admin", gateway.admin)
    assert done.returncode == 0, done.stderr
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in done.stdout.splitlines()]


def test_what_the_daemon_knows(stage):
    def slow(peer: Peer) -> None:
        while True:
            if peer.read_request().target == "/slow":
                time.sleep(1)
            peer.send(respond())

    up, bad = stage.backend(slow), stage.backend(lambda peer: [(peer.read_request(), peer.send(respond("503 Bad"))) for _ in range(99)])
    config = settings(up.address, bad.address, workers=2)
    config["clusters"]["up"].update(
        {"balance": "round_robin", "ejection": {"consecutive": 2, "time": "60s"}, "bulkhead": {}, "breaker": {"minimum": 10}})
    config["clusters"]["other"] = {"endpoints": [sockets.closed_address()], "health": {"tcp": True, "interval": "100ms", "timeout": "50ms"}}
    gateway = stage.gateway(config, [*OPERATIONS, route(retries=0), route("other", "/other", "other")])
    for _ in range(6):
        once(gateway.address, get("/"))
    with Wire(gateway.address) as one, Wire(gateway.address) as two:
        one.send(get("/slow"))
        two.send(get("/slow"))
        sockets.wait_until(lambda: report(gateway)["up"]["bulkhead"]["running"] == 2, 2, "two exchanges")
        sockets.wait_until(lambda: report(gateway)["other"]["endpoints"][0]["state"] == "unhealthy", 3, "a failed check")
        seen = report(gateway)["up"]
        states = {endpoint["address"]: endpoint for endpoint in seen["endpoints"]}
        assert states[up.address]["state"] == "healthy" and states[up.address]["active"] == 2 and states[up.address]["connections"] >= 2
        assert states[bad.address]["state"] == "ejected" and 50_000 < states[bad.address]["ejectedForMs"] <= 60_000
        assert states[bad.address]["sharePercent"] == 0 and states[up.address]["sharePercent"] == 100
        assert seen["breaker"] == "closed" and seen["bulkhead"] == {"concurrent": 30, "running": 2, "waiting": 0}
        assert seen["retryBudget"]["requests"] == 8 and report(gateway)["other"]["breaker"] == "off"
        rows = {row[1]: row for row in table(gateway)}
        assert rows["ENDPOINT"][0] == "CLUSTER"
        assert rows[up.address][:5] == ["up", up.address, "healthy", "2", rows[up.address][4]]
        assert rows[bad.address][2].startswith("ejected for ") and "2/30, 0 wait" in rows[up.address]
        one.read()
        two.read()
    sockets.wait_until(lambda: report(gateway)["up"]["bulkhead"]["running"] == 0, 2, "all is quiet")


def test_the_command_says_when_nobody_answers(stage):
    files = stage.files(settings("127.0.0.1:9"), [route()])
    done = files.run("upstreams", "--admin", sockets.closed_address())
    assert done.returncode != 0 and "no daemon answers" in done.stderr
    done = files.run("upstreams")
    assert done.returncode != 0 and "--admin" in done.stderr


def test_the_configured_admin_listener_is_asked(stage):
    port = sockets.free_port()
    gateway = stage.gateway(settings(stage.backend().address, admin={"address": f"127.0.0.1:{port}"}), [*OPERATIONS, route()])
    done = gateway.run("upstreams", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["clusters"][0]["name"] == "up"


def test_it_stays_on_the_admin_listener(stage):
    gateway = stage.gateway(settings(stage.backend().address), OPERATIONS)
    assert once(gateway.address, get("/upstreams")).status == 404
