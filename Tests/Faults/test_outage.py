"""Checkout while something is away: the payment service, the disk's room, the process itself, the operators' patience."""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import time
import uuid

from harness.gateway import ROOT
from harness.shop import Services, Shop

import grpc
import httpx
import pytest
from harness import sockets

NUMBER = "4111111111111111"
CARD = {"creditCardNumber": NUMBER, "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}
ADDRESS = {"streetAddress": "1 Harbour Street", "city": "Lisbon", "country": "Portugal", "zipCode": 1100}
PRODUCT = "OLJCESPC7Z"
AWAY = "PaymentService/Charge=UNAVAILABLE:no bank"


@pytest.fixture
def shop(tmp_path, stage):
    # Whoever finds the bank closed parks soon.
    sagas = shutil.copytree(ROOT / "config/sagas", tmp_path / "definitions")
    text = (sagas / "checkout.yaml").read_text()
    assert text.count("    attempts: 5\n") == 1
    (sagas / "checkout.yaml").write_text(text.replace("    attempts: 5\n", "    attempts: 2\n    delay: 100ms\n"))
    with Shop(tmp_path, stage, weight=100, checkout=100, drain="6s") as made:
        config = json.loads(made.gateway.config_path.read_text())
        config["checkout"]["sagas"] = [str(sagas)]
        made.gateway.kill()
        made.gateway.write(config)
        made.gateway.start()
        yield made


def place(shop: Shop, prefer: str | None = None) -> httpx.Response:
    user = str(uuid.uuid4())
    item = {"userId": user, "item": {"productId": PRODUCT, "quantity": 1}}
    assert httpx.post(f"{shop.gateway.url}/api/cart/add", json=item, timeout=10).status_code == 202
    body = {"userId": user, "userCurrency": "EUR", "address": ADDRESS, "email": "ann@example.org", "creditCard": CARD}
    return httpx.post(f"{shop.gateway.url}/api/v1/orders", json=body, headers={"Prefer": prefer} if prefer else {}, timeout=20)


def accepted(shop: Shop) -> str:
    answer = place(shop)
    assert answer.status_code == 202, answer.text
    return answer.json()["orderId"]


def order(shop: Shop, identifier: str) -> dict:
    return httpx.get(f"{shop.gateway.url}/api/v1/orders/{identifier}", timeout=5).json()


def state(shop: Shop, identifier: str) -> str:
    return order(shop, identifier)["state"]


def saga(shop: Shop, identifier: str) -> dict:
    answer = httpx.get(f"http://{shop.gateway.admin}/sagas/{identifier}", timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.json()


def parked(shop: Shop, identifier: str, seconds: float = 20) -> None:
    sockets.wait_until(lambda: saga(shop, identifier)["status"] == "PARKED", seconds, f"{identifier} to be parked")


def operate(shop: Shop, *words: str):
    return shop.gateway.run("saga", *words, "--admin", shop.gateway.admin)


def charges(shop: Shop, identifier: str) -> int:
    return len(re.findall(rf"payment: charged [A-Z0-9 ]*for checkout-{identifier}/process-payment", shop.services.said()))


def events(shop: Shop, kind: str) -> int:
    with sqlite3.connect(f"file:{shop.gateway.folder}/data/events.db?mode=ro", uri=True) as store:
        return store.execute("SELECT count(*) FROM events e JOIN names n ON n.name = e.type WHERE n.text = ?", (kind,)).fetchone()[0]


def test_orders_of_an_outage_are_all_confirmed_and_charged_once(shop):
    shop.fails(AWAY)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        orders = list(pool.map(lambda _: accepted(shop), range(50)))
    for name in ("ann", "bob"):
        shop.add(name, PRODUCT)
        with pytest.raises(grpc.RpcError) as refused:
            shop.order(name, timeout=1)
        assert refused.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        # Who calls with less patience than that hears it from his own library, and the order goes on all the same.
        if found := re.search(r"order (\S+) is accepted", refused.value.details() or ""):
            orders.append(found[1])
    for each in orders:
        parked(shop, f"checkout-{each}", 40)
    tries = events(shop, "SagaParked")
    assert tries < 200, f"{tries} tries for {len(orders)} orders"
    shop.fails()
    sockets.wait_until(lambda: all(state(shop, each) == "Confirmed" for each in orders), 60, "all to be confirmed", every=0.2)
    assert [charges(shop, each) for each in orders] == [1] * len(orders)


def test_operators_decide(shop):
    shop.fails(AWAY)
    identifier = accepted(shop)
    name = f"checkout-{identifier}"
    parked(shop, name)
    assert name in operate(shop, "list", "--status", "parked").stdout
    assert "no bank" in operate(shop, "show", name).stdout
    # What cannot be.
    for words, why in (
        (("list", "--status", "asleep"), "status must be one of"), (("list", "--limit", "0"), "limit"), (("show", "checkout-nobodys"), "404"),
        (("show", "../admin"), "404"), (("retry", "checkout-nobodys"), "404"), (("skip", name, "--step", "dance"), "waits for"),
        (("skip", name, "--note", "x" * 5000), "400"), (("retry", name, "--step", "verify-cart"), "waits for"),
    ):
        answer = operate(shop, *words)
        assert answer.returncode != 0 and why in answer.stderr, (words, answer)
    # Several at once.
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: operate(shop, "retry", name), range(6)))
    # While it is tried it waits for nobody.
    assert any(answer.returncode == 0 for answer in answers)
    assert all(answer.returncode == 0 or "waits for" in answer.stderr for answer in answers), answers
    parked(shop, name)
    # Paid by telephone.
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda number: operate(shop, "skip", name, "--note", f"telephone-{number}"), range(3)))
    assert sorted(answer.returncode == 0 for answer in answers) == [False, False, True], answers
    sockets.wait_until(lambda: state(shop, identifier) == "Confirmed", 10, "the order to be confirmed")
    assert order(shop, identifier)["paymentTransactionId"].startswith("telephone-") and charges(shop, identifier) == 0
    for verb in ("retry", "skip", "compensate"):
        assert "over" in operate(shop, verb, name).stderr
    # And given up.
    other = accepted(shop)
    parked(shop, f"checkout-{other}")
    assert operate(shop, "compensate", f"checkout-{other}", "--note", "no bank today").returncode == 0
    sockets.wait_until(lambda: state(shop, other) == "Failed", 10, "the order to fail")
    shop.fails()


