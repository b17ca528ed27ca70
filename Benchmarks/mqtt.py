#!/usr/bin/env python3
"""MQTT: durable QoS 1 publishes a second, what idle devices hold, what connects leave behind; beside mosquitto.

The gateway carries each publish out as a command: its PUBACK leaves after the event is on the disk (fsync by group), and
the stock is read back afterwards. mosquitto, with persistence on, acknowledges what it has in memory: it writes to its file
when it ends, or every so often. The load runs on the same cores. `mqtt-load` is built by `cc`.

How many are under way says how long an answer takes, whoever gives it: 100 devices with a window of 2 wait 10 ms on average
at 20,000 a second. A wide window (`--window 20`) shows what a server can do at most, and nothing of its latency.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys

import measure
from harness import gateway as gateways
from harness import peers, procfs
from harness.mqtt import Mosquitto
from harness.wire import Wire, get

SOURCE = pathlib.Path(__file__).resolve().parent / "mqtt-load/main.c"
ROUTES = [
    {"name": "session", "match": {"connect": "{client}"}, "target": {"topics": "session"}},
    {"name": "delta", "match": {"publish": "iot/inventory/{productId}/delta"}, "target": {"command": "inventory.adjust"}, "stages": {"inspect": {"schema": "command"}}},
    {"name": "stock", "match": {"method": "GET", "path": "/api/inventory/{productId}"}, "target": {"query": "inventory.get"}},
]
TOPIC = "iot/inventory/thing-%d/delta"


class Load:
    """The program, built for this run."""

    def __init__(self, folder: pathlib.Path):
        self.program = folder / "mqtt-load"
        subprocess.run([peers.tool("cc"), "-O2", "-std=c17", "-Wall", "-o", self.program, SOURCE], check=True)

    def run(self, mode: str, address: str, *words: str, timeout: float = 300) -> dict:
        done = subprocess.run([self.program, mode, "--address", address, *words], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise SystemExit(f"mqtt-load {mode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def hold(self, address: str, connections: int) -> subprocess.Popen:
        """Idle devices, until its standard input is closed."""
        held = subprocess.Popen([self.program, "idle", "--address", address, "--connections", str(connections)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        said = held.stdout.readline()
        if said != f"ready {connections}, failed 0, refused 0\n":
            held.kill()
            raise SystemExit(f"mqtt-load idle: {said!r}")
        return held


class Ours:
    """The gateway, with a route from reports to the event core."""

    name = "gateway"

    def __init__(self, folder: pathlib.Path, workers: int):
        listeners = [gateways.listener(), gateways.listener("devices", mqtt={})]
        config = gateways.settings(workers=workers or "auto", admin="off", listeners=listeners, contracts={"command_schemas": str(gateways.ROOT / "contracts/commands")})
        self.process = gateways.Gateway(folder, config, ROUTES).start()
        self.address, self.pid = self.process.listeners["devices"], self.process.pid

    def stored(self, devices: int) -> int:
        """The sum of what is in stock: every publish adds one."""
        total = 0
        with Wire(self.process.address, 10) as wire:
            for device in range(devices):
                reply = wire.ask(get(f"/api/inventory/thing-{device}"))
                total += json.loads(reply.body)["onHand"] if reply.status == 200 else 0
        return total

    def stop(self) -> None:
        self.process.stop(30)


class Peer:
    """mosquitto with persistence, and the load's messages to nobody."""

    name = "mosquitto"

    def __init__(self, folder: pathlib.Path, _: int):
        self.process = Mosquitto(folder, "max_connections -1", store=True)
        self.address, self.pid = self.process.address, self.process.pid

    def stop(self) -> None:
        self.process.stop()


def publishes(contestants: list, load: Load, options) -> dict[str, list[dict]]:
    rounds: dict[str, list[dict]] = {each.name: [] for each in contestants}
    for number in range(options.rounds):
        for each in contestants if number % 2 == 0 else reversed(contestants):
            before = each.stored(options.connections) if isinstance(each, Ours) else 0
            meter = measure.Meter([each.pid])
            # Identifiers differ from round to round, so that every publish is a new event.
            payload = f'{{"delta":1,"reason":"load","eventId":"r{number}-%d-%n"}}'
            result = load.run("publish", each.address, "--connections", str(options.connections), "--window", str(options.window), "--seconds", str(options.seconds), "--topic", TOPIC, "--payload", payload)
            cpu, kernel = meter.stop()
            if result["refused"] or result["failed"] or result["out_of_order"]:
                raise SystemExit(f"{each.name}: {result}")
            # The warm-up's messages cost too: they are as many a second as the rest.
            whole = result["acknowledged"] * (1 + 1 / options.seconds)
            result |= {"us": cpu / whole * 1e6, "kernel": kernel}
            if isinstance(each, Ours):
                stored = each.stored(options.connections) - before
                if stored < result["acknowledged"]:
                    raise SystemExit(f"{result['acknowledged']} acknowledged and only {stored} stored")
            rounds[each.name].append(result)
            print(f"round {number + 1} {each.name}: {result['rate']:,.0f} publishes/s, p50 {result['p50'] * 1e3:.2f} ms, p99 {result['p99'] * 1e3:.2f} ms, longest {result['max'] * 1e3:.1f} ms, {result['us']:.1f} CPU µs each", flush=True)
    return rounds


