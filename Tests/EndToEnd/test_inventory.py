"""Stock from the event core: the shipped routes by REST and by gRPC, alone and from many at once."""

import concurrent.futures
import datetime
import json
import subprocess
import time

from harness import sockets
from harness.gateway import ROOT, listener, open_routes, settings
from harness.grpc_stubs import compiled
from harness.wire import Wire, get, once, post

import grpc  # noqa: E402: after grpc_stubs, which settles how it forks
import pytest

JSON = "Content-Type: application/json"
pb, rpc = compiled(ROOT / "contracts", "inventory")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, shared_stage):
    contracts = tmp_path_factory.mktemp("contracts") / "all.binpb"
    subprocess.run([ROOT / "contracts/compile", contracts], check=True, stdin=subprocess.DEVNULL)
    routes = open_routes(tmp_path_factory.mktemp("routes"), "inventory", "shop/inventory")
    address = f"127.0.0.1:{sockets.free_port()}"
    config = settings(workers=2, routes=routes, contracts={"descriptors": str(contracts)}, listeners=[listener(address=address)])
    return shared_stage.gateway(config, [])


@pytest.fixture(scope="module")
def stock(gateway):
    with grpc.insecure_channel(gateway.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield rpc.InventoryStub(channel)


def command(gateway, verb: str, *fields: str, **body):
    return once(gateway.admin if verb == "adjust" else gateway.address, post(f"/api/commands/inventory.{verb}", json.dumps(body).encode(), JSON, *fields))


def seen(gateway, product: str) -> dict:
    reply = once(gateway.address, get(f"/api/inventory/{product}"))
    assert reply.status == 200 and reply.field("etag"), reply.raw[:300]
    answer = json.loads(reply.body)
    assert reply.field("etag") == f'"{answer["version"]}"'
    return {key: answer[key] for key in ("onHand", "reserved", "available", "version")}


def problem(reply) -> tuple[int, str, list[str]]:
    answer = json.loads(reply.body)
    return reply.status, answer["code"], [each["field"] for each in answer.get("fields", [])]


def refused(call, request) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=5)
    return caught.value.code().name, caught.value.details()


def soon(seconds: float) -> str:
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def test_stock_lives(gateway):
    reply = command(gateway, "adjust", productId="mug", delta=10, reason="delivery", eventId="d-1")
    answer = json.loads(reply.body)
    assert reply.status == 202 and (answer["aggregateId"], answer["version"], len(answer["eventIds"])) == ("mug", 1, 1)
    again = json.loads(command(gateway, "adjust", productId="mug", delta=10, reason="delivery", eventId="d-1").body)
    assert (again["version"], again["eventIds"]) == (1, [])
    assert command(gateway, "reserve", productId="mug", reservationId="r1", orderId="o1", quantity=7).status == 202
    assert problem(command(gateway, "reserve", productId="mug", reservationId="r2", quantity=4)) == (409, "ILLEGAL_STATE", ["/quantity"])
    assert seen(gateway, "mug") == {"onHand": 10, "reserved": 7, "available": 3, "version": 2}
    assert command(gateway, "release", productId="mug", reservationId="r1", reason="RELEASE_REASON_ORDER_CANCELLED").status == 202
    assert command(gateway, "adjust", productId="mug", delta=-25, reason="count").status == 202
    assert seen(gateway, "mug") == {"onHand": 0, "reserved": 0, "available": 0, "version": 4}


def test_what_nobody_reported_is_not_found(gateway, stock):
    assert problem(once(gateway.address, get("/api/inventory/nothing"))) == (404, "NOT_FOUND", ["/productId"])
    assert problem(command(gateway, "reserve", productId="nothing", reservationId="r", quantity=1))[:2] == (404, "NOT_FOUND")
    assert refused(stock.QueryStock, pb.QueryStockRequest(product_id="nothing"))[0] == "NOT_FOUND"
    assert refused(stock.ReleaseStock, pb.ReleaseStockRequest(product_id="nothing", reservation_id="r"))[0] == "NOT_FOUND"


@pytest.mark.parametrize("verb, body, pointer", [
    ("adjust", {"productId": "p", "delta": 0, "reason": "r"}, "/delta"),
    ("adjust", {"productId": "p", "delta": 1}, "/reason"),
    ("adjust", {"productId": "p", "delta": 2**31, "reason": "r"}, "/delta"),
    ("reserve", {"productId": "p", "reservationId": "r", "quantity": 0}, "/quantity"),
    ("reserve", {"productId": "p", "reservationId": "", "quantity": 1}, "/reservationId"),
    ("reserve", {"productId": "p", "reservationId": "r", "quantity": 1, "expiresAt": "tomorrow"}, "/expiresAt"),
    ("release", {"productId": "p", "reservationId": "r", "reason": "RELEASE_REASON_EXPIRED"}, "/reason"),
    ("release", {"productId": "p", "reservationId": "r", "order": "o"}, "/order"),
])
def test_a_wrong_field_is_named(gateway, verb, body, pointer):
    status, code, fields = problem(command(gateway, verb, **body))
    assert (status, code) == (400, "VALIDATION_ERROR") and pointer in fields


