"""Somebody who wants in, or wants more than he may: tricks with fields, bodies, names and protocols, against one gateway."""

import json
import time

import pytest
from harness import library
from harness.gateway import OPERATIONS, route, settings
from harness.grpc_wire import call, message, status
from harness.http2_ends import Client
from harness.http2_origin import Origin, Peer
from harness.recorder import Peer as Backend
from harness.recorder import respond
from harness.tokens import Issuer
from harness.wire import Wire, get, once, post

SERVICE = "test.library.v1.Library"
POLICIES = {
    "policies": [
        {"name": "named", "rules": [{"allow": {"subject": ["administrator-0001"]}}]},
        {"name": "own-body", "rules": [{"allow": {"owner": {"field": "userId"}}}]},
        {"name": "own-book", "rules": [{"allow": {"owner": {"parameter": "name"}}}]},
        {"name": "own-message", "rules": [{"allow": {"owner": {"field": "name"}}}]},
        {"name": "no-self-selling", "rules": [
            {"allow": {"kind": ["user"]}}, {"name": "self", "deny": {"owner": {"field": "book.name"}}}]},
        {"name": "no-self-dealing", "rules": [
            {"allow": {"kind": ["user"]}}, {"name": "self", "deny": {"owner": {"field": "sellerId"}}}]},
    ]
}
REQUIRED = {"identify": "required"}


def asks(policy: str, **more) -> dict:
    return {"stages": {"identify": "required", "authorize": policy, **more}}


def transcoded(name: str, method: str, path: str, rpc: str, **over) -> dict:
    return route(name, path, "calls", match={"method": method}, transcode={"method": f"{SERVICE}/{rpc}"}, **over)


ROUTES = [
    route("open", "/open/{rest...}"),
    route("me", "/me/{rest...}", stages=REQUIRED, upgrade=True),
    route("maybe", "/maybe/{rest...}", stages={"identify": "optional"}),
    route("named", "/named", stages={"identify": "anonymous-session", "authorize": "named"}),
    route("own-body", "/carts", **asks("own-body", collect=True)),
    route("sales", "/sales", **asks("no-self-dealing", collect=True)),
    transcoded("book", "GET", "/v1/books/{name}", "GetBook", **asks("own-book")),
    transcoded("book-post", "POST", "/v1/books/{name}", "GetBook", **asks("own-book")),
    {"name": "get-book", "match": {"grpc": f"{SERVICE}/GetBook"}, "target": {"cluster": "calls"}, **asks("own-message", collect=True)},
    {"name": "sell", "match": {"grpc": f"{SERVICE}/CreateBook"}, "target": {"cluster": "calls"}, **asks("no-self-selling", collect=True)},
    route("told", "/told", "told", stages={"quota": ["b"]}),
    {"name": "calls", "match": {"grpc": "demo.S/*"}, "target": {"cluster": "calls"}, "stages": REQUIRED},
    route("tunnel", "/tunnel", "tunnel", stages=REQUIRED, upgrade=True),
    *OPERATIONS,
]


def switch(peer: Backend) -> None:
    peer.read_head()
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
    peer.hold(20)


def tells(peer: Backend) -> None:
    """It has limits of its own."""
    while True:
        peer.read_request()
        peer.send(respond("200 OK", b"x", 'RateLimit: "up";r=5', "X-RateLimit-Limit: 100", "X-Ratelimit-Remaining: 50", "x-ratelimit-reset: 7"))


class Setting:
    pass