def table(rounds: dict[str, list[dict]]) -> None:
    print("| | publishes/s: median | min | max | PUBACK p50 | p99 | CPU µs/publish | paired ratio |\n|---|---|---|---|---|---|---|---|")
    for name, results in rounds.items():
        rate, p50, p99, us = (measure.spread([each[key] for each in results]) for key in ("rate", "p50", "p99", "us"))
        others = rounds.get("mosquitto", results)
        ratio = measure.spread([one["rate"] / other["rate"] for one, other in zip(results, others)])["median"]
        print(f"| {name} | {rate['median']:,.0f} | {rate['min']:,.0f} | {rate['max']:,.0f} | {p50['median'] * 1e3:.2f} ms | {p99['median'] * 1e3:.2f} ms | {us['median']:.1f} | {ratio:.2f} |")


def memory(contestants: list, load: Load, options) -> dict[str, dict]:
    """Private bytes of an idle device, and the growth over many connects after as many that warmed up."""
    found = {}
    for each in contestants:
        load.run("connect", each.address, "--connections", str(options.devices), "--parallel", "64")
        empty = procfs.private(each.pid)
        held = load.hold(each.address, options.devices)
        device = (procfs.private(each.pid) - empty) / options.devices
        held.stdin.close()
        held.wait(30)
        before = procfs.private(each.pid)
        result = load.run("connect", each.address, "--connections", str(options.connects), "--parallel", "64")
        if result["failed"] or result["refused"]:
            raise SystemExit(f"{each.name}: {result}")
        found[each.name] = {"device": device, "growth": procfs.private(each.pid) - before, "rate": result["rate"], "p99": result["p99"]}
    print(f"| | bytes per idle device ({options.devices:,}) | growth over {options.connects:,} connects | connects/s | CONNACK p99 |\n|---|---|---|---|---|")
    for name, each in found.items():
        print(f"| {name} | {each['device']:,.0f} | {each['growth'] / 1024:,.0f} KiB | {each['rate']:,.0f} | {each['p99'] * 1e3:.1f} ms |")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["publishes", "memory"], help="publishes, memory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--window", type=int, default=2, help="messages of each device without an answer")
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--connects", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=0, help="0 = one per core")
    parser.add_argument("--only", choices=["gateway", "mosquitto"])
    parser.add_argument("--json")
    parser.add_argument("--bar", action="store_true", help="exit 1 below 20,000 publishes/s, at p99 of 20 ms and more, above 4 KiB a device")
    options = parser.parse_args()

    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with measure.workplace() as place:
        print(measure.describe())
        load, contestants, result = Load(pathlib.Path(place)), [], {"machine": measure.machine()}
        try:
            for make in (Ours, Peer):
                if options.only in (None, make.name):
                    contestants.append(make(pathlib.Path(place) / make.name, options.workers))
            # Memory first: what publishes leave behind for the next ones would hide what devices need.
            if "memory" in options.what:
                result["memory"] = memory(contestants, load, options)
            if "publishes" in options.what:
                result["publishes"] = publishes(contestants, load, options)
                table(result["publishes"])
        finally:
            for each in contestants:
                each.stop()
    measure.publish(result, options.json)
    ours = result.get("publishes", {}).get("gateway")
    wrong = []
    if ours and measure.spread([each["rate"] for each in ours])["median"] < 20_000:
        wrong.append("below 20,000 publishes/s")
    if ours and measure.spread([each["p99"] for each in ours])["median"] >= 0.02:
        wrong.append("p99 not below 20 ms")
    if result.get("memory", {}).get("gateway", {"device": 0})["device"] > 4096:
        wrong.append("above 4 KiB a device")
    if options.bar and wrong:
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
