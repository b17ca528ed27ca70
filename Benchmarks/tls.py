#!/usr/bin/env python3
"""CPU per HTTPS request, per full handshake, and memory per idle TLS connection, beside nginx and HAProxy.

TLS 1.3, one ECDSA P-256 certificate, the same groups and suites for all. As in `proxy.py`, every contestant
is a bare reverse proxy on core 0 with a plain back end; back end and load share core 1; rounds are
interleaved. A handshake is a new connection, never resumed, that carries one request (`openssl s_time -new`).
"""

import argparse
import pathlib
import re
import resource
import ssl
import subprocess
import sys
import time

import measure
import proxy
from harness import gateway as gateways
from harness import peers, procfs, secure, sockets
from harness.certificates import Authority, Pair
from harness.wire import get

NAMES = ("nexus-gateway", "nginx", "haproxy")


class Contestant:
    """One HTTPS proxy, started."""

    def __init__(self, name: str, folder: pathlib.Path, upstream: str, pair: Pair, tickets: bool, cpu: int | None = proxy.PROXY_CPU):
        self.name, self.address = name, f"127.0.0.1:{sockets.free_port()}"
        folder.mkdir()
        if name == "nexus-gateway":
            tls = {"certificates": [pair.settings], "profile": "modern"} | ({} if tickets else {"tickets": "0"})
            public = gateways.listener(address=self.address, tls=tls, timeouts={"keep_alive": "10m"})
            self.server = gateways.Gateway(folder, gateways.settings(upstream, listeners=[public], admin="off"), [gateways.route()], cpu=cpu).start()
            self.pids = [self.server.pid]
        else:
            start = {"nginx": peers.nginx_proxy, "haproxy": peers.haproxy_proxy}[name]
            self.server = start(folder, self.address, upstream, cpu, tls=pair, tickets=tickets)
            self.pids = self.server.pids

    def stop(self) -> None:
        self.server.stop()


def verify(contestant: Contestant, authority: Authority) -> None:
    with secure.SecureWire(contestant.address, secure.trusting(authority)) as wire:
        assert wire.socket.version() == "TLSv1.3"
        for number in range(3):
            reply = wire.ask(get(f"/{number}"))
            if reply.status != 200 or reply.body != proxy.BODY.encode():
                raise SystemExit(f"{contestant.name} does not forward: {reply.end} {reply.status}")


def keep_alive(contestant: Contestant, seconds: float) -> float:
    meter = measure.Meter(contestant.pids)
    load = measure.wrk(f"https://{contestant.address}/api/products/OLJCESPC7Z", seconds, 64, cpu=proxy.OTHER_CPU)
    cpu, _ = meter.stop()
    if load.errors:
        raise SystemExit(f"{contestant.name}: {load.errors} errors under load")
    return cpu / load.requests * 1e6


def handshakes(contestant: Contestant, seconds: float) -> float:
    meter = measure.Meter(contestant.pids)
    command = [peers.tool("taskset"), "-c", str(proxy.OTHER_CPU), peers.tool("openssl"), "s_time", "-connect", contestant.address, "-new", "-tls1_3", "-www", "/", "-time", str(max(1, round(seconds)))]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(4)]
    made = 0
    for each in running:
        said = each.communicate(timeout=seconds + 60)[0]
        made += int(re.search(r"(\d+) connections in [\d.]+ real seconds", said).group(1))
    cpu, _ = meter.stop()
    return cpu / made * 1e6


def compare(what, names: list[str], folder: pathlib.Path, upstream: str, pair: Pair, authority: Authority, rounds: int, seconds: float, tickets: bool) -> dict:
    contestants = []
    try:
        for name in names:
            contestants.append(Contestant(name, folder / f"{what.__name__}-{name}", upstream, pair, tickets))
        for contestant in contestants:
            verify(contestant, authority)
            what(contestant, 1)
        figures: dict[str, list[float]] = {name: [] for name in names}
        for number in range(rounds):
            for contestant in contestants:
                figures[contestant.name].append(what(contestant, seconds))
            print(f"{what.__name__} round {number + 1}: " + ", ".join(f"{name} {each[-1]:.2f}" for name, each in figures.items()), flush=True)
    finally:
        for contestant in contestants:
            contestant.stop()
    result = {name: measure.spread(each) for name, each in figures.items()}
    for name in names:
        # Noise that hits a whole round cancels in the ratio of neighbours.
        rivals = [figures[other] for other in ("nginx", "haproxy") if other in figures]
        if rivals:
            result[name]["paired"] = measure.spread([mine / min(theirs) for mine, *theirs in zip(figures[name], *rivals)])["median"]
    return result