@pytest.fixture(scope="module")
def world(shared_stage, tmp_path_factory):
    made = Setting()
    folder = tmp_path_factory.mktemp("strangers")
    made.issuer, made.far = Issuer(folder), Issuer(folder, "far")
    (folder / "policies.yaml").write_text(json.dumps(POLICIES))
    made.up = shared_stage.backend()
    made.calls = []

    def play(peer: Peer) -> None:
        while request := peer.request():
            made.calls.append(request)
            peer.start(request.stream, 200, ("content-type", "application/grpc"))
            peer.send(request.stream, message(b""))
            peer.trailers(request.stream, ("grpc-status", "0"))

    with Origin(play) as origin:
        config = settings(
            made.up.address, workers=2, access={"policies": [str(folder / "policies.yaml")]},
            contracts={"descriptors": [library.descriptors(tmp_path_factory.mktemp("contracts"))]},
            identity={"issuers": [
                {**made.issuer.settings, "headers": {"X-User-Id": "sub"}}, {**made.far.settings, "headers": {"X-Tenant": "tenant"}}]})
        config["limits"] = {"budgets": [{"name": "b", "requests": 9, "per": "1h", "by": "address", "legacy_headers": True}]}
        config["clusters"]["told"] = {"endpoints": [shared_stage.backend(tells).address]}
        config["clusters"]["tunnel"] = {"endpoints": [shared_stage.backend(switch).address]}
        config["clusters"]["calls"] = {"endpoints": [origin.address], "protocol": "http2"}
        made.gateway = shared_stage.gateway(config, ROUTES)
        yield made


def bearer(world, who: str = "ann", **more) -> str:
    return f"Authorization: {world.issuer.bearer(who, **more)['authorization']}"


def arrived(reply) -> dict[str, list[str]]:
    assert reply.status == 200, reply
    found: dict[str, list[str]] = {}
    for name, value in json.loads(reply.body)["fields"]:
        found.setdefault(name.lower(), []).append(value)
    return found


# --- fields


def test_trailers_cannot_say_what_the_gateway_says(world):
    lies = "X-User-Id: root\r\nx_user_id: root\r\nX-TENANT: other\r\nAuthorization: Bearer a.b.c\r\nX-Kept: yes\r\n"
    head = "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-User-Id\r\n{}\r\n1\r\nx\r\n0\r\n" + lies + "\r\n"
    for path, fields in (("/open/1", ""), ("/me/1", bearer(world) + "\r\n"), ("/maybe/1", "")):
        reply = once(world.gateway.address, head.format(path, fields))
        assert reply.status == 200
        assert json.loads(reply.body)["trailers"] == [["x-kept", "yes"]]
    with Client(world.gateway.address) as client:
        stream = client.ask("/open/2", method="POST", body=b"x", trailers=[("x-user-id", "root"), ("x_user_id", "root"), ("x-kept", "yes")])
        assert json.loads(stream.body)["trailers"] == [["x-kept", "yes"]]


