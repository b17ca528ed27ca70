"""CORS per route: what pages of other origins may do and see, by the Fetch standard's own algorithms."""

import contextlib

import httpx
import pytest

from harness import sockets
from harness.browser import Blocked, Page
from harness.gateway import route, settings
from harness.recorder import respond
from harness.wire import get, once

SHOP, PARTNER, STRANGER = "https://shop.example", "https://eu.partner.example:8443", "https://evil.example"
PREFLIGHT_VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


def opinionated(peer):
    """An upstream with CORS ideas of its own."""
    while True:
        message = peer.read_request()
        peer.send(respond(
            "200 OK", message.method.encode() if message.method != "HEAD" else b"", "Access-Control-Allow-Origin: https://wrong.example",
            "access-control-allow-origin: *", "Access-Control-Allow-Credentials: true", "ACCESS-CONTROL-EXPOSE-HEADERS: x-secret",
            "Access-Control-Allow-Methods: DELETE", "X-Total: 7", "X-Secret: s", "Vary: Accept-Encoding"))


ROUTES = [
    route("items", "/items/{id}", match={"method": ["GET", "PUT", "DELETE"]}, cors={
        "origins": [SHOP, "https://*.partner.example:8443"], "methods": ["GET", "PUT"], "headers": ["Content-Type", "X-Own"],
        "expose": ["X-Total"], "credentials": True, "max_age": "10m"}),
    route("open", "/open", match={"method": "GET"}, cors={"origins": "*", "headers": "*", "expose": "*"}),
    route("any", "/any/{rest...}", cors={"origins": [SHOP, "null"], "headers": ["x-own"]}),
    route("limited", "/limited", match={"method": "GET"}, cors={"origins": SHOP}, stages={"shield": {"requests": 1, "per": "1h"}}),
    route("small", "/small", match={"method": "POST"}, cors={"origins": SHOP}, body_limit=10),
    route("gone", "/gone", "down", match={"method": "GET"}, cors={"origins": SHOP}),
    route("own-read", "/own", match={"method": "GET"}, cors={"origins": SHOP}),
    route("own-options", "/own", match={"method": "OPTIONS"}),
    route("both", "/both", match={"method": ["GET", "OPTIONS"]}, cors={"origins": SHOP}),
    route("plain", "/plain", match={"method": "GET"}),
    route("fixed", "/fixed", target={"fixed": {"status": 200, "body": "hi"}}, match={"method": "GET"}, cors={"origins": SHOP}),
    route("hosted", "/hosted", match={"method": "GET", "host": "api.example"}, cors={"origins": SHOP}),
]


@pytest.fixture(scope="module")
def gateway(shared_stage):
    backend = shared_stage.backend(opinionated)
    made = settings(backend.address, clusters={"down": {"endpoints": [sockets.closed_address()]}})
    return shared_stage.gateway(made, ROUTES)


@pytest.fixture(params=[False, True], ids=["http1", "http2"])
def page(request, gateway):
    with contextlib.ExitStack() as stack:
        yield lambda origin: stack.enter_context(contextlib.closing(Page(origin, gateway.address, request.param)))


@pytest.mark.parametrize("origin", [SHOP, PARTNER, "https://a.b.partner.example:8443"])
def test_an_allowed_page_reads(page, origin):
    for credentials in (False, True):
        answer = page(origin).fetch("GET", "/items/1", credentials=credentials)
        assert answer.status_code == 200 and answer.content == b"GET"
        assert answer.headers["x-total"] == "7" and "x-secret" not in answer.headers


@pytest.mark.parametrize("origin", [
    STRANGER, "http://shop.example", "https://shop.example:8443", "https://shop.example.evil.example", "https://notshop.example", "null",
    "https://partner.example:8443", "https://eu.partner.example", "https://.partner.example:8443", "https://evil.example/.partner.example:8443",
    "https://eu.partner.example:8443.evil.example", "HTTPS://SHOP.EXAMPLE", "https://shop.example/", "", "*",
    "https://evil.example?.partner.example:8443", "https://u@eu.partner.example:8443",
])
def test_a_stranger_reads_nothing(page, origin):
    stranger = page(origin)
    for method, headers in (("GET", {}), ("PUT", {}), ("GET", {"x-own": "1"})):
        with pytest.raises(Blocked):
            stranger.fetch(method, "/items/1", headers)
    assert all(answer.status_code == 403 for answer in stranger.preflights)


