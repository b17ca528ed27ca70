"""Health, metrics, access log, and the listener they belong to."""

import json
import re
import signal

import pytest
from prometheus_client import parser as prometheus
from prometheus_client.openmetrics import parser as openmetrics

from harness import sockets
from harness.gateway import OPERATIONS, listener, route, settings
from harness.wire import Wire, get, once

PRODUCT = route("product", "/products/{id}")


@pytest.fixture(scope="module")
def gateway(shared_stage):
    return shared_stage.gateway(settings(shared_stage.backend().address), [*OPERATIONS, PRODUCT])


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/actuator/health/liveness", "/actuator/health/readiness"])
@pytest.mark.parametrize("listener_name", ["public", "admin"])
def test_health(gateway, path, listener_name):
    assert once(gateway.listeners[listener_name], get(path)).status == 200


def test_metrics_stay_on_the_admin_listener(gateway):
    assert once(gateway.address, get("/metrics")).status == 404
    assert once(gateway.admin, get("/metrics")).status == 200
    assert once(gateway.admin, get("/products/1")).status == 404


def scrape(gateway, accept: str = ""):
    reply = once(gateway.admin, get("/metrics", *([f"Accept: {accept}"] if accept else [])))
    assert reply.status == 200
    return reply


def samples(gateway) -> list:
    families = list(openmetrics.text_string_to_metric_families(scrape(gateway, "application/openmetrics-text").body.decode()))
    return [sample for family in families for sample in family.samples]


def test_openmetrics_when_accepted(gateway):
    once(gateway.address, get("/products/1"))
    reply = scrape(gateway, "application/openmetrics-text; version=1.0.0, text/plain;q=0.5")
    assert reply.field("content-type").startswith("application/openmetrics-text; version=1.0.0")
    text = reply.body.decode()
    assert text.endswith("# EOF\n")
    families = list(openmetrics.text_string_to_metric_families(text))
    assert len(families) > 5
    for family in families:
        assert family.documentation, f"{family.name} has no HELP"


def test_prometheus_text_otherwise(gateway):
    for accept in ("", "text/plain", "*/*"):
        reply = scrape(gateway, accept)
        assert reply.field("content-type").startswith("text/plain") and "# EOF" not in reply.body.decode()
        assert len(list(prometheus.text_string_to_metric_families(reply.body.decode()))) > 5


def count(gateway, **labels: str) -> float:
    return sum(
        sample.value for sample in samples(gateway)
        if sample.name == "nexus_requests_total" and all(sample.labels.get(name) == value for name, value in labels.items())
    )


def test_requests_are_counted_by_route_and_not_by_path(gateway):
    before, series = count(gateway, route="/products/{id}"), len(samples(gateway))
    with Wire(gateway.address) as wire:
        for number in range(100):
            assert wire.ask(get(f"/products/{number}")).status == 200
    sockets.wait_until(lambda: count(gateway, route="/products/{id}") == before + 100, 3, "100 requests counted")
    assert len(samples(gateway)) - series < 40, "distinct paths must not make series"


def test_latency_is_a_histogram_with_consistent_buckets(gateway):
    once(gateway.address, get("/products/1"))
    buckets = [sample for sample in samples(gateway) if sample.name == "nexus_request_seconds_bucket" and sample.labels.get("route") == "/products/{id}"]
    values = [sample.value for sample in buckets]
    assert buckets and values == sorted(values) and buckets[-1].labels["le"] == "+Inf"


def test_refused_input_is_counted(gateway):
    errors = lambda: sum(sample.value for sample in samples(gateway) if sample.name == "nexus_http_parse_errors_total")  # noqa: E731
    before = errors()
    for _ in range(5):
        assert once(gateway.address, b"GET / HTTP/1.1\r\n\r\n").status == 400
    sockets.wait_until(lambda: errors() >= before + 5, 3, "five parse errors counted")


def test_access_log_lines_are_json(stage):
    path = stage.folder / "access.log"
    gateway = stage.gateway(settings(stage.backend().address, access_log={"path": str(path), "format": "json"}), [PRODUCT])
    with Wire(gateway.address) as wire:
        for number in range(50):
            wire.ask(get(f"/products/{number}?card=1", f"Correlation-Id: c-{number}", 'User-Agent: "quoted\\" \xe9'))
    assert once(gateway.address, get("/none%22%5C")).status == 404
    once(gateway.address, get('/quoted"x\\y'))
    once(gateway.address, b"\x00\x01\x02 / HTTP/1.1\r\n\r\n")
    sockets.wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= 51, 5, "51 lines")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    first = next(line for line in lines if line["correlationId"] == "c-7")
    assert first["status"] == 200 and first["method"] == "GET" and first["route"] == "product"
    assert first["path"].startswith("/products/7")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", first["timestamp"])
    assert any(line["status"] == 404 for line in lines)


def test_the_log_is_reopened_on_sigusr1(stage):
    path = stage.folder / "access.log"
    gateway = stage.gateway(settings(stage.backend().address, access_log={"path": str(path), "format": "json"}))
    once(gateway.address, get("/one"))
    sockets.wait_until(lambda: path.exists() and b"/one" in path.read_bytes(), 5, "the first line")
    path.rename(path.with_suffix(".1"))
    gateway.signal(signal.SIGUSR1)
    sockets.wait_until(path.exists, 3, "a new file")
    once(gateway.address, get("/two"))
    sockets.wait_until(lambda: b"/two" in path.read_bytes(), 5, "the line in the new file")
    assert b"/two" not in path.with_suffix(".1").read_bytes()


def test_admin_can_be_off_and_elsewhere(stage):
    off = stage.gateway(settings(stage.backend().address, admin="off"))
    assert set(off.listeners) == {"public"} and once(off.address, get("/")).status == 200
    path = f"unix:{stage.folder}/admin.sock"
    elsewhere = stage.gateway(settings(stage.backend().address, listeners=[listener()], admin={"address": path}), [*OPERATIONS, route()])
    assert once(path, get("/health/live")).status == 200
    assert elsewhere.admin == path