def idle(name: str, folder: pathlib.Path, upstream: str, pair: Pair, count: int) -> dict:
    """Private bytes per connection that has done its handshake, and one request."""
    contestant = Contestant(name, folder, upstream, pair, tickets=True, cpu=None)
    context = secure.trusting(None)
    try:
        held: list[ssl.SSLSocket] = []

        def hold(number: int) -> list[ssl.SSLSocket]:
            made = []
            for _ in range(number):
                plain = sockets.connect(contestant.address, 10, source=f"127.0.0.{1 + len(held) // 10_000}")
                made.append(context.wrap_socket(plain, server_hostname="localhost"))
            return made

        def ask(each: ssl.SSLSocket) -> None:
            each.sendall(get("/"))
            answer = b""
            while not answer.endswith(b'"}'):
                answer += each.recv(65536)

        warm = hold(200)
        for each in warm:
            ask(each)
            each.close()
        time.sleep(0.5)
        resident = lambda: sum(procfs.private(pid) for pid in contestant.pids)  # noqa: E731
        before = resident()
        held = hold(count)
        time.sleep(0.5)
        silent = resident()
        for each in held:
            ask(each)
        time.sleep(1.0)
        used = resident()
        for each in held:
            each.close()
        return {"connections": count, "silent_each": (silent - before) / count, "used_each": (used - before) / count}
    finally:
        contestant.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=("keep-alive", "handshakes", "idle"), default=["keep-alive", "handshakes", "idle"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="per round and proxy")
    parser.add_argument("--connections", type=int, default=10_000, help="idle ones")
    parser.add_argument("--tickets", action="store_true", help="handshakes with session tickets on")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--json", help="write the figures there")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results: dict = {"machine": measure.machine()}
    print(f"{measure.describe()}; {measure.version('nginx')}; {measure.version('haproxy')}")
    with measure.workplace() as place:
        folder = pathlib.Path(place)
        authority = Authority(folder)
        pair = authority.issue("localhost", "DNS:localhost", "IP:127.0.0.1")
        upstream = f"127.0.0.1:{sockets.free_port()}"
        origin = peers.nginx_origin(folder / "origin", upstream, proxy.BODY.encode(), cpu=proxy.OTHER_CPU)
        try:
            for what in (keep_alive, handshakes):
                if what.__name__.replace("_", "-") in options.what:
                    results[what.__name__] = compare(what, options.only, folder, upstream, pair, authority, options.rounds, options.seconds, options.tickets)
            if "idle" in options.what:
                results["idle"] = {name: idle(name, folder / f"idle-{name}", upstream, pair, min(options.connections, hard - 400, 20_000 if name == "nexus-gateway" else 4_500)) for name in options.only}
        finally:
            origin.stop()
    for what in ("keep_alive", "handshakes"):
        if what not in results:
            continue
        references = [results[what][name]["median"] for name in ("nginx", "haproxy") if name in results[what]]
        print(f"\n| {what.replace('_', '-')}: CPU µs each | median | min | max | ratio | paired ratio |\n|---|---|---|---|---|---|")
        for name, one in results[what].items():
            ratio = f"{one['median'] / min(references):.3f}" if references else "–"
            paired = f"{one['paired']:.3f}" if "paired" in one else "–"
            print(f"| {name} | {one['median']:.2f} | {one['min']:.2f} | {one['max']:.2f} | {ratio} | {paired} |")
    if "idle" in results:
        print("\n| idle | connections | bytes each after the handshake | bytes each after a request |\n|---|---|---|---|")
        for name, one in results["idle"].items():
            print(f"| {name} | {one['connections']:,} | {one['silent_each']:,.0f} | {one['used_each']:,.0f} |")
    measure.publish(results, options.json)


if __name__ == "__main__":
    sys.exit(main())
