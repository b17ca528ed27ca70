"""Requests with an idempotency key that a cluster answers: it sees each once, whoever comes again gets its answer."""

import concurrent.futures
import http.server
import json
import threading
import time
import uuid

import pytest
from harness import sockets
from harness.gateway import route, settings
from harness.wire import Wire, get, once, post

LARGE = b"x" * (3 << 20)


class Upstream(http.server.BaseHTTPRequestHandler):
    """Counts what it is asked, by the key; answers as the path says."""

    protocol_version = "HTTP/1.1"
    seen: dict[str, int] = {}
    lock = threading.Lock()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        key = self.headers.get("idempotency-key", "")
        with self.lock:
            self.seen[key] = count = self.seen.get(key, 0) + 1
        what = self.path.split("?")[0].rsplit("/", 1)[-1]
        if what == "slow":
            time.sleep(0.7)
        if what == "slower":
            time.sleep(3)
        if what == "cut":
            self.close_connection = True
            return
        status = {"declined": 503 if count == 1 else 201, "refused": 422, "broken": 500, "empty": 204}.get(what, 201)
        body = {"large": LARGE, "exact": LARGE[:1 << 20], "over": LARGE[:(1 << 20) + 1], "card": b'{"card":"4111 1111 1111 1111"}', "empty": b""}.get(what, json.dumps({"count": count, "key": key}).encode())
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Location", f"/things/{count}")
        self.send_header("ETag", f'"{count}"')
        self.send_header("X-Only-Once", "yes")
        self.send_header("Set-Cookie", f"count={count}")
        if self.path.endswith("?chunked"):
            self.send_header("Transfer-Encoding", "chunked")
            parts = [body[at:at + 100_000] for at in range(0, len(body), 100_000)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        elif status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def upstream():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()


ROUTES = [
    route("things", "/things/{what}", stages={"replay": "optional"}, timeouts={"first_byte": "10s"}),
    route("hasty", "/hasty/{what}", stages={"replay": "optional"}, timeouts={"first_byte": "200ms"}),
    route("retried", "/retried/{what}", stages={"replay": {"key": "required", "on_unknown": "retry"}}, timeouts={"first_byte": "200ms"}),
    route("rejecting", "/rejecting/{what}", stages={"replay": {"key": "required", "on_duplicate": "reject"}}),
    route("gone", "/gone/{what}", cluster="gone", stages={"replay": "optional"}),
]


@pytest.fixture(scope="module")
def gateway(shared_stage, upstream):
    config = settings(
        upstream, workers=2, listeners=[{"name": "public", "address": f"127.0.0.1:{sockets.free_port()}"}],
        clusters={"gone": {"endpoints": [f"127.0.0.1:{sockets.free_port()}"]}}, idempotency={"lease": "1s"})
    return shared_stage.gateway(config, ROUTES)


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


def ask(gateway, key: str | None, what: str = "plain", body: bytes = b"{}", path: str = "/things", *fields: str, method: str = "POST"):
    more = fields if key is None else (*fields, f"Idempotency-Key: {key}")
    return once(gateway.address, post(f"{path}/{what}", body, "Content-Type: application/json", *more, method=method), 10)


def code(reply) -> tuple[int, str]:
    return reply.status, json.loads(reply.body)["code"]


@pytest.mark.parametrize(("what", "status"), [("plain", 201), ("plain?chunked", 201), ("exact", 201), ("exact?chunked", 201), ("refused", 422), ("broken", 500), ("empty", 204)])
def test_the_first_answer_is_given_again(gateway, key, what, status):
    first = ask(gateway, key, what)
    assert first.status == status and first.field("idempotent-replayed") is None and first.field("x-only-once") == "yes", first.raw[:500]
    again = ask(gateway, f'"{key}"', what)
    assert again.status == status and again.body == first.body and again.field("idempotent-replayed") == "true"
    assert [again.field(each) for each in ("location", "etag", "content-type")] == [first.field(each) for each in ("location", "etag", "content-type")]
    assert first.field("set-cookie") == "count=1" and again.field("set-cookie") is None
    assert again.field("x-only-once") is None, "only what describes the answer is kept"
    assert Upstream.seen[key] == 1


def test_another_request_with_the_key_is_refused(gateway, key):
    assert ask(gateway, key).status == 201
    for other in (ask(gateway, key, body=b"{ }"), ask(gateway, key, "other"), ask(gateway, key, method="PUT"), ask(gateway, key, "plain?x=1"),
                  ask(gateway, key, "plain", b"{}", "/things", 'If-Match: "1"'),
                  ask(gateway, key, "plain", b"{}", "/things", "Authorization: Bearer other")):
        assert code(other) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert Upstream.seen[key] == 1


def test_many_at_once_are_one(gateway, key):
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        heard = list(pool.map(lambda _: ask(gateway, key, "slow"), range(40)))
    assert {(each.status, each.body) for each in heard} == {(201, heard[0].body)}
    assert sum(each.field("idempotent-replayed") is None for each in heard) == 1 and Upstream.seen[key] == 1


def test_who_has_left_finds_the_answer(gateway, key):
    with Wire(gateway.address) as wire:
        wire.send(post("/things/slow", b"{}", "Content-Type: application/json", f"Idempotency-Key: {key}"))
        sockets.wait_until(lambda: key in Upstream.seen, 5, "the request to be on its way")
    again = ask(gateway, key, "slow")
    assert again.status == 201 and again.field("idempotent-replayed") == "true" and Upstream.seen[key] == 1


def test_a_repetition_does_not_wait_for_ever(gateway, key):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, gateway, key, "slower")
        sockets.wait_until(lambda: key in Upstream.seen, 5, "the request to be on its way")
        begin = time.monotonic()
        late = ask(gateway, key, "slower")
        # The lease (1 s here) ends before the wait does.
        assert late.status == 409 and time.monotonic() - begin < 2.5
        # The first is late and nobody has taken over: its answer counts.
        assert first.result().status == 201
    assert ask(gateway, key, "slower").field("idempotent-replayed") == "true" and Upstream.seen[key] == 1


