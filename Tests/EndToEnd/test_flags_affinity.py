"""Carts that stay on the side of their flag on which they were begun (SPEC R-5): while the weight rises and falls, in every
protocol, on all workers, over restarts; and orders of them."""

import concurrent.futures
import json
import time

from harness.shop import Shop, pb, rpc

import grpc  # noqa: E402: after the harness, which settles how it forks
import httpx
import pytest
from harness import sockets
from harness.grpc_web import BINARY, Reader, request_body

FLAG = "use-event-sourced-cart"
PRODUCT = "OLJCESPC7Z"


@pytest.fixture(scope="module")
def shop(tmp_path_factory, shared_stage):
    with Shop(tmp_path_factory.mktemp("shop"), shared_stage, checkout=100, workers=2, access_log={"path": "access.log"}) as made:
        yield made


# One for all, because making one takes longer than what it asks for; a connection for each request, so that both workers are asked.
HTTP = httpx.Client(timeout=20, limits=httpx.Limits(max_keepalive_connections=0))


def weigh(shop, weight: float, flag: str = FLAG) -> None:
    """In force when this returns."""
    answer = HTTP.post(f"http://{shop.gateway.admin}/flags/{flag}/set", json={"weight": weight})
    assert answer.status_code == 200, answer.text


@pytest.fixture
def at_0(shop):
    weigh(shop, 0)
    return shop


def add(shop, user: str) -> str:
    """Where an addition by REST went: the core says a version, the legacy service nothing."""
    body = {"userId": user, "item": {"productId": PRODUCT, "quantity": 1}}
    answer = HTTP.post(f"{shop.gateway.url}/api/cart/add", json=body)
    assert answer.status_code in (200, 202), answer.text
    return "core" if "version" in answer.json() else "legacy"


def shown(shop, user: str) -> tuple[str, int]:
    """Where REST finds the cart, and how much is in it."""
    answer = HTTP.get(f"{shop.gateway.url}/api/cart/{user}").json()
    return "core" if "version" in answer else "legacy", sum(item["quantity"] for item in answer.get("items", []))


def empty(shop, user: str) -> None:
    shop.cart.EmptyCart(pb.EmptyCartRequest(user_id=user), timeout=5)


def restart(shop, stop) -> None:
    stop()
    shop.gateway.start()
    sockets.wait_until(lambda: sockets.connect(shop.gateway.address, 1).close() is None, 5, "the gateway")


def events(shop) -> int:
    page = HTTP.get(f"http://{shop.gateway.admin}/metrics").text
    return int(float(next(line.split()[1] for line in page.splitlines() if line.startswith("nexus_events_appended_total"))))


def test_a_cart_stays_where_it_was_begun_while_the_weight_passes_it(at_0):
    shop = at_0
    assert add(shop, "old") == "legacy"
    weigh(shop, 100)
    assert add(shop, "new") == "core"
    assert add(shop, "old") == "legacy" and shown(shop, "old") == ("legacy", 2)
    # The roll-back moves nobody either.
    weigh(shop, 0)
    assert add(shop, "new") == "core" and shown(shop, "new") == ("core", 2) and shown(shop, "old") == ("legacy", 2)
    # Emptied, it is over: the next goes by the weight.
    empty(shop, "new")
    assert add(shop, "new") == "legacy" and shown(shop, "new") == ("legacy", 1)
    weigh(shop, 100)
    empty(shop, "old")
    assert add(shop, "old") == "core" and shown(shop, "old") == ("core", 1)


def test_every_protocol_finds_it_there(at_0):
    shop = at_0
    for user in ("Zoe", "日本", "x" * 128, "#hash", "a b"):
        weigh(shop, 0)
        shop.add(user, PRODUCT, 2)
        weigh(shop, 100)
        assert shop.holds(user) == [(PRODUCT, 2)], user
        connect = HTTP.post(f"{shop.gateway.url}/hipstershop.CartService/GetCart", json={"userId": user}).json()
        assert connect["items"] == [{"productId": PRODUCT, "quantity": 2}]
        body = request_body([pb.GetCartRequest(user_id=user).SerializeToString()], False)
        web = HTTP.post(f"{shop.gateway.url}/hipstershop.CartService/GetCart", content=body, headers={"content-type": BINARY})
        reader = Reader(False)
        reader.feed(web.content)
        assert pb.Cart.FromString(reader.messages[0]).items[0].quantity == 2
        path = "".join(f"%{byte:02X}" for byte in user.encode())
        rest = HTTP.get(f"{shop.gateway.url}/api/cart/{path}").json()
        assert rest["items"][0]["quantity"] == 2 and "version" not in rest, rest
        # And to it they add, all of them; emptied by one it is over for all.
        assert add(shop, user) == add(shop, user) == "legacy"
        assert shop.holds(user) == [(PRODUCT, 4)]
        assert HTTP.post(f"{shop.gateway.url}/api/cart/empty", json={"userId": user}).status_code == 200
        assert add(shop, user) == "core" and shop.holds(user) == [(PRODUCT, 1)]


