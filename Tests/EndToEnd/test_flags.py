"""Flags over the wire: who is on which side in every protocol, weights that people set, and where they show."""

import json
import re
import time

from harness.grpc_stubs import compiled
from harness import gateway as gateways

import grpc  # noqa: E402: after the harness, which settles how it forks
import httpx
import pytest
from harness.grpc_web import BINARY, Reader, request_body
from harness.http2_ends import Client

pb, rpc = compiled(gateways.ROOT / "contracts", "hipstershop")
USERS = [f"user-{number}" for number in range(200)]


def flags(weight: float = 30, **more) -> str:
    return json.dumps({"segments": {"nobody": {"roles": ["NOBODY"]}}, "flags": [{"name": "side", "weight": weight, **more}, {"name": "unused", "weight": 5}]})


def fixed(status: int) -> dict:
    return {"fixed": {"status": status}}


# On the candidate's side 200 and a cart, on the other 204 and a service that is not there.
ROUTES = [
    {"name": "parameter", "match": {"path": "/parameter/{user}"}, "by": {"parameter": "user"}},
    {"name": "header", "match": {"path": "/header"}, "by": {"header": "X-User"}},
    {"name": "field", "match": {"method": "POST", "path": "/field"}, "by": [{"header": "x-user"}, {"field": "user.id"}]},
    {"name": "call", "match": {"grpc": "hipstershop.CartService/GetCart"}, "by": {"field": "user_id"}, "target": {"query": "cart.get"}, "fallback": {"cluster": "nobody"}},
]
OPERATIONS = [
    {"name": f"flags-{number}", "match": {"listener": "admin", "method": method, "path": path}, "target": {"operation": "flags"}}
    for number, (method, path) in enumerate((("GET", "/flags"), ("GET", "/flags/{flag}"), ("POST", "/flags/{flag}/{action}")))
] + gateways.OPERATIONS


def routes() -> list:
    plain = {"flag": "side", "target": fixed(200), "fallback": fixed(204)}
    made = [plain | {key: value for key, value in route.items() if key != "by"} | {"stages": {"steer": {"by": route["by"]}}} for route in ROUTES]
    return made + OPERATIONS


@pytest.fixture(scope="module")
def gateway(shared_stage, tmp_path_factory):
    file = tmp_path_factory.mktemp("flags") / "flags.yaml"
    file.write_text(flags())
    config = gateways.settings(
        clusters={"nobody": {"endpoints": ["127.0.0.1:1"], "protocol": "http2"}}, workers=2, flags=str(file), access_log={"path": "access.log"},
        contracts={"descriptors": str(gateways.ROOT / "contracts/descriptors.binpb")})
    made = shared_stage.gateway(config, routes())
    made.flag_file = file
    return made


@pytest.fixture
def fresh(gateway):
    """As its file says; afterwards nothing is set."""
    if gateway.flag_file.read_text() != flags():
        write(gateway, flags())
    yield gateway
    assert httpx.post(f"http://{gateway.admin}/flags/side/clear", timeout=5).status_code in (200, 404)


def write(gateway, text: str) -> None:
    """A new flag file, in force when this returns."""
    gateway.flag_file.write_text(text)
    before = sum('"reloaded"' in line for line in gateway.stderr)
    gateway.reload()
    deadline = time.monotonic() + 3
    while sum('"reloaded"' in line for line in gateway.stderr) == before:
        assert time.monotonic() < deadline, gateway.said()
        time.sleep(0.02)
    time.sleep(0.1)


def run(gateway, *words: str):
    return gateway.run("flags", *words, "--admin", gateway.admin)


def put(gateway, weight: float) -> None:
    """In force when this returns."""
    answer = httpx.post(f"http://{gateway.admin}/flags/side/set", json={"weight": weight}, timeout=5)
    assert answer.status_code == 200 and answer.json()["weight"] == weight, answer.text


def listed(gateway, name: str = "side") -> dict:
    return next(flag for flag in httpx.get(f"http://{gateway.admin}/flags", timeout=5).json()["flags"] if flag["flag"] == name)


def on(gateway, users=USERS[:100]) -> set[str]:
    """Who is on the candidate's side, by HTTP/1.1."""
    with httpx.Client(base_url=gateway.url, timeout=5) as client:
        return {user for user in users if client.get(f"/parameter/{user}").status_code == 200}


def by_http2(gateway) -> set[str]:
    with Client(gateway.address) as client:
        client.settle()
        streams = {user: client.request("/header", ("x-user", user)) for user in USERS[:90]}
        return {user for user, stream in streams.items() if dict(client.finish(stream).head)[b":status"] == b"200"}


def by_grpc(gateway) -> set[str]:
    def side(user: str) -> bool:
        try:
            stub.GetCart(pb.GetCartRequest(user_id=user), timeout=5)
            return True
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error
            return False

    with grpc.insecure_channel(gateway.address) as channel:
        stub = rpc.CartServiceStub(channel)
        return {user for user in USERS if side(user)}


