"""Clients of the checkout that are rude, late or gone, and operators that are: what the wire makes of orders besides
the good ones."""

import json
import re
import signal
import time
import uuid

import pytest
from harness import sockets
from harness.shop import Shop, card, pb
from harness.wire import Wire, get, once, post

import grpc  # noqa: E402: after the harness, which settles how it forks

NUMBER = "4111111111111111"
JSON = "Content-Type: application/json"
ADDRESS = {"streetAddress": "1 Harbour Street", "city": "Lisbon", "country": "Portugal", "zipCode": 1100}
CARD = {"creditCardNumber": NUMBER, "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}
# Everything that is written down is, and every trace is recorded.
TALKATIVE = {"access_log": {"path": "access.log"}, "telemetry": {"sample": 1}}


@pytest.fixture(scope="module")
def shop(tmp_path_factory, shared_stage):
    with Shop(tmp_path_factory.mktemp("shop"), shared_stage, weight=100, checkout=100, **TALKATIVE) as made:
        yield made


@pytest.fixture
def user(shop) -> str:
    name = str(uuid.uuid4())
    shop.add(name, "OLJCESPC7Z")
    return name


@pytest.fixture
def slow(shop):
    """Shipping takes its time, and so does whoever waits for it."""
    shop.fails("ShippingService/ShipOrder=1500ms")
    yield
    shop.fails()


def body(user: str, **over) -> bytes:
    return json.dumps({"userId": user, "userCurrency": "EUR", "address": ADDRESS, "email": "ann@example.org", "creditCard": CARD, **over}).encode()


def request(user: str, **over):
    given = {"user_id": user, "user_currency": "USD", "email": "ann@example.org", "credit_card": card(),
             "address": pb.Address(street_address="1 Harbour Street", city="Lisbon", country="Portugal", zip_code=1100), **over}
    return pb.PlaceOrderRequest(**given)


def order(shop, identifier: str) -> dict:
    return json.loads(once(shop.gateway.address, get(f"/api/v1/orders/{identifier}")).body)


def confirmed(shop) -> int:
    return shop.services.said().count("confirmed")


def metrics(shop) -> str:
    return once(shop.gateway.admin, get("/metrics")).body.decode()


def metric(shop, name: str) -> float:
    """Of all series with this beginning."""
    lines = [line for line in metrics(shop).splitlines() if re.match(rf"{name}[ {{]", line)]
    assert lines, name
    return sum(float(line.rpartition(" ")[2]) for line in lines)


# Bodies


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/orders/place"])
def test_bodies_up_to_the_limit(shop, user, path):
    raw = body(user)
    assert once(shop.gateway.address, post(path, raw + b" " * (65_536 - len(raw)), JSON)).status == 202
    assert once(shop.gateway.address, post(path, raw + b" " * (65_537 - len(raw)), JSON)).status == 413


@pytest.mark.parametrize("raw", [
    b"", b"null", b"[]", b'"x"', b"[" * 30_000, b'{"a":' * 10_000, b'{"userId":NaN}', b'{"userId":"a","userId":"b"}',
    b'{"userId":"a","user_id":"b"}', b'{"userId":"\xff"}', b'{"userId":"\\ud800"}', b'{"address":{"zipCode":1e999}}',
    b'{"address":{"zipCode":99999999999999999999999999}}', b'{"creditCard":{"creditCardCvv":-1e-999999999}}', b"{}\x00", b"{} {}",
    b'{"creditCard":{"creditCardExpirationMonth":"' + b"9" * 40_000 + b'"}}',
    b"{" + b",".join(b'"m%d":1' % i for i in range(3000)) + b"}"])
def test_bodies_that_are_no_orders(shop, raw):
    for path in ("/api/v1/orders", "/api/orders/place", "/api/v1/orders/none/pay"):
        reply = once(shop.gateway.address, post(path, raw, JSON))
        assert reply.status == 400, (path, reply.raw[:300])
        document = json.loads(reply.body)
        assert document["code"] == "VALIDATION_ERROR" and 1 <= len(document["fields"]) <= 17 and len(reply.body) < 8192


def test_paths_that_name_no_order(shop):
    for name, status in (
        ("%FF", 400), ("%C3%28", 400), ("x" * 129, 400), ("x" * 128, 404), ("a%2Fb", 404), ("a%0Ab", 400), ("a%00", 400)):
        path = f"/api/v1/orders/{name}"
        for raw in (get(path), post(path + "/cancel", b"{}", JSON)):
            reply = once(shop.gateway.address, raw)
            assert reply.status == status, (raw[:60], reply.raw[:300])


# Versions and preconditions


def test_preconditions(shop, user):
    placed = json.loads(once(shop.gateway.address, post("/api/v1/orders", body(user), JSON, "Prefer: wait=10"), 15).body)
    identifier, version = placed["orderId"], placed["version"]
    path = f"/api/v1/orders/{identifier}"

    def cancel(*fields: str):
        return once(shop.gateway.address, post(path + "/cancel", b'{"reason":"late"}', JSON, *fields))

    for fields in (['If-Match: "x"'], [f'If-Match: W/"{version}"'], ["If-Match: 1"], ['If-Match: "1", "2"'], ['If-Match: "99999999999999999999"'],
                   [f'If-Match: "{version}"', 'If-Match: "1"'], ["If-Match:"]):
        assert cancel(*fields).status == 400, fields
    stale = cancel('If-Match: "1"')
    assert stale.status == 412 and json.loads(stale.body)["code"] == "VERSION_CONFLICT", stale.raw
    tags = {f'"{version}"': 304, f'W/"{version}"': 304, f'"x,y", "{version}"': 304, "*": 304, '"1"': 200, f'"{version}': 200, "": 200}
    for tag, status in tags.items():
        reply = once(shop.gateway.address, get(path, f"If-None-Match: {tag}"))
        assert (reply.status, reply.field("etag")) == (status, f'"{version}"'), tag
        assert (reply.body == b"") == (status == 304)
    assert cancel(f'If-Match: "{version}"').status == 202


def test_head_is_get_without_the_body(shop, user):
    identifier = json.loads(once(shop.gateway.address, post("/api/v1/orders", body(user), JSON, "Prefer: wait=10"), 15).body)["orderId"]
    path = f"/api/v1/orders/{identifier}"
    whole, head = once(shop.gateway.address, get(path)), once(shop.gateway.address, get(path, method="HEAD"))
    assert (head.status, head.field("etag"), head.field("content-length")) == (whole.status, whole.field("etag"), str(len(whole.body)))
    assert head.body == b"" and whole.status == 200
    assert once(shop.gateway.address, get("/api/v1/orders/none", method="HEAD")).status == 404
    assert once(shop.gateway.address, get("/api/v1/orders", method="HEAD")).status == 405


# Clients that wait


def test_who_leaves_has_ordered_all_the_same(shop, user, slow):
    before = confirmed(shop)
    with Wire(shop.gateway.address) as wire:
        wire.send(post("/api/v1/orders", body(user), JSON, "Prefer: wait=20"))
        time.sleep(0.7)
        wire.reset()
    sockets.wait_until(lambda: confirmed(shop) == before + 1 and shop.holds(user) == [], 10, "the order")


def test_a_cancelled_call_has_ordered_all_the_same(shop, user, slow):
    before = confirmed(shop)
    call = shop.checkout.PlaceOrder.future(request(user), timeout=30)
    time.sleep(0.7)
    call.cancel()
    sockets.wait_until(lambda: confirmed(shop) == before + 1 and shop.holds(user) == [], 10, "the order")


def test_orders_one_behind_the_other(shop):
    """Pipelined: answered in their order, however long each takes."""
    users = [str(uuid.uuid4()) for _ in range(5)]
    for i, user in enumerate(users):
        shop.add(user, "OLJCESPC7Z", i + 1)
    with Wire(shop.gateway.address, timeout=20) as wire:
        waits = ["Prefer: wait=10" if i % 2 == 0 else "X: y" for i in range(5)]
        wire.send(b"".join(post("/api/v1/orders", body(user), JSON, wait) for user, wait in zip(users, waits)))
        replies = [wire.read("POST") for _ in users]
    assert [reply.status for reply in replies] == [200, 202, 200, 202, 200]
    made = [order(shop, json.loads(reply.body)["orderId"]) for reply in replies]
    assert [each["items"][0]["quantity"] for each in made] == [1, 2, 3, 4, 5]


def test_many_wait_at_once(shop, slow):
    """Each gets its own order."""
    users = [str(uuid.uuid4()) for _ in range(60)]
    for i, user in enumerate(users):
        shop.add(user, "OLJCESPC7Z", i + 1)
    calls = [shop.checkout.PlaceOrder.future(request(user), timeout=60) for user in users]
    made = [call.result().order.order_id for call in calls]
    assert len(set(made)) == 60
    assert [order(shop, each)["items"][0]["quantity"] for each in made] == list(range(1, 61))


def test_a_reload_is_not_noticed_by_who_waits(shop, user, slow):
    call = shop.checkout.PlaceOrder.future(request(user), timeout=30)
    time.sleep(0.5)
    shop.gateway.reload()
    assert call.result().order.order_id
    assert any("reloaded" in line for line in shop.gateway.stderr)


def test_what_a_reload_does_not_change_is_said(shop):
    config = json.loads(shop.gateway.config_path.read_text())
    shop.gateway.reload({**config, "checkout": {**config["checkout"], "cards": 7}, "bus": {"held": 7}})
    said = [json.loads(line) for line in shop.gateway.stderr if "needs a restart" in line]
    assert {"checkout", "bus"} <= {line.get("section") for line in said}, said
    shop.gateway.reload(config)


def test_a_drain_waits_for_who_waits(tmp_path, stage):
    with Shop(tmp_path, stage, weight=100, checkout=100, drain="10s") as shop:
        shop.add("ann", "OLJCESPC7Z")
        shop.fails("ShippingService/ShipOrder=1500ms")
        with Wire(shop.gateway.address, timeout=15) as wire:
            wire.send(post("/api/v1/orders", body("ann"), JSON, "Prefer: wait=20"))
            time.sleep(0.7)
            shop.gateway.signal(signal.SIGTERM)
            reply = wire.read("POST")
        assert reply.status == 200 and json.loads(reply.body)["status"] == "COMPLETED", reply.raw
        assert shop.gateway.wait(12) == 0


def test_a_drain_that_is_over_first(tmp_path, stage):
    """The caller hears that it has no answer, the order goes on in the next process."""
    with Shop(tmp_path, stage, weight=100, checkout=100, drain="1s") as shop:
        shop.add("ann", "OLJCESPC7Z")
        shop.fails("ShippingService/ShipOrder=UNAVAILABLE:no vans")
        call = shop.checkout.PlaceOrder.future(request("ann"), timeout=30)
        time.sleep(1)
        shop.gateway.signal(signal.SIGTERM)
        with pytest.raises(grpc.RpcError) as caught:
            call.result()
        assert caught.value.code().name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"), caught.value
        assert shop.gateway.wait(6) == 0
        shop.fails()
        shop.gateway.start()
        sockets.wait_until(lambda: confirmed(shop) == 1, 20, "the order")
        assert shop.gateway.stop() == 0


# Operators


def operate(shop, *words: str):
    return shop.gateway.run(*words, "--admin", shop.gateway.admin)


@pytest.mark.parametrize("words", [
    ("saga", "show", "nobody"), ("saga", "show", ".."), ("saga", "show", "a/b"), ("saga", "show", "x" * 5000), ("saga", "show", "a\nb"),
    ("saga", "retry", "nobody"), ("saga", "skip", "checkout-none", "--step", "x", "--note", 'a"b'), ("saga", "compensate", "\x7f"),
    ("saga", "list", "--limit", "0"), ("saga", "list", "--limit", "100000"), ("saga", "list", "--status", "LOST&limit=1"),
    ("dlq", "list", "nobody"), ("dlq", "list", "../sagas"), ("dlq", "show", "deferred-steps.1"), ("dlq", "show", "deferred-steps.99999999999999999999"),
    ("dlq", "show", "nobody.1"), ("dlq", "show", "."), ("dlq", "retry", "deferred-steps.-1"), ("dlq", "skip", "deferred-steps.1"),
    ("dlq", "list", "deferred-steps", "--limit", "0"), ("dlq", "list", "deferred-steps", "--token", "%00garbage")])
def test_what_there_is_not(shop, words):
    ended = operate(shop, *words)
    assert ended.returncode == 64 and "Error: the daemon on" in ended.stderr and ended.stdout == "", ended
    assert len(ended.stderr) < 4000 and "\x7f" not in ended.stderr


def test_nobody_is_there(shop):
    port = sockets.free_port()
    for words in (("saga", "list"), ("saga", "retry", "checkout-x"), ("dlq", "list"), ("dlq", "skip", "deferred-steps.1")):
        ended = shop.gateway.run(*words, "--admin", f"127.0.0.1:{port}")
        assert ended.returncode != 0 and "no daemon answers" in ended.stderr and ended.stdout == "", ended
    assert shop.gateway.run("dlq", "list", "--admin", shop.gateway.address).returncode != 0, "the public listener has no desk"


def test_the_desk_is_not_public(shop):
    for path in ("/sagas", "/sagas/x", "/dlq", "/dlq/deferred-steps.1", "/metrics", "/upstreams"):
        assert once(shop.gateway.address, get(path)).status == 404
    assert once(shop.gateway.address, post("/sagas/x/retry", b"{}", JSON)).status == 404
    assert once(shop.gateway.address, post("/api/v1/orders/x/ship", b"{}", JSON)).status in (404, 405)


@pytest.mark.parametrize("target,status", [
    ("/sagas?limit=-1", 400), ("/sagas?limit=x", 400), ("/sagas?status=%00", 400),
    ("/sagas/%2e%2e%2fmetrics", 404), ("/sagas/../metrics", 200), ("/dlq?queue=%2e%2e%2f%2e%2e", 404), ("/dlq?queue=&state=all", 404),
    ("/dlq?queue=deferred-steps&state=%27", 400), ("/dlq/" + "9" * 3000, 404), ("/sagas?" + "a" * 20_000, 414)])
def test_odd_questions_at_the_desk(shop, target, status):
    assert once(shop.gateway.admin, get(target)).status == status


def test_the_desk_knows_its_methods(shop):
    for verb, target in (("DELETE", "/sagas"), ("PUT", "/sagas/x"), ("GET", "/sagas/x/retry"), ("DELETE", "/dlq/x"), ("POST", "/dlq")):
        reply = once(shop.gateway.admin, post(target, b"", method=verb))
        assert reply.status == 405 and reply.field("allow"), (verb, target)
    for action in ("answered", "destroy", "%2e%2e"):
        assert once(shop.gateway.admin, post(f"/sagas/checkout-x/{action}", b"{}", JSON)).status == 404
    for raw in (b"[", b"[]", b'{"step":7}', b'{"what":1}', b'{"note":"' + b"n" * 60_000 + b'"}'):
        reply = once(shop.gateway.admin, post("/sagas/checkout-x/retry", raw, JSON))
        assert 400 <= reply.status < 500, raw[:40]


def test_sagas_page_by_page(shop):
    """The last page says no token; together they are all, each once."""
    shop.fails("PaymentService/Charge=UNAVAILABLE:closed")
    try:
        for _ in range(5):
            assert once(shop.gateway.address, post("/api/v1/orders", body(""), JSON)).status == 202
        whole = [each["sagaId"] for each in json.loads(operate(shop, "saga", "list", "--json").stdout)["sagas"]]
        found, words = [], ()
        while True:
            page = operate(shop, "saga", "list", "--limit", "2", *words).stdout.splitlines()
            found += [line.split()[0] for line in page if re.match("c[a-z]+-", line)]
            if not page[-1].startswith("more: "):
                break
            words = tuple(page[-1].split()[1:])
        assert len(found) >= 5 and found == whole
    finally:
        shop.fails()


# Figures


def test_figures_of_orders(shop, user):
    assert once(shop.gateway.address, post("/api/v1/orders", body(user), JSON, "Prefer: wait=10"), 15).status == 200
    failed = metric(shop, "nexus_orders_failed_total")
    shop.add(user, "OLJCESPC7Z")
    refused = body(user, creditCard={**CARD, "creditCardNumber": "4111111111111112"}, address={**ADDRESS, "country": "4999999999999999"})
    assert json.loads(once(shop.gateway.address, post("/api/v1/orders", refused, JSON, "Prefer: wait=10"), 15).body)["status"] == "FAILED"
    text = metrics(shop)
    assert 'nexus_orders_created_total{currency="EUR",country="Portugal",arm="event-sourced"}' in text
    assert 'nexus_orders_created_total{currency="EUR",country="other",arm="event-sourced"} 1' in text
    assert metric(shop, "nexus_orders_failed_total") == failed + 1
    created = metric(shop, "nexus_orders_created_total")
    assert metric(shop, "nexus_order_value_count") == created == metric(shop, "nexus_order_creation_seconds_count")
    assert metric(shop, "nexus_order_value_sum") > 0
    assert 'nexus_saga_step_seconds_bucket{saga="checkout",step="process-payment",outcome="done",le="+Inf"}' in text
    assert re.search(r'nexus_saga_compensated_total\{saga="checkout"\} [1-9]', text)
    assert 'nexus_dlq_depth{queue="deferred-steps"} ' in text
    for name in ("nexus_orders_active", "nexus_inventory_reservation_failures_total", "nexus_snapshots_written_total", "nexus_consumer_lag_events"):
        metric(shop, name)


def test_customers_make_no_endless_series(shop, user):
    """Of what they write into their orders only some becomes a label."""
    for i in range(3):
        shop.add(user, "OLJCESPC7Z")
        once(shop.gateway.address, post("/api/v1/orders", body(user, userCurrency=f"X{i}", address={**ADDRESS, "country": f"c\n{i}\""}), JSON))
    assert 'nexus_orders_created_total{currency="other",country="other",arm="event-sourced"} 3' in metrics(shop)


# Cards


def ways_to_say_it(shop) -> list[bytes]:
    """Answers to requests that have the card where it should not be."""
    public = shop.gateway.address
    hostile = [
        body("x", **{NUMBER: 1}), body("x", creditCard={**CARD, NUMBER: {}}), body("x", creditCard={**CARD, "creditCardCvv": NUMBER}),
        body("x", creditCard=[NUMBER]), body("x", creditCard=NUMBER), body("x", address={NUMBER: NUMBER}), body("x", creditCard=CARD)[:-9],
        body("x", creditCard={"creditCardNumber": int(NUMBER)}), body("x").replace(b'"creditCardNumber"', b'"creditCardNumber":1,"creditCardNumber"'),
        body("x", creditCard={**CARD, "creditCardExpirationYear": NUMBER}), body("x", creditCard={f"credit {NUMBER[:4]} {NUMBER[4:]}": 1})]
    paths = ["/api/v1/orders", "/api/orders/place", "/hipstershop.CheckoutService/PlaceOrder"]
    said = [once(public, post(path, raw, JSON)).raw for raw in hostile for path in paths]
    said += [once(public, post("/api/v1/orders/none/pay", json.dumps({"creditCard": CARD, NUMBER: 1}).encode(), JSON)).raw]
    message = request("x", credit_card=card(NUMBER)).SerializeToString()
    for raw in (message[:-3], message + b"\x07", message.replace(b"example", b"ex\xff\xffple")):
        frame = b"\0" + len(raw).to_bytes(4, "big") + raw
        said.append(once(public, post("/hipstershop.CheckoutService/PlaceOrder", frame, "Content-Type: application/grpc-web+proto"), 10).raw)
    return said


@pytest.mark.parametrize("checkout", [100, 0])
def test_no_answer_repeats_a_card(tmp_path, stage, checkout):
    """On either side of the flag: the event core's own checks, and those of the call that the JSON becomes."""
    with Shop(tmp_path, stage, weight=checkout, checkout=checkout, **TALKATIVE) as shop:
        for reply in ways_to_say_it(shop):
            assert NUMBER.encode() not in reply and f"{NUMBER[:4]} {NUMBER[4:]}".encode() not in reply, reply
        shop.add("ann", "OLJCESPC7Z")
        shop.order("ann")
        assert NUMBER not in metrics(shop)
        assert shop.gateway.stop() == 0
        for path in shop.gateway.folder.rglob("*"):
            assert not path.is_file() or NUMBER.encode() not in path.read_bytes(), path
        assert NUMBER not in "".join(shop.gateway.stderr)


def test_a_service_that_repeats_the_card(shop, user):
    """What services say is kept, in events and in dead letters, and shown; not the card in it."""
    shop.fails(f"EmailService/SendOrderConfirmation=INVALID_ARGUMENT:no mail for {NUMBER}", f"ShippingService/ShipOrder=INTERNAL:{NUMBER} 672")
    try:
        reply = once(shop.gateway.address, post("/api/v1/orders", body(user), JSON, "Prefer: wait=5"), 15)
        with pytest.raises(grpc.RpcError) as caught:
            shop.add(user, "OLJCESPC7Z")
            shop.checkout.PlaceOrder(request(user), timeout=15)
        assert NUMBER not in reply.raw.decode() + str(caught.value.details())
        shop.fails(f"EmailService/SendOrderConfirmation=INVALID_ARGUMENT:no mail for {NUMBER}")
        assert once(shop.gateway.address, post("/api/v1/orders", body(user), JSON, "Prefer: wait=5"), 15).status == 200

        def entries() -> list[dict]:
            return json.loads(operate(shop, "dlq", "list", "deferred-steps", "--json").stdout)["entries"]

        sockets.wait_until(lambda: entries() != [], 10, "the dead letter")
        shown = [operate(shop, *words, *form) for words in (("dlq", "list", "deferred-steps"), ("dlq", "show", entries()[0]["entry"]), ("saga", "list"))
                 for form in ((), ("--json",))]
        for ended in shown:
            assert ended.returncode == 0 and NUMBER not in ended.stdout + ended.stderr, ended
            assert "no mail for" in ended.stdout or "saga" in ended.args
    finally:
        shop.fails()


def test_and_nothing_has_been_written_down(shop):
    """After all that."""
    files = [path for path in shop.gateway.folder.rglob("*") if path.is_file()]
    assert any(path.name == "access.log" and path.stat().st_size > 10_000 for path in files)
    for path in files:
        assert NUMBER.encode() not in path.read_bytes(), path
    assert NUMBER not in "".join(shop.gateway.stderr) and NUMBER not in metrics(shop)
