"""Who asks: tokens over REST and gRPC against an independent issuer (PyJWT, cryptography)."""

import concurrent.futures
import json
import os
import threading
import time

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

import grpc  # noqa: E402
import pytest  # noqa: E402

from harness import wire  # noqa: E402
from harness import secure  # noqa: E402
from harness.certificates import Authority  # noqa: E402
from harness.gateway import OPERATIONS, listener, route, settings  # noqa: E402
from harness.issuer import AUDIENCE, Issuer, Key, b64  # noqa: E402
from harness.recorder import respond  # noqa: E402
from harness.sockets import wait_until  # noqa: E402

ES, RS, ED = Key("es", "ES256"), Key("rs", "RS256"), Key("ed", "EdDSA")
SHOP = Issuer("https://shop.example/", ES, RS, ED)
FAR = Issuer("https://far.example/", Key("far-1", "ES256"))
REVOCATIONS = [
    {"name": "revocations", "match": {"listener": "admin", "method": ["GET", "POST"], "path": "/revocations"}, "target": {"operation": "revocations"}},
    {"name": "revocation", "match": {"listener": "admin", "method": "DELETE", "path": "/revocations/{id}"}, "target": {"operation": "revocations"}},
]


class Calls(grpc.GenericRpcHandler):
    """One unary method, and a stream that says one thing and then nothing."""

    def service(self, details):
        def unary(request, context):
            return json.dumps(dict(context.invocation_metadata()), default=str).encode()

        def waits(request, context):
            if request:
                yield b"first"
            gone = threading.Event()
            context.add_callback(gone.set)
            gone.wait(20)

        return {
            "/t.Calls/Unary": grpc.unary_unary_rpc_method_handler(unary),
            "/t.Calls/Waits": grpc.unary_stream_rpc_method_handler(waits),
        }.get(details.method)


def stages(identify: str) -> dict:
    return {"stages": {"identify": identify}}


ROUTES = [
    route("open", "/open/{rest...}"),
    route("me", "/me/{rest...}", **stages("required")),
    route("maybe", "/maybe/{rest...}", **stages("optional")),
    route("service", "/service/{rest...}", **stages("service-identity")),
    route("anyone", "/anyone/{rest...}", **stages("anonymous-session")),
    route("slow", "/slow/{rest...}", "slow", **stages("required")),
    {"name": "calls", "match": {"grpc": "t.Calls/*"}, "target": {"cluster": "calls"}, **stages("required")},
    *OPERATIONS, *REVOCATIONS,
]


def issuer_settings(name: str, issuer: Issuer, keys: dict, **over) -> dict:
    return {"name": name, "issuer": issuer.url, "audiences": [AUDIENCE], "algorithms": ["ES256", "RS256", "EdDSA"], "keys": keys, "leeway": "0s", **over}


def trickle(peer) -> None:
    """An answer like an event stream: a beginning, and then no end."""
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n")
    peer.hold(20)


class Setting:
    pass


