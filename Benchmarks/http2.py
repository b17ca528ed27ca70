#!/usr/bin/env python3
"""CPU per request over HTTP/2, beside HAProxy, nginx and nghttpx: what browsers send, and unary gRPC.

`tls`: HTTP/2 over TLS 1.3 (8 connections of 32 streams) to an HTTP/1.1 back end (nginx, 1 KiB JSON).
`grpc`: HTTP/2 without TLS on both sides, 30 bytes up, 40 bytes and trailers down (nghttpd).
As in `proxy.py`: a bare reverse proxy with one worker on core 0, back end and h2load on core 1, interleaved
rounds, and each must forward correctly (status, body, trailers) before anything is measured.
"""

import argparse
import pathlib
import re
import subprocess
import sys

import measure
import proxy
from harness import gateway as gateways
from harness import peers, sockets
from harness.certificates import Authority, Pair

NAMES = ("nexus-gateway", "haproxy", "nginx", "nghttpx")
# The gateway's figure over HAProxy's in the same run.
BARS = {"tls": 0.8, "grpc": 0.6}
CALL, ANSWER, METHOD = b"\0\0\0\0\x19" + b"q" * 25, b"\0\0\0\0\x23" + b"a" * 35, "/shop.Products/Get.call"
GRPC = ("-H", "content-type: application/grpc", "-H", "te: trailers")
SUITE, CURVES = "TLS_AES_128_GCM_SHA256", "X25519:P-256:P-384"


def nexus(folder: pathlib.Path, address: str, upstream: str, pair: Pair | None) -> gateways.Gateway:
    tls = {"tls": {"certificates": [pair.settings], "profile": "modern"}} if pair else {}
    # As many idle connections as the others may keep.
    clusters = {"up": {"pool": {"idle": 256}} if pair else {"protocol": "http2"}}
    config = gateways.settings(upstream, listeners=[gateways.listener(address=address, **tls)], clusters=clusters, admin="off")
    return gateways.Gateway(folder, config, [gateways.route()], cpu=proxy.PROXY_CPU).start()


def haproxy(folder: pathlib.Path, address: str, upstream: str, pair: Pair | None) -> peers.Process:
    secure = " proto h2"
    if pair:
        both = folder / "both.pem"
        both.write_bytes(pair.chain.read_bytes() + pair.key.read_bytes())
        secure = f" ssl crt {both} alpn h2 ssl-min-ver TLSv1.3 ciphersuites {SUITE} curves {CURVES}"
    text = f"""global
  nbthread 1
  maxconn 9900
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
  http-reuse always
frontend public
  bind {address}{secure}
  default_backend up
backend up
  server one {upstream} pool-max-conn 256{"" if pair else " proto h2"}
"""
    return peers.haproxy(folder, text, address, proxy.PROXY_CPU)


def nginx(folder: pathlib.Path, address: str, upstream: str, pair: Pair | None) -> peers.Process:
    secure = f"""
    ssl_certificate {pair.chain};
    ssl_certificate_key {pair.key};
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites {SUITE};
    ssl_ecdh_curve {CURVES};""" if pair else ""
    onward = """proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_max_temp_file_size 0;""" if pair else "grpc_pass grpc://backend;"
    text = peers.NGINX_HEAD.format(folder=folder) + f"""
  upstream backend {{
    server {upstream};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {address}{" ssl" if pair else ""} http2 backlog=4096;{secure}
    location / {{
      {onward}
    }}
  }}
}}
"""
    return peers.nginx(folder, text, address, proxy.PROXY_CPU)


def nghttpx(folder: pathlib.Path, address: str, upstream: str, pair: Pair | None) -> peers.Process:
    front, back = (each.replace(":", ",") for each in (address, upstream))
    command = [
        peers.tool("nghttpx"), f"--conf={folder / 'absent.conf'}", "--workers=1", "--accesslog-file=/dev/null", "--no-ocsp", "--backend-keep-alive-timeout=5m",
        f"--frontend={front}{'' if pair else ';no-tls'}", f"--backend={back};;proto={'http/1.1' if pair else 'h2'}",
    ]
    if pair:
        command += ["--tls-min-proto-version=TLSv1.3", f"--tls13-ciphers={SUITE}", f"--ecdh-curves={CURVES}", str(pair.key), str(pair.chain)]
    return peers.Process(command, address, proxy.PROXY_CPU, folder)


