#!/usr/bin/env python3
"""CPU per proxied HTTP/1.1 request when every request must say who asks: the gateway bare, with its policies and a
token it has seen before, and with its cache off, beside HAProxy `jwt_verify` and Envoy `jwt_authn`, in the same run.

The contestants stand and are loaded as in proxy.py; every request carries the same RS256 or ES256 token. `policies` is
shield + identify + authorize (by role) + two budgets. Envoy is measured when `NEXUS_ENVOY` names its binary.
Needs PyJWT and cryptography: run it with .venv/bin/python.
"""

import argparse
import datetime
import json
import os
import pathlib
import time

import jwt
import measure
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from harness import gateway as gateways
from harness import peers, sockets
from harness.wire import Wire, get
from proxy import BODY, OTHER_CPU, PROXY_CPU

ISSUER, AUDIENCE = "https://issuer.example", "nexus-gateway"
POLICY = "policies: [{ name: staff, rules: [{ name: role, allow: { roles: [STAFF] } }] }]\n"
BUDGETS = [{"name": name, "requests": 900_000_000, "per": "1m", "by": "principal"} for name in ("first", "second")]


class Issuer:
    """One key, one token that lasts for the run."""

    def __init__(self, folder: pathlib.Path, algorithm: str):
        folder.mkdir(parents=True)
        self.algorithm = algorithm
        key = rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else ec.generate_private_key(ec.SECP256R1())
        form = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm}[algorithm]
        public = json.loads(form.to_jwk(key.public_key())) | {"kid": "k1", "alg": algorithm, "use": "sig"}
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [public]}))
        self.pem = folder / "public.pem"
        self.pem.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=2)
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "exp": until, "roles": ["STAFF"]}
        self.token = jwt.encode(claims, key, algorithm, headers={"kid": "k1"})

    @property
    def settings(self) -> dict:
        return {"name": "shop", "issuer": ISSUER, "audiences": [AUDIENCE], "algorithms": [self.algorithm], "keys": {"file": str(self.jwks)}}


class Nexus:
    """`form`: bare | cached | uncached (identify alone) | policies."""

    def __init__(self, folder: pathlib.Path, upstream: str, issuer: Issuer, form: str):
        self.name = f"nexus-gateway {form}" + ("" if form in ("bare", "policies") else f" {issuer.algorithm}")
        more: dict = {}
        stages: dict = {}
        if form != "bare":
            more["identity"] = {"issuers": [issuer.settings]} | ({"tokens_in_memory": 0} if form == "uncached" else {})
            stages = {"identify": "required"}
        if form == "policies":
            (folder / "policies").mkdir(parents=True)
            (folder / "policies/staff.yaml").write_text(POLICY)
            more |= {"access": {"policies": [str(folder / "policies")]}, "limits": {"budgets": BUDGETS}}
            stages |= {"shield": {"requests": 900_000_000, "per": "1m"}, "authorize": "staff", "quota": ["first", "second"]}
        config = gateways.settings(upstream, workers=1, admin="off", **more)
        route = gateways.route(stages=stages) if stages else gateways.route()
        self.gateway = gateways.Gateway(folder, config, [route], cpu=PROXY_CPU).start()
        self.address, self.pids, self.asks = self.gateway.address, [self.gateway.pid], form != "bare"
        self.issuer = issuer

    def stop(self) -> None:
        self.gateway.stop()


