"""Commands by name, by path and by desk: what routes make of requests before the core decides, and of its
answers."""

import json
import subprocess

import grpc
import pytest

from harness.call_out import Caller
from harness.gateway import CARTS, ROOT, listener, settings
from harness.shop import card, pb, rpc
from harness.wire import get, once, post

JSON = "Content-Type: application/json"


def command(name: str, path: str, target: str, **over) -> dict:
    return {"name": name, "match": {"method": "POST", "path": path}, "target": {"command": target}, **over}


ROUTES = [
    *CARTS,
    command("any", "/api/commands/{commandType}", "{commandType}"),
    command("place", "/api/orders/place", "order.place"),
    command("pay", "/api/v1/orders/{orderId}/pay", "order.pay"),
    command("cancel", "/api/v1/orders/{orderId}/cancel", "order.cancel"),
    {"name": "facade", "match": {"grpc": "hipstershop.CheckoutService/PlaceOrder"}, "target": {"command": "order.place"}},
    {"name": "sagas", "match": {"listener": "admin", "path": "/sagas"}, "target": {"operation": "sagas"}},
    {"name": "saga", "match": {"listener": "admin", "path": "/sagas/{sagaId}/{action}"}, "target": {"operation": "sagas"}},
    {"name": "dlq", "match": {"listener": "admin", "path": "/dlq/{entry}"}, "target": {"operation": "dead_letters"}},
]