class Contestant:
    """One proxy, started. Without a certificate pair it is the gRPC one."""

    def __init__(self, name: str, folder: pathlib.Path, upstream: str, pair: Pair | None):
        folder.mkdir()
        self.name, self.address = name, f"127.0.0.1:{sockets.free_port()}"
        start = {"nexus-gateway": nexus, "haproxy": haproxy, "nginx": nginx, "nghttpx": nghttpx}[name]
        self.server = start(folder, self.address, upstream, pair)
        self.pids = [self.server.pid] if name == "nexus-gateway" else self.server.pids
        self.scheme = "https" if pair else "http"
        self.file = folder / "call"
        self.file.write_bytes(CALL)

    def stop(self) -> None:
        self.server.stop()


def ask(contestant: Contestant) -> tuple[str, bytes, str]:
    """(status, body, fields and trailers) as a client saw them that speaks nothing but HTTP/2."""
    if contestant.scheme == "https":
        shown = contestant.file.with_suffix(".head")
        done = subprocess.run([peers.tool("curl"), "-s", "--noproxy", "*", "--max-time", "10", "--http2", "-k", "-D", str(shown), f"https://{contestant.address}/api/products/1"], capture_output=True)
        head = shown.read_text() if shown.exists() else ""
        return head.split("\n", 1)[0].strip().removeprefix("HTTP/2 "), done.stdout, head
    # curl does not show trailers.
    call = [peers.tool("nghttp"), "--timeout=10", *GRPC, "-d", str(contestant.file), f"http://{contestant.address}{METHOD}"]
    body = subprocess.run(call, capture_output=True, timeout=20).stdout
    said = subprocess.run([*call, "-v", "-n"], capture_output=True, text=True, timeout=20).stdout
    fields = "\n".join(re.findall(r"recv \(stream_id=\d+\) (.*)", said))
    status = re.search(r"(?m)^:status: (\d+)", fields)
    return status.group(1) if status else "none", body, fields


def verify(contestant: Contestant) -> None:
    """Forwards correctly before anything is measured."""
    for _ in range(3):
        status, body, fields = ask(contestant)
        wanted = proxy.BODY.encode() if contestant.scheme == "https" else ANSWER
        ends = contestant.scheme == "https" or re.search(r"(?m)^grpc-status: 0$", fields)
        if status != "200" or body != wanted or not ends:
            raise SystemExit(f"{contestant.name} does not forward: {status!r} {body[:100]!r} {fields!r}")


