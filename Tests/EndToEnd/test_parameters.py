"""Parameters of commands that the path calls something else, and tables that translate them; what `explain` and `routes`
say of them and of MQTT."""

import json
import pathlib

import pytest

from harness.gateway import ROOT, listener, settings
from harness.wire import get, once, post

DEVICES = {"name": "devices", "address": "127.0.0.1:0", "mqtt": {}}

ROUTES = [
    {
        "name": "delta",
        "match": {"method": "POST", "path": "/shelf/{sku}/delta"},
        "target": {"command": "inventory.adjust"},
        "parameters": {"productId": {"of": "sku", "by": "skus"}},
        "stages": {"inspect": {"schema": "command"}},
    },
    {
        "name": "stock",
        "match": {"method": "GET", "path": "/shelf/{sku}"},
        "target": {"query": "inventory.get"},
        "parameters": {"productId": {"of": "sku", "by": "skus"}},
    },
    {
        "name": "plain",
        "match": {"method": "GET", "path": "/stock/{thing}"},
        "target": {"query": "inventory.get"},
        "parameters": {"productId": {"of": "thing"}},
    },
    {"name": "in", "match": {"connect": "{client}"}, "target": {"topics": "session"}},
    {
        "name": "report",
        "match": {"publish": "iot/{sku}/delta"},
        "target": {"command": "inventory.adjust"},
        "parameters": {"productId": {"of": "sku", "by": "skus"}},
    },
    {"name": "own", "match": {"subscribe": "devices/{client}/{rest...}"}, "target": {"topics": "subscribe"}},
]


def config(skus: pathlib.Path, text: str, **over) -> dict:
    skus.write_text(text)
    schemas = {"command_schemas": str(ROOT / "contracts/commands"), "event_schemas": str(ROOT / "contracts/events")}
    return settings(contracts=schemas, tables={"skus": str(skus)}, **over)


def ask(gateway, request: bytes):
    reply = once(gateway.address, request)
    return reply.status, json.loads(reply.body or b"{}")


def test_a_table_translates(stage, tmp_path):
    skus = tmp_path / "skus.yaml"
    gateway = stage.gateway(config(skus, 'A-1: first\n"7": second\n'), ROUTES[:3])
    body = json.dumps({"delta": 5, "reason": "delivery", "ts": "2026-03-01T09:45:00Z"}).encode()
    assert ask(gateway, post("/shelf/A-1/delta", body, "Content-Type: application/json"))[0] == 202
    assert ask(gateway, get("/shelf/A-1"))[1]["onHand"] == 5
    assert ask(gateway, get("/stock/first"))[1]["onHand"] == 5
    # Written with percent signs it is the same text.
    assert ask(gateway, get("/shelf/%41-1"))[1]["onHand"] == 5
    for request in (post("/shelf/first/delta", body, "Content-Type: application/json"), get("/shelf/first"), get("/shelf/a-1")):
        status, problem = ask(gateway, request)
        assert (status, problem["code"], problem["fields"][0]["field"]) == (404, "NOT_FOUND", "/sku")
    # The body may say it too, and must then say the same.
    other = json.dumps({"productId": "second", "delta": 5, "reason": "delivery"}).encode()
    assert ask(gateway, post("/shelf/A-1/delta", other, "Content-Type: application/json"))[0] == 400
    skus.write_text("A-1: second\nB-1: first\n")
    gateway.reload()
    assert ask(gateway, get("/shelf/B-1"))[1]["onHand"] == 5
    assert ask(gateway, get("/shelf/A-1"))[0] == 404


@pytest.fixture
def files(stage, tmp_path):
    return stage.files(config(tmp_path / "skus.yaml", "A-1: first\n", listeners=[listener(), DEVICES]), ROUTES)


@pytest.mark.parametrize(
    "words, code, said",
    [
        (("publish", "iot/A-1/delta"), 0, ["route      report", "topic      iot/{sku}/delta", "sku = A-1", "target     command inventory.adjust", "parameter  productId is {sku} by the table skus"]),
        (("connect", "scale-7"), 0, ["route      in", "client     {client}", "client = scale-7", "target     topics"]),
        (("subscribe", "devices/d/#"), 0, ["route      own", "filter     devices/{client}/{rest...}", "rest = #"]),
        (("subscribe", "devices/#"), 1, ["no route   NO_ROUTE"]),
        (("subscribe", "iot/A-1/delta"), 1, ["no route   METHOD_NOT_ALLOWED, only for publish"]),
        (("POST", "/shelf/A-1/delta"), 2, ["'POST' is not connect, publish or subscribe"]),
    ],
)
def test_explain_knows_mqtt(files, words, code, said):
    done = files.run("explain", "--mqtt", *words)
    text = done.stdout + done.stderr
    assert done.returncode == code or (code == 2 and done.returncode > 1), text
    assert all(line in text for line in said), text


def test_explain_of_http_does_not(files):
    assert files.run("explain", "POST", "/shelf/A-1/delta").returncode == 0
    assert files.run("explain", "POST", "/iot/A-1/delta").returncode == 1


def test_routes_lists_them_and_openapi_does_not(files):
    text = files.run("routes").stdout
    assert "MQTT publish" in text and "iot/{sku}/delta" in text
    described = files.run("openapi")
    assert described.returncode == 0 and "/shelf/{sku}/delta" in described.stdout and "iot" not in described.stdout


def test_without_a_listener_mqtt_cannot_be_explained(stage, tmp_path):
    done = stage.files(config(tmp_path / "skus.yaml", "{}\n"), ROUTES).run("explain", "--mqtt", "publish", "a")
    assert done.returncode > 1 and "no listener of this configuration speaks MQTT" in done.stderr