def test_methods_and_headers_are_asked_for(page):
    shop = page(SHOP)
    assert shop.fetch("PUT", "/items/1", {"content-type": "application/json", "x-own": "1"}, b"{}", credentials=True).content == b"PUT"
    answer = shop.preflights[-1]
    assert answer.status_code == 204 and answer.content == b""
    assert answer.headers["access-control-allow-methods"] == "GET, PUT"
    assert answer.headers["access-control-allow-headers"] == "content-type, x-own"
    assert answer.headers["access-control-max-age"] == "600"
    assert answer.headers["vary"] == PREFLIGHT_VARY
    assert "access-control-expose-headers" not in answer.headers and "content-length" not in answer.headers
    for method, headers in (("DELETE", {}), ("PATCH", {}), ("PUT", {"x-other": "1"}), ("PUT", {"x-own": "1", "authorization": "x"})):
        with pytest.raises(Blocked):
            shop.fetch(method, "/items/1", headers)
    # Refused, or (PATCH) without a route.
    assert [answer.status_code for answer in shop.preflights[1:]] == [403, 405, 403, 403]
    for answer in shop.preflights[1:]:
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_an_upstreams_own_fields_are_replaced(gateway):
    reply = once(gateway.address, get("/items/1", f"Origin: {SHOP}"))
    fields = [(n.decode().lower(), v.decode()) for n, v in reply.message.fields]
    assert sorted(v for v in fields if v[0].startswith("access-control-")) == [
        ("access-control-allow-credentials", "true"), ("access-control-allow-origin", SHOP), ("access-control-expose-headers", "x-total")]
    assert [v for n, v in fields if n == "vary"] == ["Accept-Encoding", "Origin"]


def test_answers_that_differ_by_origin_say_so(gateway):
    for fields in ((), ("Origin: https://evil.example",), ("Origin: https://shop.example", "Origin: https://shop.example")):
        reply = once(gateway.address, get("/items/1", *fields))
        assert reply.status == 200
        assert "Origin" in reply.message.all("vary")
        assert not [n for n, _ in reply.message.fields if n.lower().startswith(b"access-control-")]


def test_every_origin(page):
    for origin in (SHOP, STRANGER, "null"):
        answer = page(origin).fetch("GET", "/open", {"x-anything": "1"})
        assert answer.headers["x-total"] == "7" and answer.headers["x-secret"] == "s"
        with pytest.raises(Blocked):
            page(origin).fetch("GET", "/open", {"authorization": "Bearer x"})
        with pytest.raises(Blocked):
            page(origin).fetch("GET", "/open", credentials=True)


def test_an_answer_for_every_origin_does_not_vary(gateway):
    for fields in ((), ("Origin: https://a.example",)):
        reply = once(gateway.address, get("/open", *fields))
        assert reply.message.all("access-control-allow-origin") == ["*"]
        assert reply.message.all("vary") == ["Accept-Encoding"]


def test_any_method_and_null(page):
    for origin in (SHOP, "null"):
        for method in ("GET", "DELETE", "PATCH", "PURGE"):
            assert page(origin).fetch(method, "/any/x", {"x-own": "1"}).content == method.encode()
    with pytest.raises(Blocked):
        page(STRANGER).fetch("DELETE", "/any/x")


def test_errors_of_the_gateways_own_can_be_read(page):
    shop = page(SHOP)
    answer = shop.fetch("POST", "/small", body=b"more than ten bytes")
    assert answer.status_code == 413 and answer.json()["code"] == "TOO_LARGE"
    answer = shop.fetch("GET", "/gone")
    assert answer.status_code in (502, 503) and answer.json()["status"] == answer.status_code
    assert shop.fetch("GET", "/fixed").text == "hi"
    with pytest.raises(Blocked):
        page(STRANGER).fetch("GET", "/gone")


def test_preflights_come_before_the_stages(page, gateway):
    shop = page(SHOP)
    for _ in range(5):  # none of them counts
        shop._preflight("GET", "/limited", [], False)
    seen = {shop.fetch("GET", "/limited").status_code for _ in range(3)}
    assert 429 in seen  # and the refusal can be read


def test_a_route_that_names_options_keeps_it(gateway):
    for path in ("/own", "/both"):
        reply = once(gateway.address, get(path, f"Origin: {SHOP}", "Access-Control-Request-Method: GET", method="OPTIONS"))
        assert reply.status == 200 and reply.body == b"OPTIONS"
        assert reply.message.all("access-control-allow-methods") == ["DELETE"]
    reply = once(gateway.address, get("/both", f"Origin: {SHOP}"))
    assert reply.message.all("access-control-allow-origin") == [SHOP]


