#!/usr/bin/env python3
"""CPU per proxied HTTP/1.1 request: nexus-gateway beside nginx and HAProxy, in the same run.

Every contestant is a bare reverse proxy: one worker on core 0, keep-alive on both sides, no access log.
The back end (nginx, a 1 KiB JSON) and wrk share core 1. Rounds are interleaved, so that a noisy minute
hurts all alike. The figure is the proxy's own CPU time (user + system) over completed requests: it does
not depend on how fast the load generator is. `--show-configs` prints the exact configurations.
"""

import argparse
import pathlib
import sys
import time

import measure
from harness import gateway as gateways
from harness import peers, sockets
from harness.wire import Wire, get, post

BODY = ('{"id":"OLJCESPC7Z","name":"Sunglasses","padding":"' + "x" * 2000)[: 1024 - 2] + '"}'
PROXY_CPU, OTHER_CPU = 0, 1


class Nexus:
    """The gateway as a bare proxy: one catch-all route, one worker, log off, admin off."""

    name = "nexus-gateway"

    def __init__(self, folder: pathlib.Path, upstream: str):
        config = gateways.settings(upstream, workers=1, admin="off")
        self.gateway = gateways.Gateway(folder, config, [gateways.route()], cpu=PROXY_CPU).start()
        self.address, self.pids = self.gateway.address, [self.gateway.pid]
        self.config = self.gateway.config_path.read_text() + (folder / "routes/all.yaml").read_text()

    def stop(self) -> None:
        self.gateway.stop()


class Peer:
    """nginx or HAProxy."""

    def __init__(self, name: str, folder: pathlib.Path, upstream: str):
        self.name, self.address = name, f"127.0.0.1:{sockets.free_port()}"
        start, file = {"nginx": (peers.nginx_proxy, "nginx.conf"), "haproxy": (peers.haproxy_proxy, "haproxy.cfg")}[name]
        self.process = start(folder, self.address, upstream, PROXY_CPU)
        self.pids = self.process.pids
        self.config = (folder / file).read_text()

    def stop(self) -> None:
        self.process.stop()


def verify(contestant) -> None:
    """Forwards correctly, on one connection, before anything is measured."""
    with Wire(contestant.address) as wire:
        for request in (get("/api/products/1"), get("/api/products/2?x=1"), post("/api/cart", b"{}"), get("/api/products/3")):
            reply = wire.ask(request)
            if reply.status != 200 or reply.body != BODY.encode():
                raise SystemExit(f"{contestant.name} does not forward: {reply.end} {reply.status} {reply.raw[:300]!r}")


def one_round(contestant, seconds: float, connections: int) -> dict:
    url = f"http://{contestant.address}/api/products/OLJCESPC7Z"
    counter = measure.Instructions(contestant.pids, seconds)
    meter = measure.Meter(contestant.pids)
    load = measure.wrk(url, seconds, connections, cpu=OTHER_CPU)
    cpu, kernel = meter.stop()
    counted = counter.stop()
    if load.errors:
        raise SystemExit(f"{contestant.name}: {load.errors} errors under load")
    return {
        "us": cpu / load.requests * 1e6, "kernel": kernel, "rate": load.rate, "p50": load.p50, "p99": load.p99, "requests": load.requests,
        "instructions": [count / load.requests for count in counted] if counted else None,
    }


def summary(rounds: dict[str, list[dict]]) -> dict:
    """Per contestant: spread of the figure, medians of the rest, ratio to the better reference."""
    result = {}
    for name, each in rounds.items():
        middle = lambda key: measure.spread([one[key] for one in each])["median"]  # noqa: E731
        result[name] = {"us": measure.spread([one["us"] for one in each])} | {key: middle(key) for key in ("kernel", "rate", "p50", "p99")}
        counted = [one["instructions"] for one in each if one["instructions"]]
        result[name]["instructions"] = [sorted(one[n] for one in counted)[len(counted) // 2] for n in (0, 1)] if counted else None
    references = [result[name]["us"]["median"] for name in ("nginx", "haproxy") if name in result]
    for name in result:
        result[name]["ratio"] = result[name]["us"]["median"] / min(references) if references else None
        # Noise that hits a whole cycle cancels in the ratio of neighbours.
        paired = [rounds[name][n]["us"] / min(rounds[other][n]["us"] for other in ("nginx", "haproxy") if other in rounds) for n in range(len(rounds[name]))] if references else []
        result[name]["paired_ratio"] = measure.spread(paired) if paired else None
    return result


def table(result: dict) -> str:
    lines = ["| proxy | CPU µs/request: median | min | max | ratio | paired ratio | kernel | requests/s | p50 | p99 | instructions user+kernel |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    for name, one in result.items():
        us, counted = one["us"], one["instructions"]
        instructions = f"{counted[0]:,.0f}+{counted[1]:,.0f}" if counted else "no counter"
        ratio = f"{one['ratio']:.3f}" if one["ratio"] else "–"
        paired = f"{one['paired_ratio']['median']:.3f}" if one["paired_ratio"] else "–"
        lines.append(
            f"| {name} | {us['median']:.2f} | {us['min']:.2f} | {us['max']:.2f} | {ratio} | {paired} | {one['kernel']:.0%} | {one['rate']:,.0f} "
            f"| {one['p50'] * 1e3:.2f} ms | {one['p99'] * 1e3:.2f} ms | {instructions} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="per round and proxy")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", nargs="+", choices=("nexus-gateway", "nginx", "haproxy"), default=["nexus-gateway", "nginx", "haproxy"])
    parser.add_argument("--json", help="write the figures there")
    parser.add_argument("--show-configs", action="store_true")
    parser.add_argument("--bar", type=float, help="exit 1 when the gateway's ratio is above this")
    options = parser.parse_args()

    contestants: list = []
    with measure.workplace() as place:
        folder = pathlib.Path(place)
        upstream = f"127.0.0.1:{sockets.free_port()}"
        origin = peers.nginx_origin(folder / "origin", upstream, BODY.encode(), cpu=OTHER_CPU)
        try:
            for name in options.only:
                (folder / name).mkdir()
                contestants.append(Nexus(folder / name, upstream) if name == Nexus.name else Peer(name, folder / name, upstream))
            for contestant in contestants:
                verify(contestant)
                if options.show_configs:
                    print(f"--- {contestant.name}\n{contestant.config}")
            print(f"{measure.describe()}; {measure.version('nginx')}; {measure.version('haproxy')}")
            print(f"{options.rounds} rounds x {options.seconds:g} s, {options.connections} connections, {len(BODY)} byte JSON, proxy on core {PROXY_CPU}, back end and wrk on core {OTHER_CPU}")
            for contestant in contestants:
                one_round(contestant, 1, options.connections)
            rounds: dict[str, list[dict]] = {contestant.name: [] for contestant in contestants}
            for number in range(options.rounds):
                for contestant in contestants:
                    rounds[contestant.name].append(one_round(contestant, options.seconds, options.connections))
                    time.sleep(0.1)
                print(f"round {number + 1}: " + ", ".join(f"{name} {each[-1]['us']:.2f}" for name, each in rounds.items()), flush=True)
        finally:
            for contestant in contestants:
                contestant.stop()
            origin.stop()
    result = summary(rounds)
    print(table(result))
    measure.publish({"machine": measure.machine(), "rounds": rounds, "summary": result}, options.json)
    if options.bar and Nexus.name in result and result[Nexus.name]["ratio"] > options.bar:
        sys.exit(f"ratio {result[Nexus.name]['ratio']:.3f} is above {options.bar}")


if __name__ == "__main__":
    main()