@pytest.fixture(scope="module")
def shop(shared_stage):
    made = Setting()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), handlers=[Calls()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    made.far = {"body": FAR.jwks(), "fetches": 0}

    def publish(peer):
        while True:
            peer.read_request()
            made.far["fetches"] += 1
            peer.send(respond("200 OK", made.far["body"], "Content-Type: application/json"))

    made.up = shared_stage.backend()
    folder = shared_stage._place("keys")
    made.authority = Authority(folder)
    made.tls = {
        "certificates": [made.authority.issue("localhost", "DNS:localhost").settings],
        "client_certificates": "optional", "client_authorities": str(made.authority.certificate),
    }
    (folder / "jwks.json").write_bytes(SHOP.jwks())
    config = settings(
        made.up.address,
        workers=2,
        listeners=[listener(limits={"field_line": "16KiB"}), listener("secure", tls=made.tls)],
        clusters={
            "calls": {"endpoints": [f"127.0.0.1:{port}"], "protocol": "http2"},
            "slow": {"endpoints": [shared_stage.backend(trickle).address]},
            "far": {"endpoints": [shared_stage.backend(publish).address]},
        },
        identity={
            "certificates": {"services": ["spiffe://shop/*"]},
            "issuers": [
                issuer_settings(
                    "shop", SHOP, {"file": str(folder / "jwks.json")}, headers={"X-User-Id": "sub", "X-User-Roles": "roles"},
                    service={"claim": "roles", "values": ["SERVICE"]}),
                issuer_settings("far", FAR, {"cluster": "far", "path": "/keys", "timeout": "1s"}, headers={"X-Tenant": "tenant"}, forward=False),
            ]
        },
        access_log="access.log",
    )
    made.config = config
    made.gateway = shared_stage.gateway(config, ROUTES)
    made.channel = grpc.insecure_channel(made.gateway.address)
    yield made
    made.channel.close()
    server.stop(0)


def ask(shop, path: str, *fields: str, token: str | None = None) -> wire.Reply:
    if token is not None:
        fields = (*fields, f"Authorization: Bearer {token}")
    return wire.once(shop.gateway.address, wire.get(path, *fields))


def arrived(reply: wire.Reply) -> dict[str, list[str]]:
    """The fields that reached the service."""
    assert reply.status == 200, reply
    found: dict[str, list[str]] = {}
    for name, value in json.loads(reply.body)["fields"]:
        found.setdefault(name.lower(), []).append(value)
    return found


def call(shop, *metadata: tuple[str, str], timeout: float = 5):
    return shop.channel.unary_unary("/t.Calls/Unary")(b"", metadata=metadata, timeout=timeout)


# --- what is believed


@pytest.mark.parametrize("key", [ES, RS, ED], ids=lambda key: key.algorithm)
def test_a_good_token_of_each_kind_is_believed(shop, key):
    token = SHOP.token(key, roles=["USER", "a,b"])
    for _ in range(2):  # verified, then remembered
        fields = arrived(ask(shop, "/me/1", token=token))
        assert fields["x-user-id"] == ["user-1"] and fields["x-user-roles"] == ["USER,a%2Cb"]
        assert fields["authorization"] == [f"Bearer {token}"]
    seen = json.loads(call(shop, ("authorization", f"bearer {token}")))
    assert seen["x-user-id"] == "user-1"


def test_variations_that_are_allowed(shop):
    good = [
        SHOP.token(aud=["another", AUDIENCE]),
        SHOP.token(exp=time.time() + 30.5),
        SHOP.raw({"alg": "ES256"}, SHOP.claims()),
        SHOP.token(header={"typ": "at+jwt"}),
        SHOP.token(nbf=int(time.time())),
    ]
    for token in good:
        assert ask(shop, "/me/1", token=token).status == 200
    for scheme in ("bearer", "BEARER", "Bearer  "):
        assert ask(shop, "/me/1", f"Authorization: {scheme} {good[0]}").status == 200


def test_two_issuers(shop):
    fields = arrived(ask(shop, "/me/1", token=FAR.token(sub="far-user", tenant="Zürich\r\nX-User-Id: root")))
    assert fields["x-tenant"] == ["Z%C3%BCrich%0D%0AX-User-Id: root"]
    assert "x-user-id" not in fields and "authorization" not in fields
    # Each by its own keys only.
    crossed = Issuer(SHOP.url, *FAR.keys), Issuer(FAR.url, *SHOP.keys)
    assert ask(shop, "/me/1", token=crossed[0].token()).status == 401
    assert ask(shop, "/me/1", token=crossed[1].token(header={"kid": "far-1"})).status == 401


# --- what is not


def psychic() -> str:
    """r = s = 0 (CVE-2022-21449)."""
    return SHOP.token().rpartition(".")[0] + "." + b64(bytes(64))


def flipped() -> str:
    head, _, signature = SHOP.token().rpartition(".")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def der() -> str:
    text = f"{b64({'alg': 'ES256', 'kid': 'es'})}.{b64(SHOP.claims())}"
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    return f"{text}.{b64(ES.private.sign(text.encode(), ec.ECDSA(hashes.SHA256())))}"


HEADER = {"alg": "ES256", "kid": "es", "typ": "JWT"}
CLAIMS = SHOP.claims()

ATTACKS = {
    "none": lambda: f"{b64({'alg': 'none'})}.{b64(SHOP.claims())}.",
    "none with a signature": lambda: SHOP.raw({"alg": "none"}, SHOP.claims()),
    "None": lambda: f"{b64({'alg': 'None', 'kid': 'es'})}.{b64(SHOP.claims())}.AAAA",
    "no alg": lambda: SHOP.raw({"kid": "es"}, SHOP.claims()),
    "alg in lower case": lambda: SHOP.raw({**HEADER, "alg": "es256"}, SHOP.claims()),
    "confusion: pem": lambda: SHOP.hmac(RS.pem, kid="rs"),
    "confusion: jwk": lambda: SHOP.hmac(json.dumps(RS.jwk).encode(), kid="rs"),
    "confusion: empty secret": lambda: SHOP.hmac(b"", kid="rs"),
    "another algorithm of the key": lambda: SHOP.raw({"alg": "ES256", "kid": "rs"}, SHOP.claims(), RS),
    "kid of another key": lambda: SHOP.token(header={"kid": "rs"}),
    "kid is a path": lambda: SHOP.token(header={"kid": "../../dev/null"}),
    "kid is SQL": lambda: SHOP.token(header={"kid": "' OR '1'='1"}),
    "kid is a number": lambda: SHOP.raw({**HEADER, "kid": 7}, SHOP.claims()),
    "kid is long": lambda: SHOP.token(header={"kid": "k" * 1000}),
    "kid is empty": lambda: SHOP.token(header={"kid": ""}),
    "an embedded key": lambda: Issuer(SHOP.url, Key("own", "ES256")).token(header={"jwk": ES.jwk}),
    "jku": lambda: SHOP.token(header={"jku": "https://evil.example/keys"}),
    "x5u": lambda: SHOP.token(header={"x5u": "https://evil.example/keys"}),
    "x5c": lambda: SHOP.token(header={"x5c": ["AAAA"]}),
    "crit": lambda: SHOP.token(header={"crit": ["exp"], "exp": 1}),
    "b64": lambda: SHOP.raw({**HEADER, "b64": False, "crit": ["b64"]}, SHOP.claims()),
    "zip": lambda: SHOP.raw({**HEADER, "zip": "DEF"}, SHOP.claims()),
    "psychic signature": psychic,
    "one bit of the signature": flipped,
    "signature in DER": der,
    "short signature": lambda: SHOP.token()[:-4],
    "long signature": lambda: SHOP.token() + "AAAA",
    "no signature": lambda: SHOP.token().rpartition(".")[0] + ".",
    "two parts": lambda: SHOP.token().rpartition(".")[0],
    "four parts": lambda: SHOP.token() + ".AAAA",
    "five parts": lambda: SHOP.token() + ".AAAA.AAAA",
    "padded": lambda: SHOP.token() + "=",
    "standard base64": lambda: SHOP.token().rpartition(".")[0] + "." + "+/" * 43,
    "duplicate alg": lambda: SHOP.raw('{"alg":"none","alg":"ES256","kid":"es"}', json.dumps(SHOP.claims())),
    "duplicate sub": lambda: SHOP.raw(HEADER, json.dumps(SHOP.claims())[:-1] + ',"sub":"admin"}'),
    "oversize": lambda: SHOP.token(junk="x" * 6200),
    "header is a list": lambda: SHOP.raw([], SHOP.claims()),
    "payload is a list": lambda: SHOP.raw(HEADER, []),
    "payload is no JSON": lambda: SHOP.raw(HEADER, "hello"),
    "deep payload": lambda: SHOP.raw(HEADER, json.dumps(SHOP.claims())[:-1] + ',"a":' + "[" * 200 + "]" * 200 + "}"),
    "expired": lambda: SHOP.token(exp=int(time.time()) - 1),
    "no exp": lambda: SHOP.token(exp=None),
    "exp is text": lambda: SHOP.raw(HEADER, {**SHOP.claims(), "exp": str(int(time.time()) + 60)}),
    "exp is huge": lambda: SHOP.raw(HEADER, json.dumps({**SHOP.claims(), "exp": 1}).replace('"exp": 1', '"exp": 1e300')),
    "not yet": lambda: SHOP.token(nbf=int(time.time()) + 60),
    "another issuer": lambda: Issuer("https://evil.example/", ES).token(),
    "issuer without its slash": lambda: Issuer("https://shop.example", ES).token(),
    "no issuer": lambda: SHOP.token(iss=None),
    "issuer is a list": lambda: SHOP.raw(HEADER, {**SHOP.claims(), "iss": [SHOP.url]}),
    "another audience": lambda: SHOP.token(aud="another"),
    "audience in part": lambda: SHOP.token(aud=AUDIENCE[:-1]),
    "no audience": lambda: SHOP.token(aud=None),
    "no subject": lambda: SHOP.token(sub=None),
    "empty subject": lambda: SHOP.token(sub=""),
    "subject with a line break": lambda: SHOP.token(sub="a\nb"),
}


@pytest.mark.parametrize("make", ATTACKS.values(), ids=ATTACKS.keys())
def test_the_attack_set(shop, make):
    token = make()
    for path in ("/me/1", "/me/1", "/maybe/1"):  # the second time from memory; optional does not mean unchecked
        reply = ask(shop, path, token=token)
        assert reply.status == 401, (path, reply)
        challenge = reply.field("WWW-Authenticate")
        assert challenge.startswith('Bearer realm="nexus", error="invalid_token", error_description="'), challenge
        assert json.loads(reply.body)["code"] == "UNAUTHENTICATED"
    with pytest.raises(grpc.RpcError) as failed:
        call(shop, ("authorization", f"Bearer {token}"))
    assert failed.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_no_credential(shop):
    for fields in ((), ("Authorization: Basic dTpw",)):
        reply = ask(shop, "/me/1", *fields)
        assert (reply.status, reply.field("WWW-Authenticate")) == (401, 'Bearer realm="nexus"')
        assert ask(shop, "/maybe/1", *fields).status == 200
    with pytest.raises(grpc.RpcError) as failed:
        call(shop)
    assert failed.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_a_malformed_field_is_a_bad_request(shop):
    token = SHOP.token()
    wrong = [
        (f"Authorization: Bearer {token} {token}",), (f"Authorization: Bearer {token},", ), ("Authorization: Bearer",),
        (f"Authorization: Bearer {token}; x",), (f"Authorization: Bearer {token}", f"Authorization: Bearer {token}"),
        (f"Authorization: Basic dTpw", f"Authorization: Bearer {token}"), ('Authorization: Bearer "a"',),
    ]
    for fields in wrong:
        for path in ("/me/1", "/maybe/1", "/anyone/1"):
            reply = ask(shop, path, *fields)
            assert reply.status == 400, (fields, reply)
            assert 'error="invalid_request"' in reply.field("WWW-Authenticate")


def test_a_browser_hears_of_the_challenge_in_its_own_form(shop):
    body = wire.post("/t.Calls/Unary", b"\0\0\0\0\0", "Content-Type: application/grpc-web+proto")
    reply = wire.once(shop.gateway.address, body)
    assert reply.status == 200 and (reply.field("grpc-status") == "16" or b"grpc-status: 16" in reply.body.lower())


# --- fields


def test_clients_cannot_say_what_the_gateway_says(shop):
    lies = ("X-User-Id: root", "x-user-id: root", "X_User_Id: root", "X-USER-ROLES: ADMIN", "X-Tenant: other", "x-tenant:", "X-Kept: yes")
    for path in ("/open/1", "/maybe/1", "/anyone/1"):
        fields = arrived(ask(shop, path, *lies))
        assert not {"x-user-id", "x_user_id", "x-user-roles", "x-tenant"} & set(fields) and fields["x-kept"] == ["yes"]
    fields = arrived(ask(shop, "/me/1", *lies, "Connection: x-user-id", token=SHOP.token()))
    assert fields["x-user-id"] == ["user-1"] and "x-user-roles" not in fields and "x_user_id" not in fields
    seen = json.loads(call(shop, ("authorization", f"Bearer {SHOP.token()}"), ("x-user-id", "root"), ("x-tenant", "t")))
    assert seen["x-user-id"] == "user-1" and "x-tenant" not in seen


def test_claims_cannot_break_out_of_their_fields(shop):
    fields = arrived(ask(shop, "/me/1", token=SHOP.token(sub=" admin ", roles=["a\r\nX-Kept: no", "é", ""])))
    assert fields["x-user-id"] == ["%20admin%20"] and fields["x-user-roles"] == ["a%0D%0AX-Kept: no,%C3%A9,"]
    assert "x-kept" not in fields


def test_keys_are_rotated(shop):
    old, new = FAR.token(), Issuer(FAR.url, Key("far-2", "ES256"))
    assert ask(shop, "/me/1", token=old).status == 200
    shop.far["body"] = json.dumps({"keys": [*json.loads(FAR.jwks())["keys"], *json.loads(new.jwks())["keys"]]}).encode()
    before = shop.far["fetches"]
    # All of these wait for one fetch; later strangers wait for none.
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: ask(shop, "/me/1", token=new.token()).status, range(32))) == {200}
    assert call(shop, ("authorization", f"Bearer {new.token()}"))
    strangers = Issuer(FAR.url, *new.keys)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda i: ask(shop, "/me/1", token=strangers.token(header={"kid": f"k{i}"})).status, range(200))) == {401}
    assert shop.far["fetches"] == before + 1
    assert ask(shop, "/me/1", token=old).status == 200


