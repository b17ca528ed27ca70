"""What operators see of MQTT: sessions and refused messages over the admin listener, metrics, and the file they survive in."""

import json
import pathlib
import sqlite3
import stat

import httpx
import pytest

from harness import gateway as gateways

OPERATIONS = [
    {"name": f"mqtt-{number}", "match": {"listener": "admin", "method": method, "path": path}, "target": {"operation": "mqtt"}}
    for number, (method, path) in enumerate((("GET", "/mqtt/{list}"), ("GET", "/mqtt/{list}/{entry}"), ("POST", "/mqtt/{list}/{entry}/{action}")))
] + gateways.OPERATIONS

NOW = 1_700_000_000_123


def rows(path: pathlib.Path) -> None:
    """Sessions and refused messages, as a former process left them."""
    with sqlite3.connect(path) as database:
        for number in range(1, 4):
            database.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)", (number, f"meter/{number}".encode(), b"owner", number, 600_000, 4 * 10**12))
            database.execute(
                "INSERT INTO refused (number, topic, payload, client, subject, qos, code, reason, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, b"iot/inventory/x/delta", b'{"delta":"\xc3\xa9"}' if number < 3 else b"\xff\x00", b"meter/1", b"ann", 1, "VALIDATION_ERROR", "no\x1bnumber", NOW))
        database.execute("INSERT INTO subscriptions VALUES (1, '$share/g/a/+', 1, 0, 0, 0, 0)")
        database.execute("INSERT INTO messages VALUES (9, ?, ?, 1, 0, ?, -1)", (b"a/b", b"waits", b""))
        database.execute("INSERT INTO queue (session, sequence, message, qos, retained, identifiers) VALUES (1, 1, 9, 1, 0, ?)", (b"",))
    database.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mqtt-operators")
    config = gateways.settings(listeners=[gateways.listener(), gateways.listener("devices", mqtt={})])
    made = gateways.Gateway(folder, config, OPERATIONS)
    made.start()  # makes the file
    assert made.stop() == 0
    rows(folder / "data/events.db.mqtt")
    made.start()
    yield made
    made.stop()


def get(gateway, path: str) -> httpx.Response:
    return httpx.get(f"http://{gateway.admin}{path}")


def test_the_file_is_its_owners(gateway):
    path = gateway.folder / "data/events.db.mqtt"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_sessions_in_pages(gateway):
    page = get(gateway, "/mqtt/sessions?limit=2").json()
    assert [session["clientId"] for session in page["sessions"]] == ["meter/1", "meter/2"]
    first = page["sessions"][0]
    assert (first["connected"], first["queued"], first["subscriptions"], first["expirySeconds"]) == (False, 1, 1, 600_000)
    rest = get(gateway, f"/mqtt/sessions?limit=2&nextToken={page['nextToken']}").json()
    assert [session["clientId"] for session in rest["sessions"]] == ["meter/3"] and "nextToken" not in rest


def test_refused_messages_from_the_newest(gateway):
    page = get(gateway, "/mqtt/refused?limit=2").json()
    assert [entry["number"] for entry in page["refused"]] == [3, 2] and "payload" not in page["refused"][0]
    assert [entry["number"] for entry in get(gateway, f"/mqtt/refused?nextToken={page['nextToken']}").json()["refused"]] == [1]
    assert get(gateway, "/mqtt/refused/3").json()["payloadHex"] == "ff00"
    shown = get(gateway, "/mqtt/refused/2").json()
    assert shown["payload"] == '{"delta":"é"}' and shown["at"].startswith("2023-11-14T22:13:20.123") and shown["reason"] == "no\x1bnumber"


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/mqtt/sessions?limit=0", 400), ("GET", "/mqtt/refused?limit=1001", 400), ("GET", "/mqtt/sessions?nextToken=x", 400),
    ("GET", "/mqtt/refused?nextToken=-1", 400), ("GET", "/mqtt/others", 404), ("GET", "/mqtt/refused/9", 404), ("GET", "/mqtt/refused/x", 404),
    ("GET", "/mqtt/refused/18446744073709551615", 404), ("GET", "/mqtt/sessions/meter%2F1", 404), ("POST", "/mqtt/refused/9/drop", 404),
    ("POST", "/mqtt/refused/9/retry", 404), ("POST", "/mqtt/refused/x/retry", 404), ("POST", "/mqtt/refused/1/again", 404), ("POST", "/mqtt/sessions/meter%2F1/kick", 404), ("POST", "/mqtt/sessions/%FF/kick", 400),
])
def test_anything_else(gateway, method, path, status):
    assert httpx.request(method, f"http://{gateway.admin}{path}").status_code == status


def test_commands(gateway):
    run = lambda *words: gateway.run("mqtt", *words, "--admin", gateway.admin)
    assert "meter/2" in run("sessions").stdout and "more: --token" in run("sessions", "--limit", "1").stdout
    listed = run("refused").stdout
    assert "VALIDATION_ERROR" in listed and "\x1b" not in listed
    assert "payload: {\"delta\":\"é\"}" in run("show", "1").stdout
    assert run("drop", "1").stdout == "1: dropped\n" and run("drop", "1").returncode != 0
    assert run("kick", "meter/1").returncode != 0
    assert [entry["number"] for entry in json.loads(run("refused", "--json").stdout)["refused"]] == [3, 2]


def test_metrics(gateway):
    page = get(gateway, "/metrics").text
    for line in ("nexus_mqtt_sessions 3", "nexus_mqtt_sessions_connected 0", "nexus_mqtt_subscriptions 1", "nexus_mqtt_queued_messages 1"):
        assert line in page.splitlines(), line
    assert "nexus_delivery_sessions 0" in page and 'nexus_mqtt_dropped_total{reason="expired"}' in page


def test_a_file_that_is_not_ours_stops_the_start(tmp_path):
    config = gateways.settings(listeners=[gateways.listener(), gateways.listener("devices", mqtt={})], mqtt={"path": "data/other.db"})
    (tmp_path / "data").mkdir()
    with sqlite3.connect(tmp_path / "data/other.db") as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    refused = gateways.Gateway(tmp_path, config, OPERATIONS)
    with pytest.raises(Exception):
        refused.start()
    assert "this is not a store of MQTT sessions" in "".join(refused.said())


def test_without_a_listener_there_is_none(tmp_path):
    plain = gateways.Gateway(tmp_path, gateways.settings(), OPERATIONS).start()
    assert get(plain, "/mqtt/sessions").status_code == 404
    assert plain.stop() == 0 and not (tmp_path / "data/events.db.mqtt").exists()