class Peer:
    """HAProxy, which verifies every request's token, or Envoy, which may keep those it has verified."""

    asks = True

    def __init__(self, name: str, folder: pathlib.Path, upstream: str, issuer: Issuer):
        self.name, self.issuer, self.address = f"{name} {issuer.algorithm}", issuer, f"127.0.0.1:{sockets.free_port()}"
        self.process = self._haproxy(folder, upstream) if name == "haproxy" else self._envoy(folder, upstream)
        self.pids = self.process.pids

    def _haproxy(self, folder: pathlib.Path, upstream: str) -> peers.Process:
        return peers.haproxy(folder, f"""global
  nbthread 1
  maxconn 9900
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
  option http-keep-alive
  http-reuse always
frontend public
  bind {self.address}
  http-request set-var(txn.token) http_auth_bearer
  http-request deny unless {{ var(txn.token),jwt_header_query('$.alg') -m str {self.issuer.algorithm} }}
  http-request deny unless {{ var(txn.token),jwt_payload_query('$.iss') -m str {ISSUER} }}
  http-request deny unless {{ var(txn.token),jwt_payload_query('$.aud') -m str {AUDIENCE} }}
  http-request deny unless {{ var(txn.token),jwt_verify("{self.issuer.algorithm}","{self.issuer.pem}") -m int 1 }}
  default_backend up
backend up
  server one {upstream} pool-max-conn 256
""", self.address, PROXY_CPU)

    def _envoy(self, folder: pathlib.Path, upstream: str) -> peers.Process:
        def place(address: str) -> dict:
            host, _, port = address.rpartition(":")
            return {"socket_address": {"address": host, "port_value": int(port)}}

        provider = {
            "issuer": ISSUER, "audiences": [AUDIENCE], "local_jwks": {"filename": str(self.issuer.jwks)}, "forward": True,
            "jwt_cache_config": {"jwt_cache_size": 1000}}
        kind = "type.googleapis.com/envoy.extensions.filters."
        manager = {
            "@type": kind + "network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": "up"}}]}]},
            "http_filters": [
                {"name": "jwt", "typed_config": {
                    "@type": kind + "http.jwt_authn.v3.JwtAuthentication", "providers": {"shop": provider},
                    "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "shop"}}]}},
                {"name": "router", "typed_config": {"@type": kind + "http.router.v3.Router"}}]}
        config = {"static_resources": {
            "listeners": [{"address": place(self.address), "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}],
            "clusters": [{"name": "up", "type": "STATIC", "load_assignment": {"cluster_name": "up", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": place(upstream)}}]}]}}]}}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "envoy.json").write_text(json.dumps(config))
        command = [os.environ["NEXUS_ENVOY"], "-c", str(folder / "envoy.json"), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
        return peers.Process(command, self.address, PROXY_CPU, folder)

    def stop(self) -> None:
        self.process.stop()


def verify(contestant) -> None:
    """Lets the token's bearer in, and nobody else."""
    field = f"Authorization: Bearer {contestant.issuer.token}"
    with Wire(contestant.address) as wire:
        for request in (get("/a", field), get("/b?x=1", field)):
            reply = wire.ask(request)
            if reply.status != 200 or reply.body != BODY.encode():
                raise SystemExit(f"{contestant.name} does not forward: {reply.end} {reply.status} {reply.raw[:300]!r}")
    head, _, end = contestant.issuer.token.rpartition(".")
    for wrong in ("A: b", f"Authorization: Bearer {head}.{end[::-1]}"):
        with Wire(contestant.address) as wire:
            status = wire.ask(get("/a", wrong)).status
            if (status == 200) == contestant.asks:
                raise SystemExit(f"{contestant.name} answers {status} without a valid token")


def one_round(contestant, seconds: float, connections: int) -> float:
    meter = measure.Meter(contestant.pids)
    load = measure.wrk(
        f"http://{contestant.address}/api/products/OLJCESPC7Z", seconds, connections, cpu=OTHER_CPU,
        fields=(f"Authorization: Bearer {contestant.issuer.token}",))
    cpu, _ = meter.stop()
    if load.errors:
        raise SystemExit(f"{contestant.name}: {load.errors} errors under load")
    return cpu / load.requests * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="per round and contestant")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--json", help="write the figures there")
    options = parser.parse_args()
    contestants: list = []
    with measure.workplace() as place:
        folder = pathlib.Path(place)
        upstream = f"127.0.0.1:{sockets.free_port()}"
        origin = peers.nginx_origin(folder / "origin", upstream, BODY.encode(), cpu=OTHER_CPU)
        issuers = {algorithm: Issuer(folder / algorithm, algorithm) for algorithm in ("RS256", "ES256")}
        try:
            for form in ("bare", "cached", "policies"):
                contestants.append(Nexus(folder / form, upstream, issuers["RS256"], form))
            for algorithm, issuer in issuers.items():
                contestants.append(Nexus(folder / f"uncached-{algorithm}", upstream, issuer, "uncached"))
                contestants.append(Peer("haproxy", folder / f"haproxy-{algorithm}", upstream, issuer))
            if "NEXUS_ENVOY" in os.environ:
                contestants.append(Peer("envoy", folder / "envoy", upstream, issuers["RS256"]))
            for contestant in contestants:
                verify(contestant)
            print(f"{measure.describe()}; {measure.version('haproxy')}")
            for contestant in contestants:
                one_round(contestant, 1, options.connections)
            rounds: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
            for number in range(options.rounds):
                for contestant in contestants:
                    rounds[contestant.name].append(one_round(contestant, options.seconds, options.connections))
                    time.sleep(0.1)
                print(f"round {number + 1}: " + ", ".join(f"{name} {each[-1]:.2f}" for name, each in rounds.items()), flush=True)
        finally:
            for contestant in contestants:
                contestant.stop()
            origin.stop()
    print("\n| contestant | CPU µs/request: median | min | max | more than bare, paired |\n|---|---|---|---|---|")
    for name, each in rounds.items():
        us = measure.spread(each)
        more = measure.spread([one - bare for one, bare in zip(each, rounds["nexus-gateway bare"])])["median"]
        print(f"| {name} | {us['median']:.2f} | {us['min']:.2f} | {us['max']:.2f} | {more:+.2f} |")
    measure.publish({"machine": measure.machine(), "rounds": rounds}, options.json)


if __name__ == "__main__":
    main()