def test_the_log_names_the_subject_and_no_token(shop):
    token = SHOP.token(sub="logged-user")
    assert ask(shop, "/me/logged", token=token).status == 200
    path = shop.gateway.folder / "access.log"
    wait_until(lambda: "/me/logged" in path.read_text(), 3, "the log line")
    line = next(json.loads(text) for text in path.read_text().splitlines() if "/me/logged" in text)
    assert line["principal"] == "logged-user"
    assert token.rpartition(".")[2] not in path.read_text() + shop.gateway.said()


# --- modes


def test_service_identity(shop):
    assert ask(shop, "/service/1").status == 401
    assert ask(shop, "/service/1", token=SHOP.token(roles=["SERVICE"])).status == 200
    reply = ask(shop, "/service/1", token=SHOP.token(roles=["USER"]))
    assert reply.status == 403 and 'error="insufficient_scope"' in reply.field("WWW-Authenticate")


def test_client_certificates(shop):
    address = shop.gateway.listeners["secure"]
    contexts = [
        secure.trusting(shop.authority, client=shop.authority.issue(name, f"URI:{uri}", usage="clientAuth"))
        for name, uri in (("pay", "spiffe://shop/pay"), ("odd", "spiffe://elsewhere/odd"))
    ]

    def status(context, path, *fields):
        return secure.ask(address, context, wire.get(path, *fields, host="localhost")).status

    assert [status(each, "/service/1") for each in contexts] == [200, 401]
    assert [status(each, "/me/1") for each in contexts] == [401, 401]
    assert [status(each, "/maybe/1") for each in contexts] == [200, 200]
    # A token decides, where there is one.
    assert status(contexts[0], "/service/1", f"Authorization: Bearer {SHOP.token()}") == 403
    assert status(contexts[0], "/service/1", "Authorization: Bearer a.b.c") == 401
    reply = secure.ask(address, secure.trusting(shop.authority), wire.get("/anyone/1", host="localhost"))
    assert "Secure" in reply.field("Set-Cookie").split("; ")


