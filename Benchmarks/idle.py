#!/usr/bin/env python3
"""Memory: resident bytes per idle keep-alive connection, and growth over a million requests.

A connection is counted after it has carried one request, so that whatever buffers it needed are part of
the figure. References in the same run with `--peers`.
"""

import argparse
import pathlib
import resource
import sys
import time

import measure
from harness import gateway as gateways
from harness import peers, procfs, sockets
from harness.wire import get

BODY = '{"ok":true,"padding":"' + "x" * 1000 + '"}'
RESERVE = 200  # descriptors that are not client connections


def resident(pids: list[int]) -> int:
    return sum(procfs.private(pid) for pid in pids)


def hold(address: str, count: int, request: bytes | None) -> list:
    """`count` connections, each having carried `request`. Sources 127.0.0.x, 10,000 ports each."""
    held = []
    for number in range(count):
        made = sockets.connect(address, 10, source=f"127.0.0.{1 + number // 10_000}")
        if request:
            made.sendall(request)
            answer = b""
            while not answer.endswith(b"}"):
                answer += made.recv(65536)
        held.append(made)
    return held


def idle(address: str, pids: list[int], count: int) -> dict:
    """Bytes per connection: accepted only, and after one request."""
    warm = hold(address, 200, get("/"))
    for each in warm:
        each.close()
    time.sleep(0.5)
    before = resident(pids)
    held = hold(address, count, None)
    time.sleep(0.5)
    silent = resident(pids)
    for number, each in enumerate(held):
        each.sendall(get(f"/{number}"))
        answer = b""
        while not answer.endswith(b"}"):
            answer += each.recv(65536)
    time.sleep(1.0)
    used = resident(pids)
    open_now = sum(procfs.descriptors(pid) for pid in pids)
    for each in held:
        each.close()
    time.sleep(1.0)
    return {
        "connections": count, "held": open_now, "base": before, "silent_each": (silent - before) / count,
        "used_each": (used - before) / count, "after_close": resident(pids),
    }


def growth(address: str, pids: list[int], requests: int) -> list[tuple[int, int]]:
    """(requests so far, resident bytes) while `requests` are served."""
    points, done = [], 0
    while done < requests:
        load = measure.wrk(f"http://{address}/", 3, 64)
        if load.errors:
            raise SystemExit(f"{load.errors} errors under load")
        done += load.requests
        points.append((done, resident(pids)))
    return points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=("nexus-gateway", "nginx", "haproxy"), default=["nexus-gateway"])
    parser.add_argument("--peers", action="store_true", help="also nginx and haproxy")
    parser.add_argument("--json")
    parser.add_argument("--bar", type=float, help="exit 1 when the gateway takes more bytes a connection")
    options = parser.parse_args()
    names = ["nexus-gateway", "nginx", "haproxy"] if options.peers else options.only
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(options.connections, hard - RESERVE)
    if count < options.connections:
        print(f"only {count} connections: the hard limit of open files is {hard}")

    print(measure.describe())
    results = {}
    with measure.workplace() as place:
        folder = pathlib.Path(place)
        upstream = f"127.0.0.1:{sockets.free_port()}"
        origin = peers.nginx_origin(folder / "origin", upstream, BODY.encode())
        try:
            for name in names:
                results[name] = one(name, folder / name, upstream, count, options.requests)
        finally:
            origin.stop()
    print("| server | connections | bytes each, silent | bytes each, after a request | base MiB | after close MiB | growth over the requests |\n|---|---|---|---|---|---|---|")
    for name, result in results.items():
        points = result["growth"]
        print(
            f"| {name} | {result['connections']:,} | {result['silent_each']:,.0f} | {result['used_each']:,.0f} | {result['base'] / 2**20:.1f} "
            f"| {result['after_close'] / 2**20:.1f} | {points[-1][1] - points[0][1]:+,} bytes from request {points[0][0]:,} to {points[-1][0]:,} |"
        )
    measure.publish({"machine": measure.machine(), "results": results}, options.json)
    if options.bar and "nexus-gateway" in results and results["nexus-gateway"]["used_each"] > options.bar:
        sys.exit(f"{results['nexus-gateway']['used_each']:.0f} bytes a connection, the bar is {options.bar:.0f}")


def one(name: str, folder: pathlib.Path, upstream: str, count: int, requests: int) -> dict:
    folder.mkdir()
    address = f"127.0.0.1:{sockets.free_port()}"
    if name == "nexus-gateway":
        public = gateways.listener(address=address, max_connections=count + RESERVE, timeouts={"keep_alive": "10m"})
        server = gateways.Gateway(folder, gateways.settings(upstream, listeners=[public], admin="off"), [gateways.route()]).start()
        pids = [server.pid]
    else:
        server = {"nginx": peers.nginx_proxy, "haproxy": peers.haproxy_proxy}[name](folder, address, upstream)
        pids = server.pids
        # HAProxy takes two descriptors for each of its maxconn, nginx has worker_connections.
        count = min(count, 9_500)
    try:
        result = idle(address, pids, count)
        result["growth"] = growth(address, pids, requests)
        return result
    finally:
        server.stop()


if __name__ == "__main__":
    main()
