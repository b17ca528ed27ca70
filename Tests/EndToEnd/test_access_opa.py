"""Whom the policies ask outside: OPA's REST API, spoken by a process of its own; whatever goes wrong is a refusal."""

import collections
import contextlib
import http.server
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from harness.gateway import OPERATIONS, route, settings
from harness.tokens import Issuer

ANSWERS = {
    "yes": (200, b'{"result":true}'), "no": (200, b'{"result":false}'), "object": (200, b'{"result":{"allow":true,"reason":"x"}}'),
    "undefined": (200, b"{}"), "text": (200, b'{"result":"true"}'), "html": (200, b"<html>"), "error": (500, b'{"result":true}'),
    "created": (201, b'{"result":true}'), "huge": (200, b'{"result":true,"x":"' + b"a" * 100_000 + b'"}'), "twice": (200, b'{"result":false,"result":true}'),
}


class Agent:
    """Answers by the first part of the subject's name, and remembers what it was asked."""

    def __init__(self):
        self.asked: list[dict] = []
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["content-length"]))
                question = json.loads(text)
                agent.asked.append({"path": self.path, "fields": {name.lower(): value for name, value in self.headers.items()}, "text": text.decode(), **question})
                kind = question["input"]["principal"]["subject"].split("-")[0]
                if kind == "slow":
                    time.sleep(1.5)
                if kind == "brief":
                    time.sleep(0.2)
                if kind == "cut":
                    self.close_connection = True
                    return
                status, body = ANSWERS.get(kind, ANSWERS["yes"])
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # whoever asked has not waited
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_address[1]}"

    def asked_about(self, subject: str) -> list[dict]:
        return [each for each in self.asked if each["input"]["principal"]["subject"] == subject]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def agent():
    made = Agent()
    yield made
    made.close()


@pytest.fixture(scope="module")
def issuer(tmp_path_factory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, shared_stage, issuer, agent):
    policies = tmp_path_factory.mktemp("policies") / "opa.yaml"
    rules = [{"name": "staff", "allow": {"roles": ["STAFF"]}}, {"name": "banned", "deny": {"roles": ["BANNED"]}}]
    policies.write_text(json.dumps({"policies": [{"name": "outside", "opa": True}, {"name": "mixed", "opa": True, "rules": rules}]}))
    backend = shared_stage.backend()
    config = settings(
        backend.address, identity={"issuers": [issuer.settings]},
        access={"policies": str(policies), "opa": {"cluster": "opa", "path": "/v1/data/nexus/allow", "timeout": "700ms", "cache": "1m"}},
        clusters={"up": {"endpoints": [backend.address]}, "opa": {"endpoints": [agent.address], "ejection": "off"}})
    return shared_stage.gateway(
        config,
        [
            route("outside", "/outside/{thing}", stages={"identify": "required", "authorize": "outside"}),
            route("mixed", "/mixed", stages={"identify": "required", "authorize": "mixed"}),
            *OPERATIONS,
        ])


def ask(gateway, issuer, subject: str, *roles: str, path: str = "/outside/a", **more) -> httpx.Response:
    return httpx.get(f"{gateway.url}{path}", headers=issuer.bearer(subject, *roles, **more), timeout=10)


@pytest.mark.parametrize(
    "kind, status",
    [("yes", 200), ("object", 200), ("no", 403)]
    + [(each, 503) for each in ("undefined", "text", "html", "error", "created", "huge", "twice", "slow", "cut")],
)
def test_only_a_plain_yes_gets_in(gateway, issuer, agent, kind, status):
    began = time.monotonic()
    reply = ask(gateway, issuer, f"{kind}-1")
    assert reply.status_code == status, reply.text
    assert time.monotonic() - began < 1.4, "nobody waits longer than the time of a question"
    if status == 503:
        assert reply.json()["code"] == "UPSTREAM_UNAVAILABLE" and int(reply.headers["retry-after"]) >= 1
    # A yes and a no are remembered, for these and no others; what was no answer is asked again.
    before = len(agent.asked_about(f"{kind}-1"))
    if kind not in ("slow", "cut"):
        assert ask(gateway, issuer, f"{kind}-1").status_code == status
        assert len(agent.asked_about(f"{kind}-1")) == before + (1 if status == 503 else 0)


def test_what_is_asked_says_who_and_nothing_secret(gateway, issuer, agent):
    assert ask(gateway, issuer, "yes-2", "A", "B", path="/outside/x%2Fy?secret=1", scope="r w", tenant="acme").status_code == 200
    asked = agent.asked_about("yes-2")[0]
    assert asked["path"] == "/v1/data/nexus/allow" and asked["fields"]["content-type"] == "application/json"
    assert asked["input"] == {
        "method": "GET", "path": "/outside/x%2Fy", "route": "outside", "parameters": {"thing": "x/y"},
        "principal": {
            "kind": "user", "subject": "yes-2", "issuer": "test", "roles": ["A", "B"], "scopes": ["r", "w"], "claims": {"tenant": "acme"}},
    }
    assert "secret" not in asked["text"] and "Bearer" not in asked["text"] and "authorization" not in asked["fields"]


def test_equal_questions_are_asked_once(gateway, issuer, agent):
    fields = issuer.bearer("brief-1")
    with ThreadPoolExecutor(20) as pool:
        got = list(pool.map(lambda _: httpx.get(f"{gateway.url}/outside/b", headers=fields, timeout=10).status_code, range(20)))
    assert collections.Counter(got) == {200: 20}
    assert len(agent.asked_about("brief-1")) == 1
    assert ask(gateway, issuer, "brief-1", path="/outside/c").status_code == 200
    assert len(agent.asked_about("brief-1")) == 2, "another path is another question"


def test_its_own_rules_come_first(gateway, issuer, agent):
    assert ask(gateway, issuer, "no-staff", "STAFF", path="/mixed").status_code == 200
    assert ask(gateway, issuer, "yes-banned", "BANNED", path="/mixed").status_code == 403
    assert not agent.asked_about("no-staff") and not agent.asked_about("yes-banned")
    assert ask(gateway, issuer, "no-3", path="/mixed").status_code == 403
    assert ask(gateway, issuer, "yes-3", path="/mixed").status_code == 200


def test_a_client_that_leaves_while_it_is_asked_for_leaves_nothing(gateway, issuer):
    for number in range(5):
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{gateway.url}/outside/d", headers=issuer.bearer(f"slow-{number}"), timeout=0.1)
    assert ask(gateway, issuer, "yes-4").status_code == 200
    time.sleep(0.8)
    metrics = httpx.get(f"http://{gateway.admin}/metrics", timeout=5).text
    assert "nexus_opa_waiting 0" in metrics
    assert 'nexus_opa_answers_total{result="allowed"}' in metrics and 'nexus_access_decisions_total{policy="outside",decision="deny"}' in metrics


def test_an_agent_that_is_away_lets_nobody_in(stage, issuer, tmp_path):
    policies = tmp_path / "opa.yaml"
    policies.write_text(json.dumps({"policies": [{"name": "outside", "opa": True}]}))
    backend = stage.backend()
    config = settings(
        backend.address, identity={"issuers": [issuer.settings]}, access={"policies": str(policies), "opa": {"cluster": "opa", "path": "/v1/data/x"}},
        clusters={"up": {"endpoints": [backend.address]}, "opa": {"endpoints": ["127.0.0.1:1"]}})
    gateway = stage.gateway(config, [route(stages={"identify": "required", "authorize": "outside"})])
    assert [ask(gateway, issuer, "yes", path="/").status_code for _ in range(3)] == [503] * 3
    assert not backend.requests
