"""Who may do what, over the wire: the shipped policies on the v1 surface and its gRPC calls, against the services of
examples/shop; and routes to a cluster."""

import json
import uuid

from harness.shop import Shop, pb

import grpc  # noqa: E402: after the harness, which settles how it forks
import httpx
import pytest
from harness import sockets
from harness.gateway import ROOT, listener, route
from harness.tokens import Issuer
from harness.wire import Wire, get, post

ADDRESS = {"streetAddress": "1 Harbour Street", "city": "Lisbon", "country": "Portugal", "zipCode": 1100}
CARD = {"creditCardNumber": "4111111111111111", "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}
POLICIES = {
    "policies": [
        {"name": "scoped", "rules": [{"allow": {"roles": ["WRITER"], "scopes": ["catalogue.write"]}}]},
        {"name": "tenants", "rules": [{"allow": {"claims": {"tenant": ["acme"]}}}, {"name": "banned", "deny": {"subject": "mallory"}}]},
    ]
}


def asks(policy: str, identify: str = "required", **more) -> dict:
    return {"identify": identify, "authorize": policy, **more}


def rest(name: str, method: str, path: str, policy: str, **target: str) -> dict:
    return {"name": name, "match": {"method": method, "path": path}, "target": target, "stages": asks(policy)}


def call(name: str, method: str, policy: str, **target: str) -> dict:
    return {"name": name, "match": {"grpc": f"hipstershop.{method}"}, "target": target, "stages": asks(policy, "optional")}


# The v1 surface with its rules (SPEC 1.1), and calls of the shop.
ROUTES = [
    rest("cart-add", "POST", "/api/cart/add", "own-cart", command="cart.add"),
    rest("cart-get", "GET", "/api/cart/{userId}", "own-cart", query="cart.get"),
    rest("order-place", "POST", "/api/v1/orders", "place-order", command="order.place"),
    rest("order-pay", "POST", "/api/v1/orders/{orderId}/pay", "own-order", command="order.pay"),
    rest("order-cancel", "POST", "/api/v1/orders/{orderId}/cancel", "cancel-order", command="order.cancel"),
    rest("order-get", "GET", "/api/v1/orders/{orderId}", "own-order", query="order.get"),
    rest("order-process", "POST", "/api/v1/orders/{orderId}/process", "staff-only", command="order.process"),
    rest("saga-status", "GET", "/api/sagas/{sagaId}/status", "own-order", query="saga.get"),
    rest("product-create", "POST", "/api/v1/products", "admin-only", command="product.create"),
    rest("command", "POST", "/api/commands/{commandType}", "admin-only", command="{commandType}"),
    call("grpc-cart-add", "CartService/AddItem", "own-cart", command="cart.add"),
    call("grpc-cart-get", "CartService/GetCart", "own-cart", query="cart.get"),
    call("grpc-place", "CheckoutService/PlaceOrder", "place-order", command="order.place"),
    route("proxied-path", "/carts/{userId}", stages=asks("own-cart")),
    route("proxied-body", "/carts", stages=asks("own-cart", collect=True), match={"method": "POST"}),
    route("scoped", "/scoped", stages=asks("scoped")),
    route("tenants", "/tenants", stages=asks("tenants", "optional")),
]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def backend(shared_stage):
    return shared_stage.backend()


@pytest.fixture(scope="module")
def shop(tmp_path_factory, shared_stage, issuer, backend):
    folder = tmp_path_factory.mktemp("access")
    routes, policies = folder / "strict.yaml", folder / "policies.yaml"
    routes.write_text(json.dumps({"routes": ROUTES}))
    policies.write_text(json.dumps(POLICIES))
    over = {
        "routes": [str(routes), str(ROOT / "routes/operations.yaml")], "identity": {"issuers": [issuer.settings]},
        "access": {"policies": [str(ROOT / "config/policies"), str(policies)]}, "access_log": {"path": "access.log"},
        "clusters": {"up": {"endpoints": [backend.address]}},
    }
    with Shop(folder, shared_stage, weight=100, checkout=100, **over) as made:
        yield made


class Person:
    """Somebody with a token, at the gateway."""

    def __init__(self, shop, issuer: Issuer, name: str, *roles: str, **claims):
        self.name = name
        self._shop = shop
        self.fields = issuer.bearer(name, *roles, **claims)

    def ask(self, method: str, path: str, body: dict | None = None, **fields: str) -> httpx.Response:
        return httpx.request(method, f"{self._shop.gateway.url}{path}", json=body, headers={**self.fields, **fields}, timeout=20)

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path)

    def post(self, path: str, body: dict | None = None, **fields: str) -> httpx.Response:
        return self.ask("POST", path, body if body is not None else {}, **fields)

    def add(self, user: str) -> httpx.Response:
        return self.post("/api/cart/add", {"userId": user, "item": {"productId": "OLJCESPC7Z", "quantity": 1}})

    def place(self, user: str | None = None, **fields: str) -> httpx.Response:
        body = {"userId": user or self.name, "userCurrency": "EUR", "address": ADDRESS, "email": "a@example.org", "creditCard": CARD}
        return self.post("/api/v1/orders", body, **fields)

    def call(self, ask, request):
        """The answer, or the status's name."""
        try:
            return ask(request, metadata=tuple(self.fields.items()), timeout=20)
        except grpc.RpcError as error:
            return error.code().name


