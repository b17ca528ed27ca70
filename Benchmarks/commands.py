#!/usr/bin/env python3
"""Durable cart commands per second through HTTP, beside what the disk itself can fsync.

Every 202 is an event on the disk: the answers leave after the fsync of their group. Events are held to their schemas,
snapshots are on, and a consumer follows the log, unless `--bare` leaves that out. wrk runs on the same
cores as the gateway. Afterwards the carts are read back: the sum of their versions must cover every 202.
"""

import argparse
import json
import os
import pathlib
import sys
import time

import measure
from harness import gateway as gateways
from harness.wire import Wire, get

SCRIPT = pathlib.Path(__file__).resolve().parent / "cart_add.lua"


def fsync_rates(folder: pathlib.Path, seconds: float = 1.0) -> tuple[float, float]:
    """(append, overwrite): 4 KiB writes each with fdatasync, per second, in the folder of the store.

    An append also writes the file's new size; an overwrite (a WAL that is used again) only the data.
    """
    path = folder / "fsync-probe"
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    block, blocks = b"x" * 4096, 256
    try:
        rates = []
        for overwrite in (False, True):
            if overwrite:
                os.pwrite(handle, block * blocks, 0)
                os.fsync(handle)
            count, start = 0, time.perf_counter()
            while time.perf_counter() - start < seconds / 2:
                os.pwrite(handle, block, (count % blocks if overwrite else count) * len(block))
                os.fdatasync(handle)
                count += 1
            rates.append(count / (time.perf_counter() - start))
        return rates[0], rates[1]
    finally:
        os.close(handle)
        path.unlink()


def everything() -> dict:
    """What the event core does beside taking commands: schemas of events, snapshots (on by default), the checkout
    with its sagas, and so a consumer that follows the log."""
    services = ("cart", "catalogue", "currency", "payment", "shipping", "email", "checkout", "recommendation", "ads")
    return {
        "contracts": {"event_schemas": str(gateways.ROOT / "contracts/events")},
        # None of them is called: no command here begins an order.
        "clusters": {name: {"endpoints": ["127.0.0.1:9"], "protocol": "http2"} for name in services},
        "checkout": {"saga": "checkout", "cart": "cart", "payment": {"unavailable": "not-done"}, "sagas": [str(gateways.ROOT / "config/sagas")]},
    }


def stored(address: str, users: int) -> int:
    """Events in all carts: the sum of their versions."""
    total = 0
    with Wire(address, 10) as wire:
        for user in range(users):
            reply = wire.ask(get(f"/api/cart/bench-{user}"))
            assert reply.status == 200, reply.raw[:200]
            total += json.loads(reply.body)["version"]
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=128)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=0, help="0 = one per core")
    parser.add_argument("--folder", type=pathlib.Path, help="where the store lives (default: a temporary folder)")
    parser.add_argument("--keys", action="store_true", help="every round twice: without idempotency keys, and with one a command")
    parser.add_argument("--bare", action="store_true", help="without schemas, checkout and consumers")
    parser.add_argument("--binary", help="another gateway than this tree's")
    parser.add_argument("--json")
    parser.add_argument("--bar", type=float, help="exit 1 below so many commands/s, or at p99 of 20 ms and more")
    options = parser.parse_args()

    with measure.workplace() as place:
        folder = (options.folder or pathlib.Path(place)) / "commands"
        folder.mkdir(parents=True, exist_ok=True)
        print(measure.describe())
        if options.binary:
            os.environ["NEXUS_BINARY"] = options.binary
        config = gateways.settings(workers=options.workers or "auto", admin="off", **({} if options.bare else everything()))
        if options.bare:
            del config["contracts"]
        if options.keys:
            config["idempotency"] = {"records": 100_000_000}
        carts = [{**each, "stages": {"replay": "optional"}} if options.keys and "command" in each["target"] else each for each in gateways.CARTS]
        gateway = gateways.Gateway(folder, config, carts).start()
        rounds, acknowledged = [], 0
        try:
            measure.wrk(f"http://{gateway.address}/", 1, options.connections, threads=2, script=SCRIPT, arguments=(str(options.users),))
            base = stored(gateway.address, options.users)
            keyed: list[dict] = []
            for number in range(options.rounds * (2 if options.keys else 1)):
                # Which comes first changes: what a pair of rounds finds warm is nobody's merit.
                has_key = options.keys and (number + number // 2) % 2 == 1
                append, overwrite = fsync_rates(folder)
                meter = measure.Meter([gateway.pid])
                load = measure.wrk(f"http://{gateway.address}/", options.seconds, options.connections, threads=2, script=SCRIPT, arguments=(str(options.users), *(["keys"] if has_key else [])))
                cpu, kernel = meter.stop()
                if load.errors:
                    raise SystemExit(f"{load.errors} commands were not acknowledged:\n{gateway.said()}")
                acknowledged += load.requests
                (keyed if has_key else rounds).append({"rate": load.rate, "p50": load.p50, "p99": load.p99, "us": cpu / load.requests * 1e6, "kernel": kernel, "append": append, "overwrite": overwrite})
                print(f"round {number + 1}{' with keys' if has_key else ''}: {load.rate:,.0f} commands/s, p50 {load.p50 * 1e3:.2f} ms, p99 {load.p99 * 1e3:.2f} ms, {(keyed if has_key else rounds)[-1]['us']:.1f} CPU µs each; the disk alone: {append:,.0f} appends or {overwrite:,.0f} overwrites with fsync/s", flush=True)
            events = stored(gateway.address, options.users) - base
        finally:
            gateway.stop()
    if not acknowledged <= events:
        raise SystemExit(f"{acknowledged} acknowledged and only {events} stored")
    result = {key: measure.spread([one[key] for one in rounds]) for key in ("rate", "p50", "p99", "us", "append", "overwrite")}
    print("| commands/s: median | min | max | p50 | p99 | CPU µs/command | disk: appends with fsync/s | overwrites with fsync/s |\n|---|---|---|---|---|---|---|---|")
    rate = result["rate"]
    print(
        f"| {rate['median']:,.0f} | {rate['min']:,.0f} | {rate['max']:,.0f} | {result['p50']['median'] * 1e3:.2f} ms | {result['p99']['median'] * 1e3:.2f} ms "
        f"| {result['us']['median']:.1f} | {result['append']['median']:,.0f} | {result['overwrite']['median']:,.0f} |"
    )
    print(f"{events} events stored for {acknowledged} acknowledged commands (the rest were under way when a round ended)")
    if options.keys:
        pairs = measure.spread([one["us"] / other["us"] - 1 for one, other in zip(keyed, rounds)])
        print(f"with keys: {measure.spread([one['us'] for one in keyed])['median']:.1f} CPU µs/command, {pairs['median']:+.1%} (from {pairs['min']:+.1%} to {pairs['max']:+.1%})")
    measure.publish({"machine": measure.machine(), "rounds": rounds, "keyed": keyed, "summary": result, "acknowledged": acknowledged, "stored": events}, options.json)
    if options.bar and (rate["median"] < options.bar or result["p99"]["median"] >= 0.02):
        sys.exit(f"below the bar of {options.bar:,.0f} commands/s with p99 < 20 ms")


if __name__ == "__main__":
    main()