@pytest.mark.parametrize("path, fields, status", [
    ("/plain", (f"Origin: {SHOP}", "Access-Control-Request-Method: GET"), 405),
    ("/none", (f"Origin: {SHOP}", "Access-Control-Request-Method: GET"), 404),
    ("/items/1", (f"Origin: {SHOP}",), 405),
    ("/items/1", ("Access-Control-Request-Method: GET",), 405),
    ("/items/1", (f"Origin: {SHOP}", "Access-Control-Request-Method:"), 405),
    ("/items/1", (f"Origin: {SHOP}", "Access-Control-Request-Method: get"), 405),
    ("/items/1", (f"Origin: {SHOP}", f"Origin: {SHOP}", "Access-Control-Request-Method: GET"), 403),
    ("/items/1", (f"Origin: {SHOP}", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-own", "Access-Control-Request-Headers: x-bad"), 403),
    ("/items/1", (f"Origin: {SHOP}", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-own,, \tX-OWN ,"), 204),
    ("/items/1", (f"Origin: {SHOP}", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-own x-own"), 403),
    ("/items/1", (f"Origin: {SHOP}", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: " + ",".join(["x-own"] * 1000)), 204),
    ("/open", (f"Origin: {SHOP}", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: a b"), 403),
    ("/hosted", (f"Origin: {SHOP}", "Access-Control-Request-Method: GET"), 404),
])
def test_what_is_a_preflight_and_what_is_not(gateway, path, fields, status):
    reply = once(gateway.address, get(path, *fields, method="OPTIONS"))
    assert reply.complete and reply.status == status


def test_preflights_are_for_the_host_that_is_asked(gateway):
    reply = once(gateway.address, get("/hosted", f"Origin: {SHOP}", "Access-Control-Request-Method: GET", method="OPTIONS", host="api.example"))
    assert reply.status == 204 and reply.message.all("access-control-allow-origin") == [SHOP]


def test_connections_live_on(gateway):
    with httpx.Client(base_url=f"http://{gateway.address}", trust_env=False) as client:
        for _ in range(3):
            head = {"Origin": SHOP, "Access-Control-Request-Method": "PUT"}
            assert client.options("/items/1", headers=head).status_code == 204
            assert client.options("/items/1", headers={**head, "Origin": STRANGER}).status_code == 403
            assert client.get("/items/1", headers={"Origin": SHOP}).status_code == 200


def test_routes_and_explain_tell(stage):
    gateway = stage.files(settings("127.0.0.1:1"), [ROUTES[0]])
    shown = gateway.run("routes").stdout
    assert "cors       from https://shop.example, https://*.partner.example:8443; GET, PUT; with content-type, x-own; shows x-total; credentials; kept 10m" in shown
    preflight = ["explain", "OPTIONS", "/items/1", "-H", "Access-Control-Request-Method: PUT"]
    allowed = gateway.run(*preflight, "-H", f"Origin: {SHOP}")
    assert allowed.returncode == 0 and "preflight  for PUT: allowed" in allowed.stdout and "items" in allowed.stdout
    refused = gateway.run(*preflight, "-H", f"Origin: {STRANGER}")
    assert "preflight  for PUT: refused, the origin is not allowed" in refused.stdout


# gRPC


@pytest.fixture
def called(stage):
    """A gRPC route in front of nothing: what can be seen of an error."""
    made = settings(sockets.closed_address(), clusters={"up": {"protocol": "http2"}})
    calls = {"name": "calls", "match": {"grpc": "t.Web/*"}, "target": {"cluster": "up"}, "cors": {"origins": SHOP, "expose": "x-more", "headers": "authorization"}}
    return stage.gateway(made, [calls])


@pytest.mark.parametrize("http2", [False, True])
def test_pages_see_how_a_call_ended(called, http2):
    fields = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1", "x-user-agent": "test", "grpc-timeout": "5S", "authorization": "Bearer x"}
    with contextlib.closing(Page(SHOP, called.address, http2)) as page:
        answer = page.fetch("POST", "/t.Web/Any", fields, b"\0\0\0\0\0")
        assert answer.headers["grpc-status"] == "14" and answer.headers["grpc-message"]
        allowed = page.preflights[-1].headers["access-control-allow-headers"].split(", ")
        assert {"authorization", "content-type", "grpc-timeout", "x-grpc-web", "x-user-agent", "connect-protocol-version"} <= set(allowed)
        with pytest.raises(Blocked):
            page.fetch("POST", "/t.Web/Any", {**fields, "x-else": "1"}, b"")
        with pytest.raises(Blocked):
            page.fetch("PUT", "/t.Web/Any", fields, b"")
    with contextlib.closing(Page(STRANGER, called.address, http2)) as page, pytest.raises(Blocked):
        page.fetch("POST", "/t.Web/Any", fields, b"")