def test_a_reservation_that_has_expired_no_longer_counts(gateway):
    command(gateway, "adjust", productId="egg", delta=6, reason="delivery")
    assert problem(command(gateway, "reserve", productId="egg", reservationId="past", quantity=1, expiresAt=soon(-1))) == (400, "VALIDATION_ERROR", ["/expiresAt"])
    assert command(gateway, "reserve", productId="egg", reservationId="e1", quantity=6, expiresAt=soon(0.5)).status == 202
    assert seen(gateway, "egg")["available"] == 0
    time.sleep(0.6)
    assert seen(gateway, "egg") == {"onHand": 6, "reserved": 0, "available": 6, "version": 2}
    # Two events: the old one is written off, the new one is made.
    answer = json.loads(command(gateway, "reserve", productId="egg", reservationId="e2", quantity=6).body)
    assert (answer["version"], len(answer["eventIds"])) == (4, 2)


def test_an_expected_version_is_compared(gateway):
    command(gateway, "adjust", productId="hat", delta=6, reason="delivery")
    reserve = {"productId": "hat", "reservationId": "h", "quantity": 1}
    assert command(gateway, "reserve", 'If-Match: "7"', **reserve).status == 412
    assert command(gateway, "reserve", 'If-Match: "1"', **reserve).status == 202


def test_grpc_speaks_it(gateway, stock):
    command(gateway, "adjust", productId="cup", delta=5, reason="delivery")
    request = pb.ReserveStockRequest(product_id="cup", reservation_id="g1", order_id="o1", quantity=3)
    request.expires_at.FromJsonString(soon(60))
    first = stock.ReserveStock(request, timeout=5)
    assert (first.aggregate_id, first.version, len(first.event_ids)) == ("cup", 2, 1)
    again = stock.ReserveStock(request, timeout=5)
    assert (again.version, list(again.event_ids)) == (2, [])
    now = stock.QueryStock(pb.QueryStockRequest(product_id="cup"), timeout=5)
    assert (now.product_id, now.on_hand, now.reserved, now.available, now.version) == ("cup", 5, 3, 2, 2)
    assert abs(now.updated_at.ToSeconds() - time.time()) < 60
    short = pb.ReserveStockRequest(product_id="cup", reservation_id="g2", quantity=3)
    assert refused(stock.ReserveStock, short) == ("FAILED_PRECONDITION", "not enough of the product is available")
    none = pb.ReserveStockRequest(product_id="cup", reservation_id="g3")
    assert refused(stock.ReserveStock, none)[0] == "INVALID_ARGUMENT"
    other = pb.ReleaseStockRequest(product_id="cup", reservation_id="g1", order_id="o2")
    assert refused(stock.ReleaseStock, other)[0] == "FAILED_PRECONDITION"
    release = pb.ReleaseStockRequest(product_id="cup", reservation_id="g1", order_id="o1", reason=pb.RELEASE_REASON_COMPENSATION)
    assert stock.ReleaseStock(release, timeout=5).version == 3
    assert stock.ReleaseStock(release, timeout=5).version == 3
    # Without a reason there is one all the same; that time is up is not for callers to say.
    assert stock.ReserveStock(short, timeout=5).version == 4
    expired = pb.ReleaseStockRequest(product_id="cup", reservation_id="g2", reason=pb.RELEASE_REASON_EXPIRED)
    assert refused(stock.ReleaseStock, expired)[0] == "INVALID_ARGUMENT"
    assert stock.ReleaseStock(pb.ReleaseStockRequest(product_id="cup", reservation_id="g2"), timeout=5).version == 5
    assert seen(gateway, "cup") == {"onHand": 5, "reserved": 0, "available": 5, "version": 5}


def test_the_last_hundred_go_to_a_hundred(gateway, stock):
    """200 at once, half of them by REST and half by gRPC; nobody gets what is not there, and nothing is left."""
    command(gateway, "adjust", productId="last", delta=100, reason="delivery")

    def reserve(number: int) -> bool:
        if number % 2:
            try:
                stock.ReserveStock(pb.ReserveStockRequest(product_id="last", reservation_id=f"l{number}", quantity=1), timeout=10)
                return True
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
                return False
        with Wire(gateway.address, timeout=10) as wire:
            body = json.dumps({"productId": "last", "reservationId": f"l{number}", "quantity": 1}).encode()
            reply = wire.ask(post("/api/commands/inventory.reserve", body, JSON))
            assert reply.status in (202, 409)
            return reply.status == 202

    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        assert sum(pool.map(reserve, range(200))) == 100
    assert seen(gateway, "last") == {"onHand": 100, "reserved": 100, "available": 0, "version": 101}