def test_a_charge_that_nobody_answered_for_is_told_by_a_person(shop):
    """The process dies while the bank thinks: whether it was charged a person finds out, with its transaction."""
    shop.fails("PaymentService/Charge=3000ms")
    identifier = accepted(shop)
    sockets.wait_until(lambda: events(shop, "PaymentRequested"), 5, "the charge to begin")
    time.sleep(0.3)
    shop.gateway.kill()
    shop.gateway.start()
    shop.fails()
    parked(shop, f"checkout-{identifier}")
    assert "nobody here knows" in operate(shop, "show", f"checkout-{identifier}").stdout
    assert operate(shop, "skip", f"checkout-{identifier}", "--note", "t-4711").returncode == 0
    sockets.wait_until(lambda: state(shop, identifier) == "Confirmed", 10, "the order to be confirmed")
    assert order(shop, identifier)["paymentTransactionId"] == "t-4711" and charges(shop, identifier) <= 1


def test_an_end_in_order_cuts_no_charge(shop):
    shop.fails("PaymentService/Charge=700ms")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        orders = list(pool.map(lambda _: accepted(shop), range(16)))
    assert shop.gateway.stop(12) == 0
    shop.fails()
    shop.gateway.start()
    for each in orders:
        sockets.wait_until(lambda: saga(shop, f"checkout-{each}")["status"] != "IN_PROGRESS", 10, f"{each} to rest")
        found = saga(shop, f"checkout-{each}")
        assert not [task for task in found["tasks"] if "resolvedAt" not in task], found
        if found["status"] == "PARKED":
            assert charges(shop, each) == 0
            assert httpx.post(f"{shop.gateway.url}/api/v1/orders/{each}/pay", json={"creditCard": CARD}).status_code == 202
    sockets.wait_until(lambda: all(state(shop, each) == "Confirmed" for each in orders), 20, "all to be confirmed")
    assert [charges(shop, each) for each in orders] == [1] * 16