def one_round(contestant: Contestant, seconds: float) -> dict:
    meter = measure.Meter(contestant.pids)
    command = [peers.tool("taskset"), "-c", str(proxy.OTHER_CPU), peers.tool("h2load"), "-c", "8", "-m", "32", "-t", "1", "-D", str(max(1, round(seconds)))]
    if contestant.scheme == "https":
        command += [f"https://{contestant.address}/api/products/OLJCESPC7Z"]
    else:
        command += [*GRPC, "-d", str(contestant.file), f"http://{contestant.address}{METHOD}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    cpu, kernel = meter.stop()
    said = re.search(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", done.stdout)
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", done.stdout)
    if done.returncode or not said or not codes:
        raise SystemExit(f"{contestant.name}: h2load failed: {done.stdout}{done.stderr}")
    succeeded = int(said.group(2))
    others = sum(int(codes.group(n)) for n in (2, 3, 4))
    if not succeeded or others or int(said.group(3)):
        raise SystemExit(f"{contestant.name}: not every request succeeded: {said.group(0)}; {codes.group(0)}")
    return {"us": cpu / succeeded * 1e6, "kernel": kernel, "rate": succeeded / max(1, round(seconds))}


def compare(what: str, names: list[str], folder: pathlib.Path, pair: Pair, rounds: int, seconds: float) -> dict:
    upstream = f"127.0.0.1:{sockets.free_port()}"
    secure = pair if what == "tls" else None
    if secure:
        origin = peers.nginx_origin(folder / "origin", upstream, proxy.BODY.encode(), cpu=proxy.OTHER_CPU)
    else:
        file = folder / "files" / METHOD.lstrip("/")
        file.parent.mkdir(parents=True)
        file.write_bytes(ANSWER)
        port = upstream.rpartition(":")[2]
        types = folder / "types"
        types.write_text("application/grpc call\n")
        command = [peers.tool("nghttpd"), "--no-tls", "--address=127.0.0.1", "--trailer=grpc-status: 0", "--max-concurrent-streams=1000", f"--mime-types-file={types}", "-d", str(folder / "files"), port]
        origin = peers.Process(command, upstream, proxy.OTHER_CPU, folder)
    contestants: list[Contestant] = []
    try:
        for name in names:
            contestants.append(Contestant(name, folder / f"{what}-{name}", upstream, secure))
        for contestant in contestants:
            verify(contestant)
            one_round(contestant, 1)
        figures: dict[str, list[dict]] = {name: [] for name in names}
        for number in range(rounds):
            for contestant in contestants:
                figures[contestant.name].append(one_round(contestant, seconds))
            print(f"{what} round {number + 1}: " + ", ".join(f"{name} {each[-1]['us']:.2f}" for name, each in figures.items()), flush=True)
    finally:
        for contestant in contestants:
            contestant.stop()
        origin.stop()
    return {"rounds": figures, "summary": summary(figures)}


def summary(figures: dict[str, list[dict]]) -> dict:
    """Per contestant: the figure's spread, and its ratio to HAProxy and to the best of the references, each round's own ratio (paired) beside that of the medians."""
    result = {}
    us = {name: [one["us"] for one in each] for name, each in figures.items()}
    references = [each for name, each in us.items() if name != NAMES[0]]
    for name, each in figures.items():
        result[name] = {"us": measure.spread(us[name])} | {key: measure.spread([one[key] for one in each])["median"] for key in ("kernel", "rate")}
        against = {"haproxy": [us["haproxy"]] if "haproxy" in us else [], "best": references}
        for title, others in against.items():
            if not others:
                continue
            medians = [measure.spread(other)["median"] for other in others]
            paired = [mine / min(theirs) for mine, *theirs in zip(us[name], *others)]
            result[name][title] = {"ratio": result[name]["us"]["median"] / min(medians), "paired": measure.spread(paired)["median"]}
    return result


def table(what: str, result: dict) -> str:
    lines = [f"\n| {what}: CPU µs/request | median | min | max | to HAProxy | paired | to the best | paired | kernel | requests/s |", "|---|---|---|---|---|---|---|---|---|---|"]
    for name, one in result.items():
        ratios = " | ".join(f"{one[title][key]:.3f}" if title in one else "–" for title in ("haproxy", "best") for key in ("ratio", "paired"))
        lines.append(f"| {name} | {one['us']['median']:.2f} | {one['us']['min']:.2f} | {one['us']['max']:.2f} | {ratios} | {one['kernel']:.0%} | {one['rate']:,.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=list(BARS), help="tls, grpc (default: both)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="per round and proxy")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--json", help="write the figures there")
    parser.add_argument("--bar", action="store_true", help="exit 1 unless the gateway's paired ratio to HAProxy is within " + ", ".join(f"{bar} ({what})" for what, bar in BARS.items()))
    options = parser.parse_args()
    if unknown := set(options.what) - set(BARS):
        parser.error(f"no such comparison: {', '.join(sorted(unknown))}")

    print(f"{measure.describe()}; " + "; ".join(measure.version(name) for name in ("nginx", "haproxy", "nghttpx")))
    print(f"{options.rounds} rounds x {options.seconds:g} s, 8 connections x 32 streams, proxy on core {proxy.PROXY_CPU}, back end and h2load on core {proxy.OTHER_CPU}")
    results: dict = {"machine": measure.machine()}
    with measure.workplace() as place:
        authority = Authority(pathlib.Path(place))
        pair = authority.issue("localhost", "DNS:localhost", "IP:127.0.0.1")
        for what in options.what:
            folder = pathlib.Path(place) / what
            folder.mkdir()
            results[what] = compare(what, options.only, folder, pair, options.rounds, options.seconds)
    above = []
    for what in options.what:
        result = results[what]["summary"]
        print(table(what, result))
        ratio = result.get(NAMES[0], {}).get("haproxy", {}).get("paired")
        if ratio and ratio > BARS[what]:
            above.append(f"{what}: {ratio:.3f} is above {BARS[what]}")
    measure.publish(results, options.json)
    if options.bar and above:
        sys.exit("; ".join(above))


if __name__ == "__main__":
    main()