def test_anonymous_sessions(shop):
    first = ask(shop, "/anyone/1")
    fields = arrived(first)
    cookie = first.field("Set-Cookie")
    name, _, rest = cookie.partition("=")
    identifier, *attributes = rest.split("; ")
    assert name == "nexus_session" and len(identifier) == 32 and set(attributes) == {"Path=/", "HttpOnly", "SameSite=Lax"}
    assert fields["x-session-id"] == [identifier]
    again = ask(shop, "/anyone/1", f"Cookie: a=b; nexus_session={identifier}; c=d")
    assert again.field("Set-Cookie") is None and again.status == 200
    assert ask(shop, "/anyone/1", "X-Session-Id: 0123456789abcdef").field("Set-Cookie") is None
    assert ask(shop, "/anyone/1", "Cookie: nexus_session=short").field("Set-Cookie") is not None
    assert ask(shop, "/anyone/1", "X-Session-Id: a b").status == 400
    assert ask(shop, "/anyone/1", token=SHOP.token()).field("Set-Cookie") is None
    assert ask(shop, "/anyone/1").field("Set-Cookie") != cookie


# --- ends


def stream(shop, token: str) -> wire.Wire:
    """A proxied answer that has begun."""
    made = wire.Wire(shop.gateway.address)
    made.send(wire.get("/slow/1", f"Authorization: Bearer {token}"))
    wait_until(lambda: made._fill(0.1) and b"data: 1" in made.buffer or b"data: 1" in made.buffer, 3, "the beginning of the answer")
    return made