def test_a_credential_stands_in_its_field_and_nowhere_else(world):
    token = world.issuer.token("ann")
    refused = [
        get(f"/me/1?access_token={token}"), get("/me/1", f"Cookie: Authorization=Bearer {token}"), get("/me/1", f"Proxy-Authorization: Bearer {token}"),
        get("/me/1", f"X-Authorization: Bearer {token}"), get("/me/1", f"Authorization-Bin: {token}"), get("/me/1", f"Authorization_: Bearer {token}"),
        post("/me/1", f"access_token={token}".encode(), "Content-Type: application/x-www-form-urlencoded"),
        f"POST /me/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Bearer {token}\r\n\r\n",
        get("/me/1", method="HEAD"), get("/me/1", method="OPTIONS"),
        get("/me/1", "Origin: https://a.example", "Access-Control-Request-Method: GET", method="OPTIONS"),
        get("/me/1", "Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
        get("/me/1", "Connection: upgrade, http2-settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        get("/me/../me/1"), get("/%6de/1"), get("/open/../me/1"),
    ]
    before = len(world.up.requests)
    for request in refused:
        assert once(world.gateway.address, request).status in (400, 401, 404), request
    assert not [seen for seen in world.up.requests[before:] if "/me/" in seen.target]


@pytest.mark.parametrize("value", ["Bearer\t%s", "Bearer \t%s", "Bearer %s\t x", "Bearer,%s", "Bearer=%s", "Bearer:%s", "Bearer %s,Bearer %s", "Bearer %s Bearer %s", "bearer%%20%s"])
def test_a_field_that_somebody_could_take_for_a_credential(world, value):
    """Upstreams that read it more kindly must not see in it what the gateway has not looked at."""
    token = world.issuer.token("ann")
    field = "Authorization: " + value.replace("%s", token).replace("%%", "%")
    before = len(world.up.requests)
    assert once(world.gateway.address, get("/me/1", field)).status in (400, 401)
    reply = once(world.gateway.address, get("/maybe/1", field))
    assert reply.status == 400, reply
    assert len(world.up.requests) == before


def test_two_credentials_over_http2(world):
    token = world.issuer.token("ann")
    with Client(world.gateway.address) as client:
        twice = client.ask("/me/1", ("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}"))
        assert twice.status == 400
        assert client.ask("/me/1", ("authorization", f"Bearer {token}")).status == 200
        for fields, code in ((("authorization-bin", token),), 16), ((("authorization", f"Bearer {token}"), ("authorization", "Basic x")), 3):
            assert status(call(client, "/demo.S/M", *fields))[0] == code


# --- who is who


def test_a_session_is_nobody_by_its_name(world):
    for field in ("X-Session-Id: administrator-0001", "Cookie: nexus_session=administrator-0001"):
        assert once(world.gateway.address, get("/named", field)).status == 403
    assert once(world.gateway.address, get("/named", bearer(world, "administrator-0001"))).status == 200


# --- bodies

FORM = "application/x-www-form-urlencoded"
DISGUISES = {
    "form": ("&userId=bob&", FORM, ""),
    "multipart": ("\\r\\n--b\\r\\nuserId", "multipart/form-data; boundary=b", ""),
    "xml": ("<userId>bob</userId>", "text/xml", ""),
    "text": ("x", "text/plain", ""),
    "almost": ("x", "application/jsonp", ""),
    "utf-7": ("+ACIALAAiAHUAcwBlAHIASQBk-", "application/json; charset=utf-7", ""),
    "coded": ("x", "application/json", "Content-Encoding: gzip"),
    "coded twice": ("x", "application/json", "Content-Encoding: identity, br"),
    "two types": ("x", "application/json", f"Content-Type: {FORM}"),
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_body_that_is_called_something_else_is_nobodys(world, name):
    text, kind, more = DISGUISES[name]
    body = f'{{"userId":"ann","x":"{text}"}}'.encode()
    before = len(world.up.requests)
    fields = [f"Content-Type: {kind}", bearer(world)] + ([more] if more else [])
    assert once(world.gateway.address, post("/carts", body, *fields)).status in (400, 403)
    assert len(world.up.requests) == before


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"', "application/merge-patch+json"])
def test_a_body_that_says_it_is_json_counts(world, kind):
    assert once(world.gateway.address, post("/carts", b'{"userId":"ann"}', f"Content-Type: {kind}", bearer(world))).status == 200
    assert once(world.gateway.address, post("/carts", b'{"user\\u0049d":"a\\u006en"}', f"Content-Type: {kind}", bearer(world))).status == 200


UNCLEAR = [
    b'{"sellerId":"bob","sellerId":"ann"}', b'{"sellerId":"ann","sellerid":"bob"}', b'{"seller_id":"bob","sellerId":"ann"}',
    b'{"SELLERID":"ann"}', '{"\u017fellerId":"ann"}'.encode(), b'{"sellerId":["ann"]}', b'{"sellerId":"ann"', b"sellerId=ann", b'{"x":1} {"sellerId":"ann"}',
]


@pytest.mark.parametrize("body", UNCLEAR)
def test_a_body_that_cannot_be_read_does_not_get_past_a_refusal(world, body):
    """What refuses by a field of the body must not be blind to a body that says the field in two ways."""
    before = len(world.up.requests)
    assert once(world.gateway.address, post("/sales", body, "Content-Type: application/json", bearer(world))).status == 403
    assert len(world.up.requests) == before
    assert once(world.gateway.address, post("/sales", b'{"sellerId":"ann"}', "Content-Type: application/json", bearer(world))).status == 403
    for fine in (b'{"sellerId":"bob"}', b'{"x":1}'):
        assert once(world.gateway.address, post("/sales", fine, "Content-Type: application/json", bearer(world))).status == 200


# --- calls


def name(text: bytes) -> bytes:
    return bytes([0x0A, len(text)]) + text


def test_a_field_that_is_said_twice_on_the_way_to_a_call(world):
    """The path says who is asked for; the query and the body must not say somebody else to the service."""
    asked = [
        get("/v1/books/ann?name=bob", bearer(world)), get("/v1/books/ann?name=bob&name=bob", bearer(world)),
        get("/v1/books/ann?n%61me=bob", bearer(world)),
        post("/v1/books/ann", b'{"name":"bob"}', "Content-Type: application/json", bearer(world)),
        post("/v1/books/ann", b'{"n\\u0061me":"bob"}', "Content-Type: application/json", bearer(world)),
        post("/v1/books/ann?name=bob", b'{}', "Content-Type: application/json", bearer(world)),
    ]
    for request in asked:
        before = len(world.calls)
        once(world.gateway.address, request)
        # What comes last counts.
        assert all(library.pb.GetBookRequest.FromString(each.body[5:]).name == "ann" for each in world.calls[before:]), request
    assert once(world.gateway.address, get("/v1/books/bob", bearer(world))).status == 403
    before = len(world.calls)
    assert once(world.gateway.address, get("/v1/books/ann", bearer(world))).status == 200
    assert b"ann" in world.calls[before].body


def test_the_owner_of_a_message(world):
    """Whatever way of saying the field twice, or of saying it so that only some can read it."""
    fields = (("authorization", world.issuer.bearer("ann")["authorization"]),)
    mine, his = name(b"ann"), name(b"bob")
    refused = [
        message(his), message(mine + his), message(mine)[:-1] + b"m", message(mine, 1), message(mine) + message(his), b"", message(b""),
        message(b"\x08\x01"), message(b"\x0a\xff\xff\xff\xff\x0f"), message(b"\x0b" + mine + b"\x0c"),
    ]
    with Client(world.gateway.address) as client:
        assert status(call(client, f"/{SERVICE}/GetBook", *fields, body=message(mine)))[0] == 0
        for body in refused:
            before = len(world.calls)
            ended = call(client, f"/{SERVICE}/GetBook", *fields, body=body)
            assert status(ended)[0] in (3, 7, 12, 13), body
            assert len(world.calls) == before, body


def test_no_protocol_gets_past_a_refusal_by_a_field(world):
    """The Connect protocol and base64 bring the message in a form that the refusal does not read."""
    import base64

    ann, bob = ({"book": {"name": who}} for who in ("ann", "bob"))
    encoded = {who: message(library.pb.CreateBookRequest(book=library.pb.Book(name=who)).SerializeToString()) for who in ("ann", "bob")}
    token = ("authorization", world.issuer.bearer("ann")["authorization"])
    path = f"/{SERVICE}/CreateBook"
    before = len(world.calls)
    with Client(world.gateway.address) as client:
        assert status(call(client, path, token, body=encoded["ann"]))[0] == 7
        for kind, body in (("application/grpc-web+proto", encoded["ann"]), ("application/grpc-web-text+proto", base64.b64encode(encoded["ann"]))):
            made = client.ask(path, token, ("content-type", kind), method="POST", body=body)
            assert made.field("grpc-status") == "7", (kind, made)
        connect = client.ask(path, token, ("content-type", "application/json"), ("connect-protocol-version", "1"), method="POST", body=json.dumps(ann).encode())
        assert connect.status == 403, connect
        assert len(world.calls) == before
        assert status(call(client, path, token, body=encoded["bob"]))[0] == 0
        assert len(world.calls) == before + 1 and bob


# --- limits of memory and time


def test_many_tokens_and_bad_ones_do_not_put_out_a_good_one(world):
    good = bearer(world)
    head, _, signature = good.rpartition(".")
    with Wire(world.gateway.address) as wire:
        assert wire.ask(get("/me/1", good)).status == 200
        for i in range(300):
            # Its signature under other claims, which is where the memory of tokens looks first.
            prefix, payload = head.rsplit(".", 1)
            forged = f"{prefix}.{payload[:-2]}{'AB'[i % 2]}{'CDEFGH'[i % 6]}.{signature}"
            if forged == good:
                continue
            reply = wire.ask(get("/me/1", forged))
            assert reply.status == 401, reply
        assert wire.ask(get("/me/1", good)).status == 200


def test_a_token_of_one_issuer_is_nobody_at_another(world):
    theirs = world.far.token("ann")
    assert "x-user-id" not in arrived(once(world.gateway.address, get("/me/1", f"Authorization: Bearer {theirs}")))
    crossed = Issuer.__new__(Issuer)
    crossed.__dict__.update(world.far.__dict__)
    crossed.issuer = world.issuer.issuer
    assert once(world.gateway.address, get("/me/1", f"Authorization: Bearer {crossed.token('ann')}")).status == 401


def test_a_remembered_token_ends_with_its_time(world):
    token = world.issuer.token("ann", seconds=-28)  # half a minute of leeway
    with Wire(world.gateway.address) as wire:
        assert wire.ask(get("/me/1", f"Authorization: Bearer {token}")).status == 200
        deadline = time.time() + 4
        while wire.ask(get("/me/1", f"Authorization: Bearer {token}")).status == 200:
            assert time.time() < deadline
            time.sleep(0.1)
        assert wire.ask(get("/me/1", f"Authorization: Bearer {token}")).status == 401


def test_an_expiry_is_no_fault_of_the_cluster(world):
    """A stream whose credential ends says nothing of the endpoint that carried it."""

    def counted(name: str) -> float:
        page = once(world.gateway.admin, get("/metrics")).body.decode()
        return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(name))

    fault = 'nexus_upstream_failures_total{cluster="tunnel",reason="bad_answer"}'
    before, ended = counted(fault), counted("nexus_leases_ended_total")
    with Wire(world.gateway.address) as wire:
        wire.send(get("/tunnel", bearer(world, seconds=-29), "Connection: upgrade", "Upgrade: echo"))
        assert wire.read().status == 101
        assert wire.closes_within(4), "a tunnel ends with its credential"
    assert counted("nexus_leases_ended_total") == ended + 1
    assert counted(fault) == before


# --- what is said of limits


def test_two_limits_are_not_told_in_one_field(world):
    reply = once(world.gateway.address, get("/told"))
    told = [(name, value) for name, value in reply.message.fields if name.startswith(b"x-ratelimit-")]
    assert [name for name, _ in told] == [b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset"]
    assert told[0][1] == b"9" and len(reply.message.all("ratelimit")) == 2, "that one is a list"


# --- what is refused at load and by the admin operations


def test_a_reload_ends_what_memory_has_of_an_issuer(world):
    config = json.loads(world.gateway.config_path.read_text())
    field = bearer(world)
    with Wire(world.gateway.address) as wire:
        assert wire.ask(get("/me/1", field)).status == 200
        for change in ({"audiences": ["another"]}, {"issuer": "https://other.example"}):
            issuers = [{**config["identity"]["issuers"][0], **change}, config["identity"]["issuers"][1]]
            world.gateway.reload({**config, "identity": {"issuers": issuers, "tokens_in_memory": 7}})
            assert [wire.ask(get("/me/1", field)).status, once(world.gateway.address, get("/me/1", field)).status] == [401, 401]
        world.gateway.reload(config)
        assert wire.ask(get("/me/1", field)).status == 200
    assert any("needs a restart" in line and "tokens_in_memory" in line for line in world.gateway.stderr)


@pytest.mark.parametrize(
    "rule, hint",
    [
        ({"deny": {"issuer": "tset", "subject": "x"}}, "there is no issuer 'tset' (did you mean 'test'?)"),
        ({"allow": {"claims": {"tennant": ["a"]}}}, "no issuer keeps the claim 'tennant' (did you mean 'tenant'?)"),
        ({"allow": {"issuer": "bare", "claims": {"tenant": ["a"]}}}, "no issuer keeps the claim 'tenant'"),
    ],
)
def test_a_policy_that_names_nobody_is_refused(stage, tmp_path, rule, hint):
    """Such a rule would never hold, and a refusal by it would let everybody through."""
    policies = tmp_path / "policies.yaml"
    policies.write_text(json.dumps({"policies": [{"name": "p", "rules": [{"allow": {"anyone": True}}, {"name": "r", **rule}]}]}, indent=1))
    bare = {**Issuer(tmp_path, "bare").settings, "claims": []}
    config = settings("127.0.0.1:1", access={"policies": [str(policies)]}, identity={"issuers": [Issuer(tmp_path).settings, bare]})
    files = stage.files(config, [route("r", "/r", stages={"identify": "optional", "authorize": "p"})])
    made = files.run("check")
    said = made.stdout + made.stderr
    assert made.returncode != 0 and hint in said and "policies.yaml:" in said, said
