"""Issuers whose key sets cannot be had, or are no use: nobody gets in by them, and nobody else suffers."""

import gzip
import json
import time

from harness import wire
from harness.gateway import OPERATIONS, route, settings
from harness.issuer import AUDIENCE, Issuer, Key
from harness.recorder import respond
from harness.sockets import wait_until

KEY = Key("k", "ES256")
GOOD = json.dumps({"keys": [KEY.jwk]}).encode()
SECRET = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "k", "alg": "HS256"}



def many(count: int) -> bytes:
    """Ours is the last of so many."""
    others = [{"kty": "EC", "crv": "P-256", "kid": f"o{i}", "x": KEY.jwk["x"], "y": KEY.jwk["y"]} for i in range(count - 1)]
    return json.dumps({"keys": [*others, KEY.jwk]}).encode()


# As much as there may be.
EDGES = {"good": GOOD, "full": GOOD + b" " * ((256 << 10) - len(GOOD)), "keys": many(256), "bare": json.dumps({"keys": [{"kty": "x"}, KEY.jwk]}).encode()}
LIES = {
    "byte": respond("200 OK", GOOD + b" " * ((256 << 10) - len(GOOD) + 1)),
    "many": respond("200 OK", many(257)),
    "deep": respond("200 OK", b'{"keys":' + b"[" * 60_000),
    "zipped": respond("200 OK", gzip.compress(GOOD), "Content-Encoding: gzip"),
    "bomb": respond("200 OK", gzip.compress(b" " * (64 << 20)), "Content-Encoding: gzip"),
    "moved-on": respond("307 Temporary Redirect", b"", "Location: /good"),
    "drip": b"",
    "html": respond("200 OK", b"<html>please log in</html>", "Content-Type: text/html"),
    "empty": respond("200 OK", b'{"keys":[]}'),
    "nothing": respond("200 OK", b""),
    "list": respond("200 OK", b"[]"),
    "types": respond("200 OK", b'{"keys":[{"kty":7,"kid":{}}]}'),
    "secrets": respond("200 OK", json.dumps({"keys": [SECRET]}).encode()),
    "twice": respond("200 OK", b'{"keys":[],"keys":' + json.dumps([KEY.jwk]).encode() + b"}"),
    "huge": respond("200 OK", GOOD + b" " * (300 << 10)),
    "endless": b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + GOOD,
    "status": respond("500 Internal Server Error", GOOD),
    "moved": respond("302 Found", GOOD, "Location: /good"),
    "broken": b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + GOOD[:40],
    "slow": b"",
}


def test_key_sets_that_are_no_use(stage):
    mended = set()

    def publish(peer):
        while True:
            name = peer.read_request().target.strip("/")
            if name in EDGES or name in mended:
                peer.send(respond("200 OK", EDGES.get(name, GOOD)))
            elif name == "drip":
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(GOOD))
                for at in range(40):
                    peer.send(GOOD[at : at + 1])
                    time.sleep(0.05)
                return
            elif name == "slow":
                peer.hold(5)
                return
            else:
                peer.send(LIES[name])
                if name in ("broken", "endless"):
                    return

    def issuer(name):
        return {"name": name, "issuer": f"https://{name}.example/", "audiences": AUDIENCE, "algorithms": "ES256",
                "keys": {"cluster": "keys", "path": f"/{name}", "timeout": "300ms"}}

    down = {**issuer("down"), "keys": {"cluster": "down", "path": "/keys", "timeout": "300ms"}}
    gateway = stage.gateway(
        settings(
            stage.backend().address,
            clusters={"keys": {"endpoints": [stage.backend(publish).address], "ejection": "off"}, "down": {"endpoints": ["127.0.0.1:1"]}},
            identity={"issuers": [issuer(name) for name in (*EDGES, *LIES)] + [down]}),
        [route(stages={"identify": "required"}), *OPERATIONS])

    def ask(name):
        return wire.once(gateway.address, wire.get("/1", f"Authorization: Bearer {Issuer(f'https://{name}.example/', KEY).token()}"))

    for name in EDGES:
        assert ask(name).status == 200, name
    for name in (*LIES, "down"):
        start = time.monotonic()
        reply = ask(name)
        assert reply.status == 503 and reply.field("Retry-After"), (name, reply)
        assert time.monotonic() - start < 1.5, name
        assert json.loads(reply.body)["code"] == "UPSTREAM_UNAVAILABLE"
    # Without keys there is no time to lose: asked again soon, and by itself.
    mended.add("html")
    wait_until(lambda: ask("html").status == 200, 8, "the mended key set")
    assert ask("good").status == 200
    text = wire.once(gateway.admin, wire.get("/metrics")).body.decode()
    for name, reason in (("html", "unreadable"), ("byte", "too_large"), ("many", "unreadable"), ("drip", "unreachable"), ("moved-on", "wrong_status"), ("empty", "empty"), ("huge", "too_large"), ("status", "wrong_status"),
                         ("slow", "unreachable"), ("down", "unreachable")):
        line = next(x for x in text.splitlines() if x.startswith(f'nexus_issuer_fetch_failures_total{{issuer="{name}",reason="{reason}"}}'))
        assert int(line.split()[-1]) >= 1, line
    assert sum("keys of an issuer cannot be had" in line and '"issuer":"empty"' in line for line in gateway.stderr) == 1


def test_a_reload_changes_who_is_believed(stage):
    """The same process: an issuer goes, another changes its rules, a third keeps its keys."""
    served = []

    def publish(peer):
        while True:
            served.append(peer.read_request().target)
            peer.send(respond("200 OK", GOOD))

    keys = stage.backend(publish).address

    def config(**audiences):
        issuers = [
            {"name": name, "issuer": f"https://{name}.example/", "audiences": audience, "algorithms": ["ES256"],
             "keys": {"cluster": "keys", "path": f"/{name}"}} for name, audience in audiences.items()
        ]
        return settings(stage_up, clusters={"keys": {"endpoints": [keys]}}, identity={"issuers": issuers})

    stage_up = stage.backend().address
    gateway = stage.gateway(config(a=AUDIENCE, b=AUDIENCE, c=AUDIENCE), [route(stages={"identify": "required"})])
    tokens = {name: Issuer(f"https://{name}.example/", KEY).token() for name in "abc"}

    def statuses():
        return [wire.once(gateway.address, wire.get("/1", f"Authorization: Bearer {token}")).status for token in tokens.values()]

    assert statuses() == [200, 200, 200] and statuses() == [200, 200, 200]
    gateway.reload(config(a=AUDIENCE, b="another"))
    assert statuses() == [200, 401, 401]
    assert served.count("/a") == 1
    gateway.reload(config(a=AUDIENCE, b=AUDIENCE, c=AUDIENCE))
    assert statuses() == [200, 200, 200]
    assert served.count("/a") == 1
