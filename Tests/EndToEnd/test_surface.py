"""The REST surface as it is shipped (routes/*.yaml, config/policies, config/development.yaml): who may do what, with tokens of
`nexus-gateway token`. The services of examples/shop stand behind the checkout."""

import json
import pathlib
import re
import sqlite3
import subprocess
import uuid

from harness.grpc_stubs import compiled
from harness.shop import Shop, pb

import grpc  # noqa: E402: after the harness, which settles how it forks
import httpx
import pytest
from harness import sockets
from harness.gateway import ROOT, binary, open_routes, settings

gateway_pb, gateway_rpc = compiled(ROOT / "contracts", "gateway")
stock_pb, stock_rpc = compiled(ROOT / "contracts", "inventory")

ADDRESS = {"streetAddress": "1 Harbour Street", "city": "Lisbon", "country": "Portugal", "zipCode": 1100}
CARD = {"creditCardNumber": "4111111111111111", "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}
PRICE = {"currencyCode": "USD", "amount": "8.99"}
UNAUTHENTICATED, FORBIDDEN, NO_KEY = (401, "UNAUTHENTICATED"), (403, "FORBIDDEN"), (400, "IDEMPOTENCY_KEY_REQUIRED")

USERS = """
    SELECT kinds.text, events.user_id FROM events JOIN streams USING (stream) JOIN names AS kinds ON kinds.name = events.type
    WHERE streams.id = ? ORDER BY events.version
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory, shared_stage):
    folder = tmp_path_factory.mktemp("surface")
    # The issuer of config/development.yaml; the first token makes its keys.
    (folder / "certs").mkdir()
    subprocess.run([binary(), "token", "--sub", "first"], cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    issuer = {
        "name": "development", "issuer": "https://issuer.nexus.local/dev", "audiences": ["nexus-gateway"], "algorithms": ["ES256"],
        "keys": {"file": str(folder / "certs/dev-issuer.jwks")}, "service": {"claim": "roles", "values": ["SERVICE"]},
    }
    over = {
        "routes": [str(ROOT / name) for name in ("routes", "routes/shop/gateway.yaml", "routes/shop/inventory.yaml")], "identity": {"issuers": [issuer]}, "access": {"policies": [str(ROOT / "config/policies")]},
        "access_log": {"path": "access.log"}, "tables": {"skus": str(ROOT / "config/skus.yaml")},
    }
    with Shop(folder, shared_stage, checkout=100, **over) as made:
        made.keys = folder
        yield made


class Person:
    """Somebody with a token, and a name of his own."""

    def __init__(self, shop, *roles: str, name: str | None = None):
        self.name = name or f"{uuid.uuid4()}"
        words = [binary(), "token", "--sub", self.name, *(word for role in roles for word in ("--role", role))]
        token = subprocess.run(words, cwd=shop.keys, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.strip()
        self._url = {"public": shop.gateway.url, "admin": f"http://{shop.gateway.admin}"}
        self.fields = {"authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, body: object = None, key: str | None = "new", listener: str = "public", **fields: str) -> httpx.Response:
        """With an idempotency key, unless `key` is None."""
        own = dict(self.fields)
        if method == "POST" and key:
            own["idempotency-key"] = f"{uuid.uuid4()}" if key == "new" else key
        return httpx.request(method, f"{self._url[listener]}{path}", json=body, headers={**own, **fields}, timeout=20)

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path)

    def post(self, path: str, body: object = None, **more) -> httpx.Response:
        return self.ask("POST", path, {} if body is None else body, **more)

    def fill(self) -> None:
        reply = self.post("/api/cart/add", {"userId": self.name, "item": {"productId": "OLJCESPC7Z", "quantity": 1}})
        assert reply.status_code == 202, reply.text

    def order(self, **over) -> dict:
        return {"userId": self.name, "userCurrency": "EUR", "address": ADDRESS, "email": "a@example.org", "creditCard": CARD, **over}

    def place(self, path: str = "/api/v1/orders", **more) -> httpx.Response:
        return self.post(path, self.order(), **more)


class Nobody(Person):
    """The same without a token."""

    def __init__(self, shop, name: str):
        super().__init__(shop, name=name)
        self.fields = {}


@pytest.fixture(scope="module")
def ann(shop) -> Person:
    return Person(shop)


@pytest.fixture(scope="module")
def others(shop, ann) -> dict[str, Person]:
    return {"nobody": Nobody(shop, ann.name), "bob": Person(shop), "staff": Person(shop, "STAFF"), "admin": Person(shop, "ADMIN"), "service": Person(shop, "SERVICE")}


@pytest.fixture(scope="module")
def order(shop, ann) -> str:
    """Of ann; confirmed."""
    ann.fill()
    placed = ann.place(Prefer="wait=15")
    assert placed.status_code == 200 and placed.json()["state"] == "Confirmed", placed.text
    return placed.json()["orderId"]


def code(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json().get("code", "")


def test_the_shipped_issuer_is_the_one_of_the_command(shop, tmp_path):
    """What the fixture says of the issuer is what the files say, and with it nothing is to be warned of."""
    for file in ("development", "shop"):
        section = re.search(r"^identity:\n(?:(?:  .*)?\n)+", (ROOT / f"config/{file}.yaml").read_text(), re.M)[0]
        for part in ("issuer: https://issuer.nexus.local/dev", "audiences: [nexus-gateway]", "algorithms: [ES256]", "keys: { file: certs/dev-issuer.jwks }"):
            assert part in section, (file, part)
    subprocess.run([ROOT / "contracts/compile"], check=True, stdin=subprocess.DEVNULL)
    for name in ("config", "contracts", "routes"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "certs").symlink_to(shop.keys / "certs")
    for file, clusters in (("development", 0), ("shop", 9)):
        done = subprocess.run(
            [binary(), "check", "--config", f"config/{file}.yaml"], cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20)
        assert done.returncode == 0 and "warning" not in done.stderr and f"{clusters} clusters" in done.stdout, done.stdout + done.stderr


def test_without_an_issuer_it_is_said_once(stage):
    config = settings(
        routes=str(ROOT / "routes"), access={"policies": [str(ROOT / "config/policies")]}, tables={"skus": str(ROOT / "config/skus.yaml")}
    )
    done = stage.files(config, []).run("check")
    warnings = [line for line in (done.stdout + done.stderr).splitlines() if "warning" in line]
    assert done.returncode == 0 and len(warnings) == 1 and "config/development.yaml" in warnings[0], done.stdout + done.stderr


# Each row of the table: who is answered what. Those who are let in are answered by what is behind, here a refusal of an
# object that is not there or of a body that says nothing: a right is a right without an effect.

ALL = {"nobody": 401, "bob": 403, "staff": 403, "service": 403, "admin": 403}
ROWS = [
    # method, path, body, needs a key, what ann hears, what the others hear
    ("POST", "/api/v1/orders", {"userId": "{ann}"}, True, 400, {**ALL, "staff": 400, "service": 400, "admin": 400}),
    ("POST", "/api/orders/place", {"userId": "{ann}"}, False, 400, {**ALL, "staff": 400, "service": 400, "admin": 400}),
    ("POST", "/api/v1/orders/{order}/pay", {"creditCard": CARD}, True, 409, {**ALL, "staff": 409, "admin": 409}),
    ("POST", "/api/v1/orders/{order}/cancel", {}, True, 409, {**ALL, "staff": None, "admin": None}),
    ("GET", "/api/v1/orders/{order}", None, False, 200, {**ALL, "staff": 200, "admin": 200}),
    ("GET", "/api/orders/{order}", None, False, 200, {**ALL, "staff": 200, "admin": 200}),
    ("GET", "/api/sagas/checkout-{order}/status", None, False, 200, {**ALL, "staff": 200, "admin": 200}),
    ("POST", "/api/cart/add", {"userId": "{ann}"}, False, 400, {**ALL, "staff": 400, "service": 400, "admin": 400}),
    ("POST", "/api/cart/remove", {"userId": "{ann}"}, False, 400, {**ALL, "staff": 400, "service": 400, "admin": 400}),
    ("POST", "/api/cart/update", {"userId": "{ann}"}, False, 400, {**ALL, "staff": 400, "service": 400, "admin": 400}),
    ("POST", "/api/cart/empty", {"userId": "{ann}"}, False, 202, {**ALL, "staff": 202, "service": 202, "admin": 202}),
    ("GET", "/api/cart/{ann}", None, False, 200, {**ALL, "staff": 200, "service": 200, "admin": 200}),
    ("POST", "/api/v1/products", {}, True, 403, {**ALL, "admin": 400}),
    ("POST", "/api/v1/products/none", {"name": 1}, False, 403, {**ALL, "admin": 400}),
    ("POST", "/api/v1/products/none/price", {}, False, 403, {**ALL, "admin": 400}),
    ("GET", "/api/v1/products/none", None, False, 404, dict.fromkeys(ALL, 404)),
    ("POST", "/api/v1/flash-sales", {}, False, 403, {**ALL, "admin": 400}),
    ("POST", "/api/v1/flash-sales/none/end", {}, False, 403, {**ALL, "admin": 404}),
    ("POST", "/api/v1/flash-sales/none/products/none/price", {}, False, 403, {**ALL, "admin": 400}),
    ("GET", "/api/v1/flash-sales/none", None, False, 404, dict.fromkeys(ALL, 404)),
    ("POST", "/api/commands/cart.empty", {"userId": "{ann}"}, False, 403, {**ALL, "admin": 202}),
    ("POST", "/api/commands/inventory.adjust", {}, False, 403, {**ALL, "staff": 400, "admin": 400}),
    ("POST", "/api/commands/inventory.reserve", {}, False, 403, {**ALL, "staff": 400, "service": 400, "admin": 400}),
    ("POST", "/api/commands/inventory.release", {}, False, 403, {**ALL, "staff": 400, "service": 400, "admin": 400}),
    ("GET", "/api/inventory/none", None, False, 404, dict.fromkeys(ALL, 404)),
    ("GET", "/health/live", None, False, 200, dict.fromkeys(ALL, 200)),
    ("GET", "/health/ready", None, False, 200, dict.fromkeys(ALL, 200)),
]


@pytest.mark.parametrize("method,path,body,needs_key,own,rest", ROWS, ids=[f"{row[0]} {row[1]}" for row in ROWS])
def test_who_may(ann, others, order, method, path, body, needs_key, own, rest):
    path = path.format(order=order, ann=ann.name)
    body = json.loads(json.dumps(body).replace("{ann}", ann.name))
    for name, expected in {"ann": own, **rest}.items():
        who = ann if name == "ann" else others[name]
        if expected is None:
            continue  # has a test of its own, because it changes what the next row looks at
        reply = who.ask(method, path, body)
        assert reply.status_code == expected, (name, reply.text)
        if expected == 401:
            assert code(reply) == UNAUTHENTICATED and reply.headers["www-authenticate"].startswith("Bearer")
        if expected == 403:
            assert code(reply) == FORBIDDEN and reply.json()["decisionId"]
    if needs_key:
        may = ann if own != 403 else others["admin"]
        assert code(may.ask(method, path, body, key=None)) == NO_KEY


@pytest.mark.parametrize("step", ["process", "ship", "deliver", "complete"])
def test_fulfilment_is_staffs_on_the_listener_of_operators(ann, others, step):
    path = f"/api/v1/orders/none/{step}"
    assert others["staff"].post(path).status_code in (404, 405), "not for the public"
    asked = {name: others[name].post(path, listener="admin", key=None).status_code for name in others}
    assert asked == {"nobody": 401, "bob": 403, "service": 403, "staff": 404, "admin": 404}
    assert ann.post(path, listener="admin").status_code == 403


def test_a_bad_token_is_not_nobody(ann):
    head, payload, signature = ann.fields["authorization"].split(".")
    forged = {"authorization": ".".join((head, payload, signature[:-4] + ("AAAA" if signature[-4:] != "AAAA" else "BBBB")))}
    for method, path in (("GET", f"/api/cart/{ann.name}"), ("POST", "/api/v1/orders"), ("GET", "/api/v1/orders/x")):
        reply = ann.ask(method, path, **forged)
        assert code(reply) == UNAUTHENTICATED and 'error="invalid_token"' in reply.headers["www-authenticate"]


# Calls.


def status(ask, request, who: Person) -> str:
    try:
        ask(request, metadata=tuple(who.fields.items()), timeout=5)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def test_the_same_rights_by_grpc(shop, ann, others):
    carts, stock = gateway_rpc.CartsStub(shop.channel), stock_rpc.InventoryStub(shop.channel)
    item = gateway_pb.AddCartItemRequest(user_id=ann.name, item=pb.CartItem(product_id="OLJCESPC7Z", quantity=1))
    cart = pb.GetCartRequest(user_id=ann.name)
    none = stock_pb.ReserveStockRequest(product_id="none", reservation_id="r", quantity=1)
    out, no, yes = "UNAUTHENTICATED", "PERMISSION_DENIED", "OK"
    people = {"ann": ann, **others}
    for ask, request, expected in (
        (carts.AddItem, item, {"ann": yes, "nobody": out, "bob": no, "staff": yes, "admin": yes, "service": yes}),
        (carts.GetCart, cart, {"ann": yes, "nobody": out, "bob": no, "staff": yes, "admin": yes, "service": yes}),
        (stock.ReserveStock, none, {"ann": no, "nobody": out, "bob": no, "staff": "NOT_FOUND", "admin": "NOT_FOUND", "service": "NOT_FOUND"}),
    ):
        assert {name: status(ask, request, who) for name, who in people.items()} == expected


def test_clients_of_the_shop_before_are_asked_nothing(tmp_path):
    """What opens routes finds nothing to open."""
    for copy, name in zip(open_routes(tmp_path, "shop/cart", "shop/services", "shop/rest"), ("cart", "services", "rest")):
        assert pathlib.Path(copy).read_text() == (ROOT / f"routes/shop/{name}.yaml").read_text()


# Orders.


def test_a_repetition_is_the_same_order(shop):
    who = Person(shop)
    who.fill()
    first = who.place(key="k-1")
    again = who.place(key='"k-1"')
    assert (first.status_code, first.headers.get("idempotent-replayed")) == (202, None), first.text
    assert set(first.json()) >= {"orderId", "version", "status", "eventIds", "sagaId"} and first.headers["location"].endswith(first.json()["orderId"])
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (202, first.json(), "true")
    assert again.headers["location"] == first.headers["location"]
    # One operation, whichever path it comes by; another body is another request.
    assert who.place("/api/orders/place", key="k-1").json() == first.json()
    assert code(who.post("/api/v1/orders", who.order(userCurrency="USD"), key="k-1")) == (422, "IDEMPOTENCY_KEY_REUSED")
    # Somebody else's key is another one.
    other = Person(shop)
    other.fill()
    assert other.place(key="k-1").json()["orderId"] != first.json()["orderId"]


def test_events_say_who(shop):
    who, staff = Person(shop), Person(shop, "STAFF")
    who.fill()
    order = who.place(Prefer="wait=15").json()["orderId"]
    assert staff.post(f"/api/v1/orders/{order}/process", listener="admin").status_code == 202
    with sqlite3.connect(f"file:{shop.gateway.folder}/data/events.db?mode=ro", uri=True) as store:
        users = dict(store.execute(USERS, (order,)).fetchall())
    assert users["OrderPlaced"] == who.name and users["OrderProcessing"] == staff.name, users


def test_ten_orders_in_an_hour(shop):
    who = Person(shop)
    # What is refused does not count, by whomever.
    for body, key, status in ((who.order(address=None), "new", 400), (who.order(), None, 400), (who.order(userId="x"), "new", 403)) * 4:
        assert who.post("/api/v1/orders", body, key=key).status_code == status
    for number in range(10):
        who.fill()
        reply = who.place(key=f"order-{number}")
        assert reply.status_code == 202, (number, reply.text)
        assert 'r=' in reply.headers["ratelimit"] and '"orders-accepted";q=10;w=3600' in reply.headers["ratelimit-policy"]
        if number < 9:
            # Nor does a repetition.
            assert who.place(key=f"order-{number}").headers["idempotent-replayed"] == "true"
    who.fill()
    for path in ("/api/v1/orders", "/api/orders/place"):
        late = who.place(path)
        assert late.status_code == 429 and '"orders-accepted";r=0' in late.headers["ratelimit"], late.text
        assert 3000 < int(late.headers["retry-after"]) <= 3600
    somebody = Person(shop)
    somebody.fill()
    assert somebody.place().status_code == 202


def test_a_customer_cancels_early_and_staff_until_confirmed(shop):
    who, staff, bob = Person(shop), Person(shop, "STAFF"), Person(shop)
    shop.fails("PaymentService/Charge=UNAVAILABLE:closed")
    try:
        who.fill()
        waiting = who.place().json()["orderId"]
        sockets.wait_until(lambda: who.get(f"/api/v1/orders/{waiting}").json()["state"] == "PaymentPending", 15, "the payment to be asked for")
        assert code(bob.post(f"/api/v1/orders/{waiting}/cancel")) == FORBIDDEN
        asked = who.post(f"/api/v1/orders/{waiting}/cancel", key="c-1")
        assert asked.status_code == 202, asked.text
        again = who.post(f"/api/v1/orders/{waiting}/cancel", key="c-1")
        assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (202, asked.json(), "true")
    finally:
        shop.fails()
    who.fill()
    late = who.place(Prefer="wait=15").json()["orderId"]
    assert code(who.post(f"/api/v1/orders/{late}/cancel")) == (409, "ILLEGAL_STATE")
    assert staff.post(f"/api/v1/orders/{late}/cancel").status_code == 202
    who.fill()
    later = who.place(Prefer="wait=15").json()["orderId"]
    assert staff.post(f"/api/v1/orders/{later}/process", listener="admin").status_code == 202
    assert code(staff.post(f"/api/v1/orders/{later}/cancel")) == (409, "ILLEGAL_STATE")


# Products.


def test_an_admin_creates_a_product_once(shop, others):
    admin, name = others["admin"], f"mug-{uuid.uuid4()}"
    body = {"productId": name, "name": "Mug", "price": PRICE}
    created = admin.post("/api/v1/products", body, key=name)
    again = admin.post("/api/v1/products", body, key=name)
    assert created.status_code == 202 and (again.json(), again.headers["idempotent-replayed"]) == (created.json(), "true")
    assert httpx.get(f"{shop.gateway.url}/api/v1/products/{name}", timeout=5).json()["name"] == "Mug"


# The end of a right.


def test_a_revocation_ends_it(shop):
    who = Person(shop)
    assert who.get(f"/api/cart/{who.name}").status_code == 200
    done = subprocess.run(
        [binary(), "revoke", "--sub", who.name, "--admin", shop.gateway.admin, "--config", str(shop.gateway.config_path)], cwd=shop.gateway.folder,
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=10)
    assert done.returncode == 0, done.stdout + done.stderr
    assert code(who.get(f"/api/cart/{who.name}")) == UNAUTHENTICATED
