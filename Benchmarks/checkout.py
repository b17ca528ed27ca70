#!/usr/bin/env python3
"""A thousand orders on each arm of the checkout, and orders at a given rate: how long until they are accepted, and
how long until they are confirmed.

The services of examples/shop (Python, gRPC) run on the same cores. On the legacy arm the gateway only proxies;
on the other one it prices the cart, stores the order and carries out its saga.
"""

import argparse
import concurrent.futures
import json
import pathlib
import statistics
import threading
import time

import measure
from harness.shop import Shop, card, pb

import grpc  # noqa: E402: after the harness, which settles how it forks
import httpx

PRODUCTS = ("OLJCESPC7Z", "66VCHSJNUP")
ADDRESS = {"streetAddress": "1 Harbour Street", "city": "Lisbon", "country": "Portugal", "zipCode": 1100}
CARD = {"creditCardNumber": "4111111111111111", "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}


class Stage:
    """What `Shop` needs to start a gateway, without a test around it."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def gateway(self, config, routes):
        from harness import gateway as gateways

        self.running = gateways.Gateway(self.folder, config, routes).start()
        return self.running


def quantile(values: list[float], q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def row(name: str, seconds: list[float], failed: int) -> dict:
    ms = [1000 * each for each in seconds]
    figures = {"n": len(ms), "failed": failed, "mean": statistics.fmean(ms), **{f"p{round(100 * q)}": quantile(ms, q) for q in (0.5, 0.95, 0.99)}}
    print(f"| {name} | {len(ms)} | {failed} | " + " | ".join(f"{figures[key]:.1f}" for key in ("mean", "p50", "p95", "p99")) + " |", flush=True)
    return figures


def fill(shop, user: str) -> None:
    for product in PRODUCTS:
        shop.add(user, product)


def facade(shop, name: str, orders: int, clients: int) -> dict:
    """The unchanged client: PlaceOrder by gRPC, answered when the order is through."""
    def one(number: int) -> float | None:
        user = f"{name}-{number}"
        fill(shop, user)
        before = time.perf_counter()
        try:
            shop.checkout.PlaceOrder(pb.PlaceOrderRequest(
                user_id=user, user_currency="EUR", email="ann@example.org", credit_card=card(),
                address=pb.Address(street_address="1 Harbour Street", city="Lisbon", country="Portugal", zip_code=1100)), timeout=30)
        except grpc.RpcError as error:
            print(f"{user}: {error.code()} {error.details()}")
            return None
        return time.perf_counter() - before

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        took = list(pool.map(one, range(orders)))
    return row(name, [each for each in took if each is not None], sum(each is None for each in took))


def at_a_rate(shop, per_minute: int, seconds: float) -> tuple[dict, dict]:
    """Orders by REST at a steady rate, whatever the answers take: accepted with 202, then watched until COMPLETED."""
    url, count = shop.gateway.url, round(per_minute * seconds / 60)
    accepted: list[float] = []
    confirmed: list[float] = []
    failures: list[str] = []
    lock = threading.Lock()
    client = httpx.Client(timeout=30, limits=httpx.Limits(max_connections=400))
    users = [f"rate-{number}" for number in range(count)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda user: fill(shop, user), users))

    def one(user: str, due: float) -> None:
        body = {"userId": user, "userCurrency": "EUR", "email": "ann@example.org", "address": ADDRESS, "creditCard": CARD}
        answer = client.post(f"{url}/api/orders/place", json=body)
        took = time.perf_counter() - due
        if answer.status_code != 202:
            with lock:
                failures.append(answer.text)
            return
        place = f"{url}/api/v1/orders/{answer.json()['orderId']}"
        while (status := client.get(place).json()["status"]) not in ("COMPLETED", "FAILED") and time.perf_counter() - due < 60:
            time.sleep(0.05)
        with lock:
            accepted.append(took)
            if status == "COMPLETED":
                confirmed.append(time.perf_counter() - due)
            else:
                failures.append(status)

    start = time.perf_counter() + 0.2
    with concurrent.futures.ThreadPoolExecutor(256) as pool:
        for number, user in enumerate(users):
            due = start + number * 60 / per_minute
            time.sleep(max(0.0, due - time.perf_counter()))
            pool.submit(one, user, due)
    client.close()
    for text in failures[:3]:
        print(text)
    return row(f"{per_minute}/min, accepted", accepted, len(failures)), row(f"{per_minute}/min, confirmed", confirmed, len(failures))


def at_once(shop, clients: int) -> dict:
    """So many placements at the same moment."""
    users = [f"once-{number}" for number in range(clients)]
    for user in users:
        fill(shop, user)
    url, barrier = shop.gateway.url, threading.Barrier(clients)

    def one(user: str) -> float | None:
        body = {"userId": user, "userCurrency": "USD", "email": "ann@example.org", "address": ADDRESS, "creditCard": CARD}
        with httpx.Client(timeout=60) as client:
            client.get(f"{url}/health/live")
            barrier.wait()
            before = time.perf_counter()
            return time.perf_counter() - before if client.post(f"{url}/api/orders/place", json=body).status_code == 202 else None

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        took = list(pool.map(one, users))
    return row(f"{clients} at once, accepted", [each for each in took if each is not None], sum(each is None for each in took))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=1000, help="on each arm")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--per-minute", type=int, nargs="*", default=[200, 2000])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--json")
    options = parser.parse_args()
    figures = {}
    with measure.workplace() as place:
        print(measure.describe())
        print("| milliseconds | orders | failed | mean | p50 | p95 | p99 |\n|---|---|---|---|---|---|---|")
        for name, weight in (("legacy", 0), ("event-sourced", 100)):
            folder = pathlib.Path(place) / name
            folder.mkdir()
            stage = Stage(folder)
            with Shop(folder, stage, weight=weight, checkout=weight) as shop:
                try:
                    figures[name] = facade(shop, name, options.orders, options.clients)
                    if weight:
                        for rate in options.per_minute:
                            figures[f"{rate}/min"] = at_a_rate(shop, rate, options.seconds)
                        if options.at_once:
                            figures["at once"] = at_once(shop, options.at_once)
                finally:
                    stage.running.stop()
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