def by_grpc_web(gateway) -> set[str]:
    found = set()
    with httpx.Client(base_url=gateway.url, timeout=5) as client:
        for user in USERS:
            body = request_body([pb.GetCartRequest(user_id=user).SerializeToString()], False)
            answer = client.post("/hipstershop.CartService/GetCart", content=body, headers={"content-type": BINARY})
            reader = Reader(False)
            reader.feed(answer.content)
            status = dict(reader.trailers or answer.headers.items())["grpc-status"]
            assert status in ("0", "14"), answer.headers
            found |= {user} if status == "0" else set()
    return found


def test_a_user_is_on_the_same_side_in_every_protocol(fresh):
    sides = on(fresh, USERS)
    assert 35 < len(sides) < 85
    assert by_http2(fresh) == {user for user in sides if user in USERS[:90]}
    assert by_grpc(fresh) == sides
    assert by_grpc_web(fresh) == sides
    with httpx.Client(base_url=fresh.url, timeout=5) as client:
        for user in USERS[:60]:
            expected = 200 if user in sides else 204
            assert client.get("/header", headers={"x-user": user}).status_code == expected
            assert client.post("/field", json={"user": {"id": user}}).status_code == expected
            # What is percent-encoded and what is escaped is the same user.
            assert client.get("/parameter/" + user.replace("-", "%2D")).status_code == expected
            assert client.post("/field", content=json.dumps({"user": {"id": user}}).replace("-", "\\u002d")).status_code == expected
            # The header comes first.
            assert client.post("/field", json={"user": {"id": USERS[0]}}, headers={"x-user": user}).status_code == expected


def test_who_cannot_be_told_stays_until_all_are_moved(fresh):
    def codes() -> list[int]:
        with httpx.Client(base_url=fresh.url, timeout=5) as client:
            answers = [client.get("/header"), client.get("/header", headers={"x-user": ""}), client.post("/field", json={"user": 1}),
                       client.post("/field", content=b"no json"), client.post("/field", json={"user": {"id": ""}})]
            return [answer.status_code for answer in answers]

    put(fresh, 99.99)
    assert codes() == [204] * 5
    put(fresh, 100)
    assert codes() == [200] * 5


def test_a_weight_only_adds_users(fresh):
    before = set()
    for weight in (0, 1, 10, 25.5, 50, 75, 100):
        put(fresh, weight)
        now = on(fresh)
        assert before <= now and abs(len(now) - weight) < 20, (weight, len(now))
        before = now
    assert before == set(USERS[:100])


def test_a_roll_back_is_in_force_at_once(fresh):
    """For all workers, and for connections that are open."""
    put(fresh, 100)
    clients = [httpx.Client(base_url=fresh.url, timeout=5) for _ in range(12)]
    try:
        assert {client.get("/parameter/u").status_code for client in clients} == {200}
        began = time.monotonic()
        put(fresh, 0)
        assert {client.get("/parameter/u").status_code for client in clients} == {204}
        assert time.monotonic() - began < 1
    finally:
        for client in clients:
            client.close()


def test_targets_come_before_the_weight(fresh):
    write(fresh, flags(0, targets=[{"segment": "nobody", "side": "off"}, {"users": ["vip", "user-1"], "side": "on"}, {"users": ["out"], "side": "off"}]))
    assert on(fresh, ["vip", "user-1", "out", "user-2"]) == {"vip", "user-1"}
    put(fresh, 100)
    assert on(fresh, ["vip", "user-1", "out", "user-2"]) == {"vip", "user-1", "user-2"}


def test_another_salt_deals_anew(fresh):
    before = on(fresh)
    write(fresh, flags(salt="another"))
    assert 15 < len(now := on(fresh)) < 50 and len(now & before) < 25
    write(fresh, flags(salt="side"))
    assert on(fresh) == before


def test_what_is_set_stands_over_reloads_and_a_crash(fresh):
    sides = on(fresh)
    said = run(fresh, "set", "side", "12.5", "--note", "a first step")
    assert said.returncode == 0 and re.search(r"^side +12\.5 % +30 % +127\.0\.0\.1\S* +20\S+Z +a first step$", said.stdout, re.M), said
    few = on(fresh)
    assert few < sides
    fresh.kill()
    fresh.start()
    assert on(fresh) == few
    override = listed(fresh)["override"]
    assert override["note"] == "a first step" and override["weight"] == 12.5
    write(fresh, flags(80))
    assert on(fresh) == few and listed(fresh)["file"] == 80 and listed(fresh)["weight"] == 12.5
    assert any("a flag's weight is not its file's" in line and '"flag":"side"' in line for line in fresh.stderr[-10:])
    assert run(fresh, "clear", "side", "--note", "the file has it").returncode == 0
    assert "override" not in listed(fresh) and sides < on(fresh)