def test_what_was_declined_may_come_again(gateway, key):
    assert ask(gateway, key, "declined").status == 503
    again = ask(gateway, key, "declined")
    assert again.status == 201 and again.field("idempotent-replayed") is None and Upstream.seen[key] == 2


def test_what_was_never_sent_may_come_again(gateway, key):
    for _ in range(2):
        assert ask(gateway, key, path="/gone").status in (502, 503)


@pytest.mark.parametrize("what", ["cut", "slow"])
def test_an_unknown_outcome_is_never_tried_again(gateway, key, what):
    assert ask(gateway, key, what, path="/hasty").status in (502, 504)
    for _ in range(2):
        assert ask(gateway, key, what, path="/hasty").status == 409
        time.sleep(0.6)
    assert code(ask(gateway, key, what, path="/hasty")) == (409, "ILLEGAL_STATE") and Upstream.seen[key] == 1


def test_a_cluster_that_knows_repetitions_is_asked_again(gateway, key):
    assert ask(gateway, key, "slow", path="/retried").status == 504
    time.sleep(1.1)
    assert ask(gateway, key, "slow", path="/retried").status == 504 and Upstream.seen[key] == 2


@pytest.mark.parametrize(("what", "size"), [("large", 3 << 20), ("large?chunked", 3 << 20), ("over", (1 << 20) + 1), ("over?chunked", (1 << 20) + 1)])
def test_what_is_too_large_passes(gateway, key, what, size):
    first = ask(gateway, key, what)
    assert first.status == 201 and first.body == LARGE[:size]
    assert code(ask(gateway, key, what)) == (409, "ILLEGAL_STATE") and Upstream.seen[key] == 1


def test_card_numbers_are_not_kept(gateway, key):
    assert b"4111" in ask(gateway, key, "card").body
    assert code(ask(gateway, key, "card")) == (409, "ILLEGAL_STATE") and Upstream.seen[key] == 1


def test_on_duplicate_reject(gateway, key):
    assert ask(gateway, key, path="/rejecting").status == 201
    again = ask(gateway, key, path="/rejecting")
    assert code(again) == (409, "ILLEGAL_STATE") and "/things/1" in json.loads(again.body)["detail"]


def test_safe_methods_need_no_key(gateway, key):
    for count in (1, 2):
        reply = once(gateway.address, get("/things/plain", f"Idempotency-Key: {key}"))
        assert json.loads(reply.body)["count"] == count


def test_kill_and_ask_again(gateway, key):
    """Answered before the kill: replayed. Under way at the kill: never sent again."""
    first = ask(gateway, key)
    lost = "lost-" + key
    with Wire(gateway.address) as wire:
        wire.send(post("/things/slow", b"{}", "Content-Type: application/json", f"Idempotency-Key: {lost}"))
        sockets.wait_until(lambda: lost in Upstream.seen, 5, "the request to be on its way")
        gateway.kill()
    gateway.start()
    again = ask(gateway, key)
    assert again.body == first.body and again.field("idempotent-replayed") == "true"
    for _ in range(2):
        assert code(ask(gateway, lost, "slow")) == (409, "ILLEGAL_STATE")
    assert Upstream.seen[key] == Upstream.seen[lost] == 1