ADDRESS = {"streetAddress": "1 Harbour Street", "city": "Lisbon", "country": "Portugal", "zipCode": 1100}
CARD = {"creditCardNumber": "4111111111111111", "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}


@pytest.fixture(scope="module")
def desks(tmp_path_factory):
    """A gateway whose desks say what they were asked."""
    folder = tmp_path_factory.mktemp("desks")
    contracts = folder / "shop.binpb"
    subprocess.run([ROOT / "contracts/compile", contracts], check=True, stdin=subprocess.DEVNULL)
    config = settings(listeners=[listener(http2={})], contracts={"descriptors": str(contracts)}, workers=2)
    made = Caller(folder, config, ROUTES)
    yield made
    assert made.close() == 0, made.said()


def ask(gateway, path: str, body: dict | str | None = None, *fields: str):
    raw = b"" if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
    return once(gateway.address, post(path, raw, JSON, *fields))


def problem(reply) -> tuple[int, str, str]:
    document = json.loads(reply.body)
    return reply.status, document["code"], document.get("detail", "")


def wrong(reply) -> list[str]:
    assert reply.status == 400, reply.raw[:500]
    return [field["field"] for field in json.loads(reply.body)["fields"]]


# MARK: any command


def test_any_command_by_its_name(desks):
    reply = ask(desks, "/api/commands/cart.add", {"userId": "any", "item": {"productId": "p", "quantity": 2}})
    answer = json.loads(reply.body)
    assert reply.status == 202 and answer["aggregateId"] == "any" and answer["version"] == 1 and len(answer["eventIds"]) == 1
    assert reply.field("etag") == '"1"'
    assert ask(desks, "/api/commands/inventory.adjust", {"productId": "any-p", "delta": 3, "reason": "delivery"}).status == 202
    assert ask(desks, "/api/commands/cart%2Eadd", {"userId": "any", "item": {"productId": "p", "quantity": 2}}).field("etag") == '"2"'


@pytest.mark.parametrize("name", ["cart.ad", "Cart.add", "cart.add%00", "cart.get", "%7BcommandType%7D", "x" * 500])
def test_unknown_commands(desks, name):
    reply = ask(desks, f"/api/commands/{name}", {})
    if name.endswith("%00"):
        assert reply.status == 400
        return
    assert problem(reply) == (404, "NOT_FOUND", "there is no such command")
    assert json.loads(reply.body)["fields"] == [{"field": "/commandType", "error": "there is no such command"}]


def test_a_named_command_is_checked_like_any_other(desks):
    assert wrong(ask(desks, "/api/commands/cart.add", {"userId": "x"})) == ["/item"]
    assert wrong(ask(desks, "/api/commands/cart.add", "{")) == [""]
    stale = ask(desks, "/api/commands/cart.empty", {"userId": "nobody-yet"}, 'If-Match: "7"')
    assert problem(stale)[:2] == (412, "VERSION_CONFLICT")


# MARK: members from the path


def shown(reply) -> str:
    assert reply.status == 202, reply.raw[:500]
    return json.loads(reply.body)["order"]["shippingTrackingId"]


def test_the_path_gives_members(desks):
    assert shown(ask(desks, "/api/v1/orders/o%201/cancel", {"reason": "late"})).startswith("cancel o 1 late any none http ")
    assert shown(ask(desks, "/api/v1/orders/o-1/cancel")).startswith("cancel o-1  any none http ")
    assert shown(ask(desks, "/api/v1/orders/o-1/cancel", {"orderId": "o-1"})).startswith("cancel o-1  any ")
    assert shown(ask(desks, "/api/v1/orders/o-1/cancel", {}, 'If-Match: "3"')).startswith("cancel o-1  exact(3) ")
    assert shown(ask(desks, "/api/v1/orders/o-2/pay", {"creditCard": CARD})).startswith("pay o-2 2039 none http ")
    assert wrong(ask(desks, "/api/v1/orders/o-1/cancel", {"orderId": "o-2"})) == ["/orderId"]
    assert wrong(ask(desks, "/api/v1/orders/o-1/cancel", {"order_id": "o-2"})) == ["/orderId"]
    assert wrong(ask(desks, "/api/v1/orders/%FF/cancel", {})) == ["/orderId"]


# MARK: patience


def place(email: str = "ann@example.org", **over) -> dict:
    return {"userId": "ann", "userCurrency": "USD", "address": ADDRESS, "email": email, "creditCard": CARD, **over}


@pytest.mark.parametrize("prefer,patience,applied", [
    (None, "none", None), ("respond-async", "none", None), ("wait", "none", None), ("wait=x", "none", None), ("wait=-1", "none", None),
    ("wait=5", "preferred(milliseconds: 5000)", "wait=5"), ("wait=0", "preferred(milliseconds: 0)", "wait=0"),
    ('foo="a, wait=9"; b=c, WAIT = "7" ; x=y, wait=3', "preferred(milliseconds: 7000)", "wait=7"), ("wait=99999", "preferred(milliseconds: 60000)", "wait=60"),
])
def test_prefer_wait(desks, prefer, patience, applied):
    reply = ask(desks, "/api/orders/place", place(), "Correlation-Id: c-1", *([f"Prefer: {prefer}"] if prefer else []))
    assert shown(reply) == f"place ann {patience} http c-1"
    assert reply.field("preference-applied") == applied and reply.field("location") == "/api/v1/orders/o-1"
    refused = ask(desks, "/api/orders/place", place("refuse ILLEGAL_STATE no"), *([f"Prefer: {prefer}"] if prefer else []))
    assert refused.status == 409 and refused.field("preference-applied") == applied


def test_two_prefer_fields(desks):
    reply = ask(desks, "/api/orders/place", place(), "Prefer: respond-async", "Prefer: wait=4", "Prefer: wait=9")
    assert reply.field("preference-applied") == "wait=4"


def test_commands_of_the_log_do_not_wait(desks):
    reply = ask(desks, "/api/cart/add", {"userId": "pref", "item": {"productId": "p", "quantity": 1}}, "Prefer: wait=5")
    assert reply.status == 202 and reply.field("preference-applied") is None


def test_a_full_desk(desks):
    reply = ask(desks, "/api/orders/place", place("full"))
    assert problem(reply)[:2] == (503, "UPSTREAM_UNAVAILABLE") and reply.field("retry-after") == "1"


def test_without_a_desk(tmp_path):
    gateway = Caller(tmp_path, settings(), ROUTES[:-4] + ROUTES[-3:], "--without-desks")
    assert problem(ask(gateway, "/api/orders/place", place()))[:2] == (501, "UNSUPPORTED")
    assert problem(once(gateway.admin, get("/sagas")))[:2] == (501, "UNSUPPORTED")
    assert gateway.close() == 0


# MARK: texts of others

TEXTS = {
    "plain": "failed to charge card: could not charge the card: rpc error: code = Code(400) desc = Sorry",
    "json": 'quotes " and \\ and {"code":"OK"}', "lines": "a\r\nSet-Cookie: x\r\n\r\n", "controls": "nul \x01 tab \t",
    "unicode": "Straße 100% \u2028", "long": "ä" * 5000,
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_text_of_a_refusal(desks, name):
    text = TEXTS[name].strip()
    reply = ask(desks, "/api/orders/place", place("refuse INTERNAL " + TEXTS[name])) if len(text) < 900 else None
    if reply is not None:
        assert problem(reply) == (500, "INTERNAL", TEXTS[name])
        assert reply.field("set-cookie") is None
    with grpc.insecure_channel(desks.address) as channel:
        request = pb.PlaceOrderRequest(
            user_id="ann", user_currency="USD", email=("refuse INTERNAL " + TEXTS[name])[:1500], credit_card=card(),
            address=pb.Address(street_address="1 Harbour Street", city="Lisbon", country="Portugal", zip_code=1100))
        with pytest.raises(grpc.RpcError) as caught:
            rpc.CheckoutServiceStub(channel).PlaceOrder(request, timeout=5)
    if name != "long":
        assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.INTERNAL, TEXTS[name])


# MARK: the façade


def call(desks, email: str = "ann@example.org", **options):
    with grpc.insecure_channel(desks.address) as channel:
        request = pb.PlaceOrderRequest(
            user_id="ann", user_currency="USD", email=email, credit_card=card(),
            address=pb.Address(street_address="1 Harbour Street", city="Lisbon", country="Portugal", zip_code=1100))
        return rpc.CheckoutServiceStub(channel).PlaceOrder(request, **options).order


def test_callers_wait_for_the_end(desks):
    order = call(desks, metadata=[("correlation-id", "c-9")])
    assert (order.order_id, order.shipping_tracking_id) == ("o-1", "place ann required(milliseconds: 60000) grpc c-9")
    words = call(desks, timeout=10).shipping_tracking_id
    assert 8500 < int(words.partition("milliseconds: ")[2].partition(")")[0]) <= 9500


def test_a_late_end_is_told_in_time(desks):
    with pytest.raises(grpc.RpcError) as caught:
        call(desks, "late", timeout=1)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.DEADLINE_EXCEEDED, "order o-1 is not through yet")