def test_who_only_looks_begins_nothing(at_0):
    shop = at_0
    assert shown(shop, "looks") == ("legacy", 0)
    weigh(shop, 100)
    assert shown(shop, "looks") == ("core", 0)
    # That there was none was known, and is known no longer.
    assert add(shop, "looks") == "core"
    weigh(shop, 0)
    assert shown(shop, "looks") == ("core", 1)
    empty(shop, "looks")
    empty(shop, "looks")
    assert shown(shop, "looks") == ("legacy", 0)


@pytest.mark.parametrize("stop", ["kill", "stop"])
def test_a_restart_forgets_nothing(at_0, stop):
    shop = at_0
    assert add(shop, f"stays-{stop}") == "legacy"
    weigh(shop, 100)
    assert add(shop, f"moved-{stop}") == "core"
    add(shop, f"over-{stop}")
    empty(shop, f"over-{stop}")
    weigh(shop, 0)
    restart(shop, getattr(shop.gateway, stop))
    weigh(shop, 100)
    assert shown(shop, f"stays-{stop}") == ("legacy", 1) and add(shop, f"stays-{stop}") == "legacy"
    weigh(shop, 0)
    assert add(shop, f"moved-{stop}") == "core" and shown(shop, f"over-{stop}") == ("legacy", 0)


def test_many_at_once_are_on_one_side(at_0):
    """50 first additions of one user, on both workers and in both protocols, while the weight goes up and down."""
    shop = at_0
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(shop.gateway.address, options=options) for _ in range(6)]
    stubs = [rpc.CartServiceStub(channel) for channel in channels]
    clients = [httpx.Client(base_url=shop.gateway.url, timeout=10) for _ in range(6)]

    def one(user: str, number: int) -> None:
        if number % 2:
            stubs[number % 6].AddItem(pb.AddItemRequest(user_id=user, item=pb.CartItem(product_id=PRODUCT, quantity=1)), timeout=10)
        else:
            body = {"userId": user, "item": {"productId": PRODUCT, "quantity": 1}}
            assert clients[number % 6].post("/api/cart/add", json=body).status_code in (200, 202)

    with concurrent.futures.ThreadPoolExecutor(52) as pool:
        for number in range(6):
            user = f"crowd-{number}"
            waiting = [pool.submit(one, user, i) for i in range(50)]
            for weight in (100, 0, 50, 100 * (number % 2)):
                weigh(shop, weight)
            for each in waiting:
                each.result()
            assert shop.holds(user) == [(PRODUCT, 50)], user
    for each in (*channels, *clients):
        each.close()


def test_a_cart_costs_one_event_when_it_begins_and_one_when_it_ends(at_0):
    shop = at_0
    before = events(shop)
    for _ in range(20):
        assert add(shop, "counted") == "legacy"
        shown(shop, "counted")
    assert events(shop) == before + 1
    empty(shop, "counted")
    sockets.wait_until(lambda: events(shop) == before + 2, 3, "its end")
    for _ in range(5):
        shown(shop, "counted")
        empty(shop, "counted")
    assert events(shop) == before + 2


def test_what_fails_ends_nothing(at_0):
    shop = at_0
    assert add(shop, "fails") == "legacy"
    shop.fails("CartService/EmptyCart=UNAVAILABLE:away")
    try:
        with pytest.raises(grpc.RpcError):
            empty(shop, "fails")
    finally:
        shop.fails()
    weigh(shop, 100)
    assert add(shop, "fails") == "legacy" and shown(shop, "fails") == ("legacy", 2)


def test_the_log_and_the_metrics_say_the_side(at_0):
    shop = at_0
    log = shop.gateway.folder / "access.log"
    assert add(shop, "logged") == "legacy"
    weigh(shop, 100)
    assert shown(shop, "logged") == ("legacy", 1)
    sockets.wait_until(lambda: b"/api/cart/logged" in log.read_bytes(), 3, "the line")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["flag"], line["arm"]) for line in lines if line.get("path") == "/api/cart/logged"] == [(FLAG, "control")]
    explained = shop.gateway.run("explain", "POST", "/api/cart/add")
    assert "what it begins stays on its side" in explained.stdout, explained


