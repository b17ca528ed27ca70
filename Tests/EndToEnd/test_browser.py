"""A real browser, if there is one: pages of two origins, CORS and gRPC-Web by their own `fetch`."""

import contextlib
import http.server
import json
import re
import shutil
import subprocess
import threading

import pytest

from harness.bytes_service import Service
from harness.gateway import route, settings
from harness.recorder import respond

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")

PAGE = """<!doctype html><title>page</title><pre id=result></pre><script>
const gateway = %r;
async function attempt(what) { try { return await what(); } catch (error) { return "blocked"; } }
async function ask(path, options) {
  const answer = await fetch(gateway + path, options);
  return {status: answer.status, text: await answer.text(), total: answer.headers.get("x-total"), secret: answer.headers.get("x-secret")};
}
// gRPC-Web by hand: one message in bytes, or in base64.
function frame(message) {
  const bytes = new Uint8Array(5 + message.length);
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(new TextEncoder().encode(message), 5);
  return bytes;
}
function read(bytes) {
  const found = {messages: [], trailers: null};
  for (let at = 0; at < bytes.length;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const text = new TextDecoder().decode(bytes.subarray(at + 5, at + 5 + view.getUint32(1)));
    if (view.getUint8(0) & 0x80) found.trailers = text; else found.messages.push(text);
    at += 5 + view.getUint32(1);
  }
  return found;
}
async function call(method, message, isText) {
  const type = isText ? "application/grpc-web-text+proto" : "application/grpc-web+proto";
  const body = isText ? btoa(String.fromCharCode(...frame(message))) : frame(message);
  const answer = await fetch(gateway + "/t.Web/" + method, {
    method: "POST", body, headers: {"content-type": type, accept: type, "x-grpc-web": "1", "x-user-agent": "page", "grpc-timeout": "5S"}});
  let found;
  if (isText) {
    const pieces = (await answer.text()).match(/.{4}/g) || [];
    found = read(Uint8Array.from(pieces.map(atob).join(""), c => c.charCodeAt(0)));
  } else found = read(new Uint8Array(await answer.arrayBuffer()));
  return {...found, status: answer.headers.get("grpc-status"), message: answer.headers.get("grpc-message"), type: answer.headers.get("content-type")};
}
(async () => {
  const result = {
    read: await attempt(() => ask("/items/1")),
    write: await attempt(() => ask("/items/1", {method: "PUT", headers: {"x-own": "1"}})),
    erase: await attempt(() => ask("/items/1", {method: "DELETE"})),
    header: await attempt(() => ask("/items/1", {headers: {"x-other": "1"}})),
    cookies: await attempt(() => ask("/items/1", {credentials: "include"})),
    silent: await attempt(() => ask("/silent")),
    large: await attempt(() => ask("/items/1", {method: "PUT", body: "x".repeat(2000)})),
    turned: await attempt(() => call("Turned", "abc", false)),
    text: await attempt(() => call("Turned", "abc", true)),
    stream: await attempt(() => call("Counts", "20", true)),
    fails: await attempt(() => call("Fails", "x", false)),
    late: await attempt(() => call("FailsLate", "x", true)),
  };
  document.getElementById("result").textContent = JSON.stringify(result);
})();
</script>"""


class Site:
    """Serves one page from an origin of its own."""

    def __init__(self, page: str = ""):
        site = self
        self.page = page

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = site.page.encode() if self.path == "/" else b""
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def upstream(peer):
    while True:
        message = peer.read_request()
        peer.send(respond("200 OK", message.method.encode(), "X-Total: 7", "X-Secret: s", "Access-Control-Allow-Origin: *"))


def visit(folder, url: str) -> dict:
    words = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
             f"--user-data-dir={folder}", "--virtual-time-budget=20000", "--timeout=60000", "--dump-dom", url]
    shown = subprocess.run(words, capture_output=True, text=True, timeout=120).stdout
    found = re.search(r"<pre id=\"result\">(.+?)</pre>", shown, re.S)
    assert found, shown[-2000:]
    return json.loads(found.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


@pytest.fixture
def sites(stage):
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(Service())
        allowed = stack.enter_context(contextlib.closing(Site()))
        stranger = stack.enter_context(contextlib.closing(Site()))
        backend = stage.backend(upstream)
        gateway = stage.gateway(
            settings(backend.address, clusters={"calls": {"endpoints": [service.address], "protocol": "http2"}}), [
                route("items", "/items/{id}", body_limit=1000, cors={
                    "origins": allowed.origin, "methods": ["GET", "PUT"], "headers": "x-own", "expose": "x-total", "credentials": True}),
                route("silent", "/silent", cors={"origins": "https://else.example"}),
                {"name": "web", "match": {"grpc": "t.Web/*"}, "target": {"cluster": "calls"}, "cors": {"origins": allowed.origin, "max_age": "1h"}},
            ])
        for site in (allowed, stranger):
            site.page = PAGE % gateway.url
        yield allowed, stranger


def test_what_pages_may_do(sites, tmp_path):
    allowed, stranger = sites
    seen = visit(tmp_path / "allowed", allowed.origin + "/")
    assert seen["read"] == {"status": 200, "text": "GET", "total": "7", "secret": None}
    assert seen["write"] == {"status": 200, "text": "PUT", "total": "7", "secret": None}
    assert seen["cookies"]["text"] == "GET"
    assert (seen["erase"], seen["header"], seen["silent"]) == ("blocked", "blocked", "blocked")
    assert seen["large"]["status"] == 413 and "TOO_LARGE" in seen["large"]["text"]
    for name, kind in (("turned", "application/grpc-web+proto"), ("text", "application/grpc-web-text+proto")):
        assert seen[name]["messages"] == ["cba"] and "grpc-status: 0\r\n" in seen[name]["trailers"]
        assert seen[name]["status"] is None and seen[name]["type"] == kind
    assert seen["stream"]["messages"] == [str(i) for i in range(20)] and "grpc-status: 0\r\n" in seen["stream"]["trailers"]
    assert seen["fails"] == {"messages": [], "trailers": None, "status": "5", "message": "keine Stra%C3%9Fe: 100%25", "type": "application/grpc-web+proto"}
    assert seen["late"]["messages"] == ["one", "two"] and "grpc-status: 8\r\n" in seen["late"]["trailers"]

    assert set(map(str, visit(tmp_path / "stranger", stranger.origin + "/").values())) == {"blocked"}