def seconds_to_end(made: wire.Wire) -> float:
    start = time.monotonic()
    while made.ended is None and time.monotonic() < start + 5:
        made._fill(0.2)
    assert made.ended
    return time.monotonic() - start


@pytest.mark.parametrize("begun", [True, False])
def test_expiry_ends_streams_within_a_second(shop, begun):
    expires = time.time() + 1.0
    token = SHOP.token(exp=expires)
    running = shop.channel.unary_stream("/t.Calls/Waits")(b"x" if begun else b"", metadata=(("authorization", f"Bearer {token}"),), timeout=10)
    if begun:
        assert next(running) == b"first"
        proxied = stream(shop, token)
    with pytest.raises(grpc.RpcError) as failed:
        next(running)
    assert failed.value.code() == grpc.StatusCode.UNAUTHENTICATED and "expired" in failed.value.details()
    assert 0 <= time.time() - expires < 1.2
    if begun:
        seconds_to_end(proxied)
        assert time.time() - expires < 1.2 and b"0\r\n\r\n" not in proxied.buffer


def revoke(shop, **body) -> dict:
    reply = wire.once(shop.gateway.admin, wire.post("/revocations", json.dumps(body).encode(), "Content-Type: application/json"))
    assert reply.status == 201, reply
    return json.loads(reply.body)