def test_a_thousand_callers_wait(desks):
    """Each hears in its own time that there is no end yet, and others are served meanwhile."""
    channels = [grpc.insecure_channel(desks.address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(10)]
    request = pb.PlaceOrderRequest(
        user_id="ann", user_currency="USD", email="late", credit_card=card(), address=pb.Address(street_address="1", city="Lisbon", zip_code=1))
    try:
        calls = [rpc.CheckoutServiceStub(channel).PlaceOrder.future(request, timeout=8) for channel in channels for _ in range(100)]
        assert call(desks, timeout=8).order_id == "o-1"
        left = calls[::7]
        for each in left:
            each.cancel()
        ends = [each.exception() for each in calls if each not in left]
        assert {end.code() for end in ends} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        assert sum(end.details() == "order o-1 is not through yet" for end in ends) > len(ends) // 2
        assert call(desks, timeout=8).order_id == "o-1"
    finally:
        for channel in channels:
            channel.close()


def test_the_facade_in_json(desks):
    """The Connect protocol's unary form of the same method."""
    path = "/hipstershop.CheckoutService/PlaceOrder"
    assert "required(milliseconds: 60000) connect" in json.loads(ask(desks, path, place()).body)["order"]["shippingTrackingId"]
    refused = ask(desks, path, place('refuse INTERNAL say "no"'))
    assert (refused.status, json.loads(refused.body)["message"]) == (500, 'say "no"')


# MARK: the desk for people


def test_the_desk_for_people(desks):
    said = json.loads(once(desks.admin, get("/sagas?status=200&name=a+b%26c&&flag")).body)
    assert said == {"subject": "sagas", "verb": "get", "path": [], "query": [["status", "200"], ["name", "a b&c"], ["flag", ""]], "body": ""}
    said = json.loads(once(desks.admin, post("/sagas/s%2F1/retry", b'{"a":1}')).body)
    assert (said["verb"], said["path"], said["body"]) == ("post", [["sagaId", "s/1"], ["action", "retry"]], '{"a":1}')
    said = json.loads(once(desks.admin, get("/dlq/7")).body)
    assert (said["subject"], said["path"]) == ("deadLetters", [["entry", "7"]])
    refused = once(desks.admin, get("/sagas?status=409"))
    assert refused.status == 409 and refused.field("content-type") == "application/problem+json"


def test_what_the_desk_is_not_asked(desks):
    assert once(desks.admin, post("/sagas/s/retry", b"x" * 65_537)).status == 413
    assert once(desks.admin, post("/sagas/s/retry", b"x" * 65_536)).status == 200
    assert problem(once(desks.admin, get("/sagas/%FF/retry")))[:2] == (400, "VALIDATION_ERROR")
    assert problem(once(desks.admin, get("/sagas?" + "&".join("a=1" for _ in range(33)))))[:2] == (400, "VALIDATION_ERROR")
    assert once(desks.admin, get("/sagas?a=%FF")).status == 400