def test_a_service_that_moves_while_sagas_run(shop, tmp_path):
    shop.fails("PaymentService/Charge=400ms")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        orders = list(pool.map(lambda _: accepted(shop), range(12)))
        other = Services(tmp_path / "other.log", "--base-port", "0", "--only", "payment", SHOP_FAULTS=str(tmp_path / "none"))
        try:
            config = json.loads(shop.gateway.config_path.read_text())
            config["clusters"]["payment"]["endpoints"] = [other.ports["payment"]]
            shop.gateway.reload(config)
            orders += list(pool.map(lambda _: accepted(shop), range(12)))
            sockets.wait_until(lambda: all(state(shop, each) == "Confirmed" for each in orders), 30, "all to be confirmed", every=0.1)
            there = [len(re.findall(f"for checkout-{each}/process-payment", other.said())) for each in orders]
            assert [here + moved for here, moved in zip((charges(shop, each) for each in orders), there)] == [1] * 24
            assert sum(there) >= 12
        finally:
            shop.gateway.stop(12)
            other.close()


def test_what_consumers_remember_is_lost(shop):
    """`events.db.consumers` is derived: gone, a start reads the log instead. Damaged, it says so."""
    shop.fails(AWAY)
    orders = [accepted(shop) for _ in range(3)]
    for each in orders:
        parked(shop, f"checkout-{each}")
    assert shop.gateway.stop(12) == 0
    shop.fails()
    data = pathlib.Path(shop.gateway.folder, "data")
    (memory,) = data.glob("events.db.consumers")
    for path in data.glob("events.db.consumers*"):
        path.unlink()
    shop.gateway.start()
    for each in orders:
        parked(shop, f"checkout-{each}")
        assert httpx.post(f"{shop.gateway.url}/api/v1/orders/{each}/pay", json={"creditCard": CARD}).status_code == 202
    sockets.wait_until(lambda: all(state(shop, each) == "Confirmed" for each in orders), 20, "all to be confirmed")
    assert [charges(shop, each) for each in orders] == [1] * 3
    shop.gateway.kill()
    memory.write_bytes(b"no database, but long enough to be taken for one" * 200)
    for path in data.glob("events.db.consumers-*"):
        path.unlink()
    with pytest.raises(AssertionError, match=r"cannot start.*events\.db\.consumers"):
        shop.gateway.start()
    shop.gateway.endings.add(71)
    memory.unlink()
    shop.gateway.start()
    assert state(shop, orders[0]) == "Confirmed"


def test_definitions_change_while_their_sagas_are_open(shop, tmp_path):
    shop.fails(AWAY)
    identifier = accepted(shop)
    parked(shop, f"checkout-{identifier}")
    assert shop.gateway.stop(12) == 0
    shop.fails()
    (tmp_path / "sagas").mkdir()
    text = (ROOT / "config/sagas/checkout.yaml").read_text()
    (tmp_path / "sagas/checkout.yaml").write_text(text[: text.index("  - name: process-payment")] + "  - name: dance\n    operation: cart.empty\n")
    (tmp_path / "sagas/cancel-order.yaml").write_text((ROOT / "config/sagas/cancel-order.yaml").read_text())
    config = json.loads(shop.gateway.config_path.read_text())
    config["checkout"]["sagas"] = [str(tmp_path / "sagas")]
    shop.gateway.write(config)
    shop.gateway.start()
    parked(shop, f"checkout-{identifier}")
    assert httpx.post(f"{shop.gateway.url}/api/v1/orders/{identifier}/pay", json={"creditCard": CARD}).status_code == 202
    sockets.wait_until(lambda: state(shop, identifier) == "Confirmed", 20, "the saga to go on as it began")
    assert charges(shop, identifier) == 1


def test_paid_from_all_sides_at_once(shop):
    """A parked order gets cards from many at the same time, while an operator has it tried again."""
    shop.fails(AWAY)
    identifier = accepted(shop)
    parked(shop, f"checkout-{identifier}")
    shop.fails("PaymentService/Charge=300ms")

    def pay(_: int) -> int:
        return httpx.post(f"{shop.gateway.url}/api/v1/orders/{identifier}/pay", json={"creditCard": CARD}, timeout=10).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(pay, range(24)))
    assert set(answers) <= {202, 409}, answers
    sockets.wait_until(lambda: state(shop, identifier) == "Confirmed", 20, "the order to be paid")
    time.sleep(0.5)
    assert charges(shop, identifier) == 1 and pay(0) == 409