@pytest.fixture
def person(shop, issuer):
    """Makes people; everybody is somebody new."""
    return lambda *roles, name=None, **claims: Person(shop, issuer, name or f"{uuid.uuid4()}", *roles, **claims)


def code(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json().get("code", "")


def logged(shop, request: str) -> dict:
    """The access log's line of a request."""
    path = shop.gateway.folder / "access.log"

    def found() -> dict | None:
        return next((line for line in map(json.loads, path.read_text().splitlines()) if line["requestId"] == request), None) if path.exists() else None

    sockets.wait_until(lambda: found() is not None, 5, f"the line of {request}")
    return found()


FORBIDDEN = (403, "FORBIDDEN")


# Carts: the owner in the path and in the body.


def test_a_cart_is_its_owners_and_of_staff(person):
    ann, bob, staff = person(), person(), person("STAFF")
    assert ann.add(ann.name).status_code == 202 and staff.add(ann.name).status_code == 202
    assert code(bob.add(ann.name)) == FORBIDDEN
    assert ann.get(f"/api/cart/{ann.name}").json()["version"] == 2
    assert staff.get(f"/api/cart/{ann.name}").status_code == 200
    assert code(bob.get(f"/api/cart/{ann.name}")) == FORBIDDEN


def test_the_path_counts_as_it_is_decoded(person):
    odd = person(name="a b/ü%41")
    assert odd.add(odd.name).status_code == 202
    assert odd.get("/api/cart/a%20b%2F%C3%BC%2541").json()["version"] == 1
    assert code(odd.get("/api/cart/a%20b%2F%C3%BCA")) == FORBIDDEN


def test_roles_are_compared_exactly(person):
    somebody = person()
    for role in ("staff", "STAFF ", "STAFFS", "XADMIN", "USER"):
        assert code(person(role).get(f"/api/cart/{somebody.name}")) == FORBIDDEN, role


@pytest.mark.parametrize(
    "body",
    [
        '{"userId":"%me","userId":"%other","item":{"productId":"p","quantity":1}}',
        '{"userId":"%me","user_id":"%other","item":{"productId":"p","quantity":1}}',
        '{"user_id":"%other","userId":"%me","item":{"productId":"p","quantity":1}}',
        '{"userId":"%me","UserId":"%other","item":{"productId":"p","quantity":1}}',
        '{"item":{"userId":"%me","productId":"p","quantity":1},"userId":"%other"}',
        '{"userId":["%me"],"item":{"productId":"p","quantity":1}}',
        '[{"userId":"%me"}]', '{"userId":"%me"', "", "%me",
    ],
)
def test_a_body_that_could_be_read_in_two_ways_is_nobodys(person, shop, backend, body):
    me, other = person(), person()
    data = body.replace("%me", me.name).replace("%other", other.name).encode()
    before = len(backend.requests)
    for path in ("/api/cart/add", "/carts"):
        reply = httpx.post(f"{shop.gateway.url}{path}", content=data, headers={**me.fields, "content-type": "application/json"}, timeout=5)
        assert code(reply) == FORBIDDEN, (path, reply.text)
    assert len(backend.requests) == before
    assert other.get(f"/api/cart/{other.name}").json()["version"] == 0


# Orders: the owner is the core's to know, and so is the state.


def test_an_order_is_its_owners(person, shop):
    ann, bob, staff = person(), person(), person("STAFF")
    ann.add(ann.name)
    assert code(bob.place(ann.name)) == FORBIDDEN
    placed = ann.place()
    assert placed.status_code == 202, placed.text
    order, saga = placed.json()["orderId"], placed.json()["sagaId"]
    for path in (f"/api/v1/orders/{order}", f"/api/sagas/{saga}/status"):
        assert [who.get(path).status_code for who in (ann, staff)] == [200, 200]
        assert code(bob.get(path)) == FORBIDDEN
    assert code(bob.get("/api/v1/orders/nothing")) == (404, "NOT_FOUND")
    assert code(bob.post(f"/api/v1/orders/{order}/pay", {"creditCard": CARD})) == FORBIDDEN
    assert code(bob.post(f"/api/v1/orders/{order}/cancel")) == FORBIDDEN
    assert code(bob.post("/api/v1/orders/nothing/cancel")) == (404, "NOT_FOUND")
    assert code(bob.post(f"/api/v1/orders/{order}/cancel", **{"If-Match": '"999"'})) == FORBIDDEN, "nothing is told of its version"


def test_a_customer_cancels_early_and_staff_until_confirmed(person, shop):
    ann, staff = person(), person("STAFF")
    ann.add(ann.name)
    done = ann.place(Prefer="wait=15")
    assert done.status_code == 200 and done.json()["state"] == "Confirmed", done.text
    order = done.json()["orderId"]
    late = ann.post(f"/api/v1/orders/{order}/cancel")
    assert code(late) == (409, "ILLEGAL_STATE") and "in the state Confirmed, only in Created, PaymentPending" in late.json()["detail"]
    assert staff.post(f"/api/v1/orders/{order}/cancel").status_code == 202
    # Parked before its payment, it is still the customer's to cancel.
    shop.fails("PaymentService/Charge=UNAVAILABLE:closed")
    try:
        ann.add(ann.name)
        waiting = ann.place().json()["orderId"]
        sockets.wait_until(lambda: ann.get(f"/api/v1/orders/{waiting}").json()["state"] == "PaymentPending", 15, "the payment to be asked for")
        assert ann.post(f"/api/v1/orders/{waiting}/cancel").status_code == 202
    finally:
        shop.fails()
    ann.add(ann.name)
    order = ann.place(Prefer="wait=15").json()["orderId"]
    assert code(ann.post(f"/api/v1/orders/{order}/process")) == FORBIDDEN
    assert staff.post(f"/api/v1/orders/{order}/process").status_code == 202
    assert code(staff.post(f"/api/v1/orders/{order}/cancel")) == (409, "ILLEGAL_STATE")


def test_products_and_commands_take_an_admin(person):
    product = {"productId": f"{uuid.uuid4()}", "name": "Mug", "price": {"currencyCode": "USD", "units": "3"}}
    for who in (person(), person("STAFF")):
        assert code(who.post("/api/v1/products", product)) == FORBIDDEN
        assert code(who.post("/api/commands/cart.empty", {"userId": who.name})) == FORBIDDEN, "not one's own either, by its name"
    assert person("ADMIN").post("/api/v1/products", product).status_code == 202


# Calls.


def test_calls_are_asked_the_same(person, shop):
    ann, bob, front = person(), person(), person("SERVICE")
    item = pb.AddItemRequest(user_id=ann.name, item=pb.CartItem(product_id="OLJCESPC7Z", quantity=1))
    assert ann.call(shop.cart.AddItem, item) == pb.Empty()
    assert bob.call(shop.cart.AddItem, item) == "PERMISSION_DENIED"
    assert front.call(shop.cart.AddItem, item) == pb.Empty(), "the front end acts for its users"
    assert ann.call(shop.cart.GetCart, pb.GetCartRequest(user_id=ann.name)).items[0].quantity == 2
    assert bob.call(shop.cart.GetCart, pb.GetCartRequest(user_id=ann.name)) == "PERMISSION_DENIED"
    assert bob.call(shop.cart.GetCart, pb.GetCartRequest()) == "PERMISSION_DENIED"
    order = pb.PlaceOrderRequest(user_id=ann.name, user_currency="EUR", address=pb.Address(city="Lisbon", country="PT"), credit_card=pb.CreditCardInfo())
    assert bob.call(shop.checkout.PlaceOrder, order) == "PERMISSION_DENIED"
    with pytest.raises(grpc.RpcError) as nobody:
        shop.cart.AddItem(item, timeout=5)
    assert nobody.value.code().name == "UNAUTHENTICATED"


def test_a_service_called_as_a_user_is_not_that_user(person):
    ann = person()
    same = person("SERVICE", name=ann.name)
    ann.add(ann.name)
    order = ann.place().json()["orderId"]
    assert ann.get(f"/api/v1/orders/{order}").status_code == 200
    assert code(same.get(f"/api/v1/orders/{order}")) == FORBIDDEN


# On the way to a cluster.


def test_a_proxied_request_is_asked_too(person, backend):
    ann, bob = person(), person()
    before = len(backend.requests)
    assert ann.get(f"/carts/{ann.name}").status_code == 200
    assert code(bob.get(f"/carts/{ann.name}")) == FORBIDDEN
    assert ann.post("/carts", {"x": 1, "user_id": ann.name}).status_code == 200
    assert code(bob.post("/carts", {"x": 1, "user_id": ann.name})) == FORBIDDEN
    seen = backend.requests[before:]
    assert [message.method for message in seen] == ["GET", "POST"]
    assert json.loads(seen[1].body) == {"x": 1, "user_id": ann.name}


def test_whoever_is_refused_by_his_head_is_refused_unread(shop, issuer):
    """The body never comes, and nobody waits for it; where the body decides, it is waited for."""
    plain, service = issuer.bearer("ann"), issuer.bearer("x", "SERVICE")

    def begun(path: str, fields: dict) -> Wire:
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nAuthorization: {fields['authorization']}\r\n\r\n"
        return Wire(shop.gateway.address).send(head)

    with begun("/api/v1/products", plain) as wire:
        assert wire.read().status == 403
    with begun("/scoped", service) as wire:
        assert wire.read().status == 403
    with begun("/api/cart/add", plain) as wire:
        assert wire.read(timeout=0.3).end == "silent"


def test_a_body_comes_as_it_likes(person, shop):
    """In pieces, chunked, with Expect: it is collected once, and the command gets all of it."""
    ann = person()
    data = json.dumps({"userId": ann.name, "item": {"productId": "OLJCESPC7Z", "quantity": 1}}).encode()
    head = f"POST /api/cart/add HTTP/1.1\r\nHost: a\r\nAuthorization: {ann.fields['authorization']}\r\n"
    with Wire(shop.gateway.address) as wire:
        wire.send(head + f"Content-Length: {len(data)}\r\n\r\n")
        for i in range(0, len(data), 7):
            wire.send(data[i : i + 7])
        assert wire.read().status == 202
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(data[i : i + 9]), data[i : i + 9]) for i in range(0, len(data), 9))
        wire.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        assert wire.read().status == 202
        wire.send(head + f"Expect: 100-continue\r\nContent-Length: {len(data)}\r\n\r\n")
        assert wire.read(timeout=0.5).informational, "the body is asked for"
        wire.send(data)
        assert wire.read().status == 202
    assert ann.get(f"/api/cart/{ann.name}").json()["version"] == 3


