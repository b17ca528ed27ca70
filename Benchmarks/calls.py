#!/usr/bin/env python3
"""CPU per call: the same gRPC method proxied as it is, and called in JSON.

One gateway with one worker on core 0; nginx as the service (HTTP/2 without TLS, a cart of three products, trailers)
and h2load (8 connections of 32 streams) on core 1; interleaved rounds. Each way must answer correctly before
anything is measured.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

import measure
import proxy
from harness import gateway as gateways
from harness import peers, sockets

METHOD = "hipstershop.CartService/GetCart"
CART = {"userId": "user-1", "items": [{"productId": f"OLJCESPC7{i}", "quantity": i + 1} for i in range(3)]}
ITEMS = b"".join(b"\x12\x0e\x0a\x0aOLJCESPC7" + bytes([48 + i]) + b"\x10" + bytes([i + 1]) for i in range(3))
MESSAGE = b"\x0a\x06user-1" + ITEMS
# What a call in JSON may cost, times a proxied one.
BAR = 2.0


def frame(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


# The same question, three ways: h2load's arguments.
WAYS = {
    "grpc": lambda folder: ["-H", "content-type: application/grpc", "-H", "te: trailers", "-d", str(folder / "frame"), f"/{METHOD}"],
    "get": lambda folder: ["/api/cart/user-1"],
    "post": lambda folder: ["-H", "content-type: application/json", "-d", str(folder / "json"), "/api/cart"],
}


def service(folder: pathlib.Path, address: str) -> peers.Process:
    file = folder / "files" / METHOD
    file.parent.mkdir(parents=True)
    file.write_bytes(frame(MESSAGE))
    text = peers.NGINX_HEAD.format(folder=folder) + f"""
  server {{
    listen {address} http2 backlog=4096;
    root {folder}/files;
    location / {{
      default_type application/grpc;
      # A file is served for GET alone.
      error_page 405 =200 $uri;
      add_trailer grpc-status 0;
    }}
  }}
}}
"""
    return peers.nginx(folder, text, address, proxy.OTHER_CPU)


def gateway(folder: pathlib.Path, address: str, upstream: str) -> gateways.Gateway:
    call = {"target": {"cluster": "up"}, "transcode": {"method": METHOD}}
    routes = [
        {"name": "grpc", "match": {"grpc": METHOD}, "target": {"cluster": "up"}},
        {"name": "get", "match": {"method": "GET", "path": "/api/cart/{userId}"}, **call},
        {"name": "post", "match": {"method": "POST", "path": "/api/cart"}, **call},
    ]
    config = gateways.settings(
        upstream, listeners=[gateways.listener(address=address)], clusters={"up": {"protocol": "http2"}}, admin="off",
        contracts={"descriptors": str(gateways.ROOT / "contracts/descriptors.binpb")})
    return gateways.Gateway(folder, config, routes, cpu=proxy.PROXY_CPU).start()


def verify(way: str, folder: pathlib.Path, address: str) -> None:
    *options, path = WAYS[way](folder)
    done = subprocess.run([peers.tool("nghttp"), "--timeout=10", *options, f"http://{address}{path}"], capture_output=True, timeout=20)
    if not (done.stdout == frame(MESSAGE) if way == "grpc" else json.loads(done.stdout or b"null") == CART):
        raise SystemExit(f"{way} does not answer: {done.stdout[:200]!r} {done.stderr[:200]!r}")


def one_round(way: str, folder: pathlib.Path, address: str, pid: int, seconds: float) -> dict:
    *options, path = WAYS[way](folder)
    meter = measure.Meter([pid])
    command = [peers.tool("taskset"), "-c", str(proxy.OTHER_CPU), peers.tool("h2load"), "-c", "8", "-m", "32", "-t", "1", "-D", str(max(1, round(seconds)))]
    done = subprocess.run([*command, *options, f"http://{address}{path}"], capture_output=True, text=True, timeout=seconds + 60)
    cpu, kernel = meter.stop()
    said = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", done.stdout)
    if done.returncode or not said or not int(said.group(2)) or int(said.group(3)):
        raise SystemExit(f"{way}: h2load failed: {done.stdout}{done.stderr}")
    return {"us": cpu / int(said.group(2)) * 1e6, "kernel": kernel, "rate": int(said.group(2)) / max(1, round(seconds))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="per round and way")
    parser.add_argument("--json", help="write the figures there")
    parser.add_argument("--bar", action="store_true", help=f"exit 1 unless calls in JSON cost at most {BAR} proxied ones")
    options = parser.parse_args()
    print(f"{measure.describe()}; {measure.version('nginx')}")
    subprocess.run([gateways.ROOT / "contracts/compile"], check=True)
    figures: dict[str, list[dict]] = {way: [] for way in WAYS}
    with measure.workplace() as place:
        folder = pathlib.Path(place)
        (folder / "frame").write_bytes(frame(b"\x0a\x06user-1"))
        (folder / "json").write_text('{"userId":"user-1"}')
        upstream, address = (f"127.0.0.1:{sockets.free_port()}" for _ in range(2))
        origin = service(folder, upstream)
        server = None
        try:
            server = gateway(folder / "gateway", address, upstream)
            for way in WAYS:
                verify(way, folder, address)
                one_round(way, folder, address, server.pid, 1)
            for number in range(options.rounds):
                for way in WAYS:
                    figures[way].append(one_round(way, folder, address, server.pid, options.seconds))
                print(f"round {number + 1}: " + ", ".join(f"{way} {each[-1]['us']:.2f}" for way, each in figures.items()), flush=True)
        finally:
            if server:
                server.stop()
            origin.stop()
    print("\n| CPU µs/call | median | min | max | to a proxied one | paired | kernel | calls/s |\n|---|---|---|---|---|---|---|---|")
    above = []
    for way, each in figures.items():
        us = measure.spread([one["us"] for one in each])
        ratio = us["median"] / measure.spread([one["us"] for one in figures["grpc"]])["median"]
        paired = measure.spread([one["us"] / other["us"] for one, other in zip(each, figures["grpc"])])["median"]
        kernel, rate = (measure.spread([one[key] for one in each])["median"] for key in ("kernel", "rate"))
        print(f"| {way} | {us['median']:.2f} | {us['min']:.2f} | {us['max']:.2f} | {ratio:.3f} | {paired:.3f} | {kernel:.0%} | {rate:,.0f} |")
        if paired > BAR:
            above.append(f"{way}: {paired:.3f} is above {BAR}")
    measure.publish({"machine": measure.machine(), "rounds": figures}, options.json)
    if options.bar and above:
        sys.exit("; ".join(above))


if __name__ == "__main__":
    main()