def test_revocation_ends_streams_within_a_second(shop):
    token, other = SHOP.token(sub="gone", jti="gone-1"), SHOP.token(sub="gone", jti="gone-2")
    metadata = (("authorization", f"Bearer {token}"),)
    running = shop.channel.unary_stream("/t.Calls/Waits")(b"x", metadata=metadata, timeout=10)
    assert next(running) == b"first"
    proxied = stream(shop, token)
    assert ask(shop, "/me/1", token=token).status == 200
    made = revoke(shop, jti="gone-1", issuer="shop")
    assert seconds_to_end(proxied) < 1.2
    with pytest.raises(grpc.RpcError) as failed:
        next(running)
    assert failed.value.code() == grpc.StatusCode.UNAUTHENTICATED
    for _ in range(4):  # on both workers
        assert ask(shop, "/me/1", token=token).status == 401
    assert ask(shop, "/me/1", token=other).status == 200
    # Taken back, it is believed again.
    assert wire.once(shop.gateway.admin, wire.get(f"/revocations/{made['id']}", method="DELETE")).status == 200
    assert ask(shop, "/me/1", token=token).status == 200
    # All of a subject's that were issued until now.
    revoke(shop, sub="gone", before=int(time.time()) + 1)
    assert [ask(shop, "/me/1", token=t).status for t in (token, other)] == [401, 401]
    assert ask(shop, "/me/1", token=SHOP.token(sub="gone", iat=int(time.time()) + 2)).status == 200


def test_revocations_outlive_the_process_and_have_a_command(shop):
    shop.gateway.run("revoke", "--jti", "kept-1", "--admin", shop.gateway.admin).check_returncode()
    token = SHOP.token(jti="kept-1")
    assert ask(shop, "/me/1", token=token).status == 401
    listed = shop.gateway.run("revocations", "--admin", shop.gateway.admin).stdout
    assert "kept-1" in listed
    for body in ({}, {"jti": "a", "sub": "b"}, {"jti": 7}, {"sub": "a", "ttl": -1}, {"jti": "a", "unknown": 1}, {"jti": "a", "before": 1}):
        reply = wire.once(shop.gateway.admin, wire.post("/revocations", json.dumps(body).encode()))
        assert reply.status == 400, body
    shop.gateway.stop()
    shop.gateway.start()
    shop.channel.close()
    shop.channel = grpc.insecure_channel(shop.gateway.address)
    assert ask(shop, "/me/1", token=token).status == 401
    assert ask(shop, "/me/1", token=SHOP.token()).status == 200
    found = next(line for line in listed.splitlines() if "kept-1" in line).split()[0]
    assert shop.gateway.run("revocations", "remove", found, "--admin", shop.gateway.admin).returncode == 0
    assert ask(shop, "/me/1", token=token).status == 200


def test_what_metrics_show(shop):
    text = wire.once(shop.gateway.admin, wire.get("/metrics")).body.decode()
    for line in ('nexus_identified_total{kind="user"}', 'nexus_identify_refused_total{reason="bad_signature"}',
                 'nexus_token_cache_total{result="hit"}', 'nexus_issuer_keys{issuer="far"}', "nexus_leases_ended_total"):
        assert line in text, line