def order(shop, user: str) -> httpx.Response:
    body = {"userId": user, "userCurrency": "EUR", "email": "ann@example.org",
            "address": {"streetAddress": "1 Harbour Street", "city": "Lisbon", "country": "Portugal", "zipCode": 1100},
            "creditCard": {"creditCardNumber": "4111111111111111", "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}}
    return HTTP.post(f"{shop.gateway.url}/api/orders/place", json=body, headers={"prefer": "wait=10"})


@pytest.mark.parametrize("cart", ["legacy", "core"])
@pytest.mark.parametrize("checkout", ["legacy", "core"])
def test_an_order_reads_the_cart_where_it_is_and_ends_it(shop, cart, checkout):
    """Whatever the two weights are by then."""
    user = f"orders-{cart}-{checkout}"
    weigh(shop, 100 if cart == "core" else 0)
    assert add(shop, user) == cart and add(shop, user) == cart
    weigh(shop, 0 if cart == "core" else 100)
    weigh(shop, 100 if checkout == "core" else 0, "use-event-sourced-checkout")
    placed = order(shop, user)
    assert placed.status_code == 200, placed.text
    if checkout == "core":
        assert placed.json()["state"] == "Confirmed", placed.text
        assert [line["quantity"] for line in placed.json()["items"]] == [2], placed.text
    else:
        assert [line["item"]["quantity"] for line in placed.json()["order"]["items"]] == [2], placed.text
    # The cart is over, and its user goes by the weight.
    other = "legacy" if cart == "core" else "core"
    sockets.wait_until(lambda: shown(shop, user) == (other, 0), 5, "the cart to be over")
    assert add(shop, user) == other and shown(shop, user) == (other, 1)


def test_off_and_forgotten(tmp_path_factory, stage):
    """Without affinity the weight decides each time; with a short age what nobody adds to is forgotten, and what is added to is not."""
    with Shop(tmp_path_factory.mktemp("shop"), stage) as shop:
        def flags(affinity: str) -> None:
            each = [{"name": name, "weight": 0, "affinity": affinity} for name in (FLAG, "use-event-sourced-checkout")]
            shop.flags.write_text(json.dumps({"flags": each}))
            shop.gateway.reload()

        flags("off")
        assert add(shop, "ann") == "legacy"
        weigh(shop, 100)
        assert add(shop, "ann") == "core"
        weigh(shop, 0)
        flags("4s")
        assert add(shop, "left") == "legacy" and add(shop, "used") == "legacy"
        weigh(shop, 100)
        until = time.monotonic() + 4.2
        while time.monotonic() < until:
            assert add(shop, "used") == "legacy"
            time.sleep(0.4)
        assert shown(shop, "left")[0] == "core" and add(shop, "left") == "core"
        assert shown(shop, "used")[0] == "legacy"


def test_a_flag_that_is_not_there(stage, shop):
    config = json.loads(shop.gateway.config_path.read_text())
    config["checkout"]["cart_flag"] = "use-event-sourced-card"
    done = stage.files(config, []).run("check")
    assert done.returncode == 78 and "unknown flag 'use-event-sourced-card'" in done.stderr and "did you mean" in done.stderr, done


def test_a_log_that_cannot_be_written(tmp_path_factory, stage):
    """What is known goes on; nobody else is sent to a side that would not be remembered."""
    with Shop(tmp_path_factory.mktemp("shop"), stage, store={"max_bytes": "1MiB"}) as shop:
        assert add(shop, "known") == "legacy"
        weigh(shop, 100)
        with pytest.raises(grpc.RpcError) as raised:
            for number in range(20_000):
                shop.add(f"user {number % 50}" + "x" * 90, "P" * 100 + str(number % 400))
        assert raised.value.code() == grpc.StatusCode.FAILED_PRECONDITION, raised.value
        assert add(shop, "known") == "legacy" and shown(shop, "known") == ("legacy", 2)
        for _ in range(2):
            body = {"userId": "unknown", "item": {"productId": PRODUCT, "quantity": 1}}
            assert HTTP.post(f"{shop.gateway.url}/api/cart/add", json=body).status_code == 503
            with pytest.raises(grpc.RpcError) as raised:
                shop.add("unknown", PRODUCT)
            assert raised.value.code() == grpc.StatusCode.FAILED_PRECONDITION, raised.value
        # Reading needs no room.
        assert shown(shop, "unknown") == ("core", 0)