def test_a_full_store_while_money_is_taken(shop):
    """A charge has been made, and there is no room to note it: it is noted as soon as there is, and not made again."""
    shop.fails("PaymentService/Charge=1500ms")
    identifier = accepted(shop)
    sockets.wait_until(lambda: events(shop, "PaymentRequested"), 5, "the charge to begin")
    shop.gateway.assert_alive()
    with sqlite3.connect(f"{shop.gateway.folder}/data/events.db", timeout=5) as rival:
        # Another hand on the file: nothing can be written until it lets go.
        rival.execute("PRAGMA busy_timeout = 5000")
        rival.execute("BEGIN IMMEDIATE")
        sockets.wait_until(lambda: charges(shop, identifier), 5, "the charge")
        time.sleep(2)
        rival.rollback()
    sockets.wait_until(lambda: state(shop, identifier) == "Confirmed", 20, "the order to be confirmed")
    assert charges(shop, identifier) == 1


def test_a_hanging_service_and_a_second_signal(shop):
    shop.fails("PaymentService/Charge=5000ms")
    accepted(shop)
    time.sleep(0.5)
    shop.gateway.signal(signal.SIGTERM)
    time.sleep(0.5)
    begin = time.monotonic()
    shop.gateway.signal(signal.SIGTERM)
    assert shop.gateway.wait(5) == 0 and time.monotonic() - begin < 4
    shop.fails()


def multiply(shop: Shop, identifier: str, number: int) -> None:
    """As many orders more as this one, with their sagas, by writing them into the log of a gateway that is not running."""
    with sqlite3.connect(f"{shop.gateway.folder}/data/events.db") as store:
        rows = store.execute(
            "SELECT s.id, s.type, e.* FROM events e JOIN streams s USING (stream) WHERE s.id IN (?, ?) ORDER BY position",
            (identifier, f"checkout-{identifier}")).fetchall()
        position, stream = (store.execute(f"SELECT max({column}) FROM {table}").fetchone()[0] for column, table in (("position", "events"), ("stream", "streams")))
        # The file is thrown away if this process dies, and there is much to write.
        store.execute("PRAGMA synchronous = OFF")
        store.execute("PRAGMA cache_size = -200000")
        places = {identifier: 1, f"checkout-{identifier}": 2}
        kinds = {row[0]: row[1] for row in rows}
        for i in range(number):
            fresh = str(uuid.uuid4())
            store.executemany("INSERT INTO streams (stream, type, id) VALUES (?, ?, ?)", [
                (stream + 2 * i + place, kinds[name], name.replace(identifier, fresh)) for name, place in places.items()])
            store.executemany(f"INSERT INTO events VALUES ({', '.join('?' * (len(rows[0]) - 2))})", [
                [position + len(rows) * i + j, stream + 2 * i + places[name], version, os.urandom(16)]
                + [each.replace(identifier, fresh) if isinstance(each, str) else each for each in rest]
                for j, (name, _, _, _, version, _, *rest) in enumerate(rows, 1)])


@pytest.mark.long
def test_a_hundred_thousand_parked_orders_at_a_start(shop):
    shop.fails(AWAY)
    identifier = accepted(shop)
    parked(shop, f"checkout-{identifier}")
    assert shop.gateway.stop(12) == 0
    multiply(shop, identifier, 99_999)
    for path in pathlib.Path(shop.gateway.folder, "data").glob("events.db.consumers*"):
        path.unlink()
    begin = time.monotonic()
    shop.gateway.start(wait=120)
    cold = time.monotonic() - begin

    def figure(name: str) -> float:
        text = httpx.get(f"http://{shop.gateway.admin}/metrics", timeout=30).text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    sockets.wait_until(lambda: figure('nexus_sagas{status="PARKED"}') == 100_000, 60, "all of them to be known", every=1)
    # A stranger's order goes through at once while they wait.
    shop.fails()
    begin = time.monotonic()
    answer = place(shop, "wait=15")
    assert answer.status_code in (200, 503), answer.text
    took, memory = time.monotonic() - begin, shop.gateway.rss()
    time.sleep(5)
    assert shop.gateway.stop(30) == 0
    begin = time.monotonic()
    shop.gateway.start(wait=120)
    print(f"ready in {cold:.1f} s without an index, in {time.monotonic() - begin:.1f} s with; {memory >> 20} MiB; an order {answer.status_code} in {took:.2f} s")
    assert memory < 1 << 30
