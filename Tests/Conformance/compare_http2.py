"""How other servers fare on the HTTP/2 corpus: `python3 Tests/Conformance/compare_http2.py [nginx] [haproxy] [nghttpx] [gateway]`.

It validates the corpora, their client and their upstream on independent servers, and shows where strictness
differs: first as servers of HTTP/2, then as its clients (nginx has no HTTP/2 upstreams). `gateway` is the one
of this tree.
"""

import pathlib
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1])]

import h2answers  # noqa: E402
import h2judge  # noqa: E402
from h2corpus import CASES  # noqa: E402

from harness import gateway, peers, sockets  # noqa: E402
from harness.certificates import Authority  # noqa: E402
from harness.http2_ends import Upstream  # noqa: E402
from harness.recorder import Recorder  # noqa: E402
from harness.secure import trusting  # noqa: E402


def nginx(folder: pathlib.Path, address: str, upstream: str):
    """HTTP/2 over TLS."""
    pair = Authority(folder).issue("shop", "DNS:shop.example")
    return peers.nginx(folder, peers.NGINX_HEAD.format(folder=folder) + f"""
  ssl_certificate {pair.chain};
  ssl_certificate_key {pair.key};
  upstream backend {{ server {upstream}; keepalive 16; }}
  server {{
    listen {address} ssl http2;
    client_max_body_size 0;
    proxy_request_buffering off;
    location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_next_upstream off; }}
  }}
}}
""", address)


def haproxy(folder: pathlib.Path, address: str, upstream: str, protocol: str = ""):
    return peers.haproxy(folder, f"""global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 1s
  retries 0
  http-reuse always
frontend public
  bind {address}
  default_backend up
backend up
  server one {upstream} {protocol and 'proto h2'}
""", address)


def nghttpx(folder: pathlib.Path, address: str, upstream: str, protocol: str = ""):
    host, port = address.split(":")
    there = upstream.replace(":", ",")
    command = [peers.tool("nghttpx"), f"--frontend={host},{port};no-tls", f"--backend={there};;{protocol and 'proto=h2'}", "--backend-read-timeout=1s", "--workers=1", "--conf=/dev/null", "--log-level=FATAL"]
    return peers.Process(command, address, None, folder)


class Ours:
    """The gateway with the shape of a peer."""

    def __init__(self, folder: pathlib.Path, _: str, upstream: str, protocol: str = "http1"):
        route = gateway.route(body_limit="64MiB", retries=0, timeouts={"first_byte": "1s", "stream_idle": "1s"})
        self.gateway = gateway.Gateway(folder, gateway.settings(upstream, clusters={"up": {"protocol": protocol}}), [route]).start()
        self.address = self.gateway.address

    def stop(self) -> None:
        self.gateway.kill()


SERVERS = {"nginx": (nginx, True), "haproxy": (haproxy, False), "nghttpx": (nghttpx, False), "gateway": (Ours, False)}


def main(names: list[str]) -> None:
    h2judge.PATIENCE = 1.0
    summary = []
    for name in names or ["nginx", "haproxy", "nghttpx"]:
        make, secure = SERVERS[name]
        with tempfile.TemporaryDirectory() as folder, Recorder(h2judge.play_backend) as backend:
            server = make(pathlib.Path(folder), f"127.0.0.1:{sockets.free_port()}", backend.address)
            try:
                summary.append(report(name, server.address, backend, trusting(None, alpn=("h2",)) if secure else None))
            finally:
                server.stop()
        if name != "nginx":
            summary.append(answers(name, make))
    print("\n".join(summary))


def report(name: str, address: str, backend: Recorder, tls) -> str:
    universal = particular = 0
    for case in CASES:
        try:
            verdict = h2judge.play(case, address, backend, tls)
        except OSError as error:
            verdict = h2judge.Verdict("dead", [], [f"no connection: {error}"], [])
        universal += bool(verdict.universal)
        particular += bool(verdict.particular and not verdict.universal)
        for word, wrong in (("", verdict.universal), ("(particular) ", verdict.particular)):
            if wrong:
                print(f"{name}: {case.name} [{case.rfc}]: {word}{'; '.join(wrong)[:300]}", flush=True)
    return f"{name}: {len(CASES)} cases, {universal} break the universal rule, {particular} differ in particular"


def answers(name: str, make) -> str:
    """A fresh server for each answer: some shun an upstream for a while after a fault. 5xx and aborts count alike."""
    broken = 0
    for answer in h2answers.ANSWERS:
        for ask in (h2answers.over_http1, h2answers.over_http2):
            with tempfile.TemporaryDirectory() as folder, Upstream(h2answers.play, lenient=True) as upstream:
                server = make(pathlib.Path(folder), f"127.0.0.1:{sockets.free_port()}", upstream.address, "http2")
                try:
                    seen = ask(server.address, answer)
                finally:
                    server.stop()
            refused = "pass" not in answer.ends and (seen.end[:1] in "45" or seen.end in ("abort", "none", "closed"))
            wrong = seen.violations + upstream.violations if refused else seen.wrong(answer) + upstream.violations
            if wrong:
                broken += 1
                print(f"{name} {ask.__name__} {answer}: {'; '.join(wrong)[:300]}", flush=True)
    return f"{name} as a client of HTTP/2: {2 * len(h2answers.ANSWERS)} answers, {broken} wrong"


if __name__ == "__main__":
    main(sys.argv[1:])