def test_the_list_says_what_is_in_force(fresh):
    shown = run(fresh).stdout.splitlines()
    assert shown[0].split() == ["FLAG", "WEIGHT", "FILE", "SET", "BY", "SINCE", "NOTE"]
    assert shown[1].split() == ["side", "30", "%", "30", "%", "-", "-", "-"] and shown[2].split()[0] == "unused"
    assert json.loads(run(fresh, "list", "--json").stdout)["flags"][0]["from"].startswith(f"{fresh.flag_file}:1:")
    one = httpx.get(f"http://{fresh.admin}/flags/unused", timeout=5).json()
    assert one == {"flag": "unused", "weight": 5, "file": 5, "from": one["from"], "targets": 0}


@pytest.mark.parametrize("words, status, said", [
    (("set", "site", "1"), 64, "404: there is no flag 'site'"), (("set", "side", "101"), 64, "a percentage from 0 to 100"),
    (("set", "side", "1.234"), 64, "a percentage from 0 to 100"), (("set", "side"), 64, "Missing expected argument"),
    (("clear", "nobody"), 64, "there is no flag"), (("set", "side", "1", "--note", "x" * 1001), 64, "a note may have 1000 bytes"),
    (("set", "side", "1", "--note", "card 4111 1111 1111 1111"), 64, "seems to hold a card's number")])
def test_what_cannot_be_done_is_said(fresh, words, status, said):
    done = run(fresh, *words)
    assert done.returncode == status and said in done.stderr, done
    assert "override" not in listed(fresh)


@pytest.mark.parametrize("path, body, status", [
    ("side/set", b"", 400), ("side/set", b"{}", 400), ("side/set", b"no json", 400), ("side/set", b'{"weight":"5"}', 400),
    ("side/set", b'{"weight":5,"more":1}', 400), ("side/set", b'{"weight":1e1}', 400), ("side/set", b'{"weight":-0}', 400), ("side/set", b'{"weight":100.001}', 400),
    ("side/set", b'{"weight":5,"note":7}', 400), ("side/set", b"[5]", 400), ("side/clear", b'{"weight":5}', 400), ("side/turn", b"", 404),
    ("a%20b/set", b'{"weight":5}', 404), ("x" * 200 + "/set", b'{"weight":5}', 404)])
def test_bodies_that_say_nothing_are_refused(fresh, path, body, status):
    answer = httpx.post(f"http://{fresh.admin}/flags/{path}", content=body, timeout=5)
    assert answer.status_code == status and answer.json()["message"], answer.text
    assert "override" not in listed(fresh)


def test_sides_show_in_log_and_metrics(fresh):
    def counted() -> dict[str, int]:
        page = httpx.get(f"http://{fresh.admin}/metrics", timeout=5).text
        return {f"{arm} {ending}": int(n) for arm, ending, n in re.findall(r'^nexus_flag_exchanges_total\{flag="side",arm="(\w+)",ending="(\w+)"\} (\d+)', page, re.M)}

    sides = on(fresh, USERS[:20])
    before = counted()
    log = fresh.folder / "access.log"
    start = log.stat().st_size
    with httpx.Client(base_url=fresh.url, timeout=5) as client:
        for user in USERS[:20]:
            client.get(f"/parameter/{user}?now")
    with grpc.insecure_channel(fresh.address) as channel:
        stub = rpc.CartServiceStub(channel)
        for user in USERS[:20]:
            try:
                stub.GetCart(pb.GetCartRequest(user_id=user), timeout=5)
            except grpc.RpcError:
                pass
    after = counted()
    grown = {name: after[name] - before[name] for name in after}
    off = 20 - len(sides)
    assert grown == {
        "candidate ok": 2 * len(sides), "candidate refused": 0, "candidate failed": 0, "candidate cancelled": 0,
        "control ok": off, "control refused": 0, "control failed": off, "control cancelled": 0}
    page = httpx.get(f"http://{fresh.admin}/metrics", timeout=5).text
    assert 'nexus_flag_weight{flag="side",by="file"} 0.3' in page and 'nexus_flag_seconds_count{flag="side",arm="control"}' in page
    deadline = time.monotonic() + 3
    while len(lines := log.read_text()[start:].splitlines()) < 41 and time.monotonic() < deadline:
        time.sleep(0.05)
    arms = {line["path"].rsplit("/", 1)[-1]: (line["flag"], line["arm"]) for line in map(json.loads, lines) if line.get("route") == "parameter"}
    assert arms == {user: ("side", "candidate" if user in sides else "control") for user in USERS[:20]}
    assert all("flag" not in line and "arm" not in line for line in map(json.loads, lines) if line.get("route") == "metrics")


def test_a_flag_file_with_a_mistake_changes_nothing(fresh):
    before = on(fresh)
    fresh.flag_file.write_text(flags(100).replace("nobody", "no body"))
    fresh.reload()
    assert any("flags.yaml:1:" in line and "the name of a segment" in line for line in fresh.stderr[-8:]), fresh.said()
    assert on(fresh) == before
    fresh.flag_file.unlink()
    fresh.reload()
    assert any("flags.yaml" in line for line in fresh.stderr[-4:]) and on(fresh) == before
    fresh.flag_file.write_text("")