# What is said of it.


def test_missing_scopes_are_challenged(person):
    assert person("WRITER", scope="a catalogue.write").get("/scoped").status_code == 200
    lacking = person("WRITER", scope="catalogue.writer").get("/scoped")
    assert code(lacking) == FORBIDDEN and 'error="insufficient_scope"' in lacking.headers["www-authenticate"]
    other = person(scope="x").get("/scoped")
    assert code(other) == FORBIDDEN and "www-authenticate" not in other.headers


def test_claims_and_refusals(person, shop):
    assert person(tenant="acme").get("/tenants").status_code == 200
    assert code(person(tenant="other").get("/tenants")) == FORBIDDEN
    assert code(person(name="mallory", tenant="acme").get("/tenants")) == FORBIDDEN
    nobody = httpx.get(f"{shop.gateway.url}/tenants", timeout=5)
    assert code(nobody) == (401, "UNAUTHENTICATED") and "www-authenticate" in nobody.headers


def test_decisions_have_ids(person, shop):
    ann, bob, staff = person(), person(), person("STAFF")
    ann.add(ann.name)
    order = ann.place().json()["orderId"]
    refused = [bob.add(ann.name), bob.get(f"/api/v1/orders/{order}"), person(name="mallory", tenant="acme").get("/tenants")]
    facts = []
    for reply in refused:
        said = reply.json()
        line = logged(shop, said["requestId"])
        assert said["decisionId"] == line["decisionId"] and said["decisionId"].startswith(said["requestId"] + "-")
        assert "rule" not in said and "policy" not in said
        facts.append((line["policy"], line["rule"], line["decision"]))
    assert facts == [("own-cart", "default", "deny"), ("own-order", "default", "deny"), ("tenants", "banned", "deny")]
    allowed = []
    for who, path in ((ann, f"/api/cart/{ann.name}"), (staff, f"/api/cart/{ann.name}"), (ann, f"/api/v1/orders/{order}")):
        reply = httpx.get(f"{shop.gateway.url}{path}", headers={**who.fields, "x-correlation-id": f"{uuid.uuid4()}"}, timeout=5)
        path_of_log = shop.gateway.folder / "access.log"
        mark = reply.request.headers["x-correlation-id"]
        sockets.wait_until(lambda: mark in path_of_log.read_text(), 15, "the line")
        line = next(json.loads(text) for text in path_of_log.read_text().splitlines() if mark in text)
        allowed.append((line["policy"], line["rule"], line["decision"]))
    assert allowed == [("own-cart", "owner-by-path", "allow"), ("own-cart", "staff", "allow"), ("own-order", "owner", "allow")]
    metrics = httpx.get(f"http://{shop.gateway.admin}/metrics", timeout=5).text
    assert 'nexus_access_decisions_total{policy="own-order",decision="deny"}' in metrics
    assert 'nexus_access_decisions_total{policy="own-cart",decision="allow"}' in metrics
