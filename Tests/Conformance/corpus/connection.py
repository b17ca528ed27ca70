"""RFC 9110 section 7.6.1, 7.8, 10.1.1: fields for this hop only, Upgrade, Expect."""

from .case import GET, HOST, POST, Case, http


def hop(name: str, *fields: str, allow: str = "200", **form) -> Case:
    return Case(f"hop-{name}", http(GET, HOST, *fields), allow, **form)


CASES = [
    hop("named", "Connection: x-secret", "X-Secret: 1", "X-Kept: 2", absent=("x-secret",), present=(("x-kept", "2"),)),
    hop("named-case", "CONNECTION: X-SECRET", "x-secret: 1", absent=("x-secret",)),
    hop("named-before", "X-Secret: 1", "Connection: x-secret", absent=("x-secret",)),
    hop("named-list", "Connection: x-a ,\tx-b", "X-A: 1", "X-B: 2", absent=("x-a", "x-b")),
    hop("named-two-lines", "Connection: x-a", "Connection: x-b", "X-A: 1", "X-B: 2", absent=("x-a", "x-b")),
    hop("named-empty-elements", "Connection: ,, x-a ,,", "X-A: 1", absent=("x-a",), allow="200|400"),
    hop("named-with-keep-alive", "Connection: keep-alive, x-a", "X-A: 1", absent=("x-a",)),
    hop("named-twice", "Connection: x-a", "X-A: 1", "X-A: 2", absent=("x-a",)),
    hop("keep-alive-field", "Connection: keep-alive", "Keep-Alive: timeout=5", absent=("keep-alive",)),
    hop("keep-alive-unnamed", "Keep-Alive: timeout=5", absent=("keep-alive",)),
    hop("proxy-connection", "Proxy-Connection: keep-alive", absent=("proxy-connection",)),
    hop("te", "TE: gzip", "Connection: TE", absent=("te",)),
    hop("close", "Connection: close"),
    hop("not-a-token", "Connection: @@", allow="200|400"),
    hop("many-names", "Connection: " + ", ".join(f"x-{n}" for n in range(500)), allow="200|400|431"),
    # A client must not strip what others rely on.
    hop("protect-host", "Connection: host", allow="200|400", present=(("host", "shop.example"),)),
    hop("protect-authorization", "Connection: authorization", "Authorization: Bearer x", allow="200|400", present=(("authorization", "Bearer x"),)),
    hop("protect-cookie", "Connection: cookie", "Cookie: a=b", allow="200|400", present=(("cookie", "a=b"),)),
    hop("protect-forwarded-for", "Connection: x-forwarded-for", allow="200|400", present=(("x-forwarded-for", "127.0.0.1"),)),
    hop("protect-forwarded-proto", "Connection: x-forwarded-proto", allow="200|400", present=(("x-forwarded-proto", "http"),)),
    Case("hop-protect-content-length", http(POST, HOST, "Connection: content-length", "Content-Length: 5", body=b"hello"), "200|400", body=b"hello"),
    Case("hop-protect-transfer-encoding", http(POST, HOST, "Connection: transfer-encoding", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"), "200|400", body=b"hello"),
    Case("hop-protect-content-type", http(POST, HOST, "Connection: content-type", "Content-Type: application/json", "Content-Length: 2", body=b"{}"), "200|400", present=(("content-type", "application/json"),)),
    # Upgrade on a route that does not allow it is ignored.
    hop("upgrade-websocket", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==", "Sec-WebSocket-Version: 13", allow="200|400|403|426|501", absent=("upgrade",)),
    hop("upgrade-h2c", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA", absent=("upgrade", "http2-settings")),
    hop("upgrade-unnamed", "Upgrade: websocket", absent=("upgrade",)),
    Case("hop-upgrade-with-body", http(POST, HOST, "Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5", body=b"hello"), "200|400|403|426|501", body=b"hello"),
    # Expect.
    Case("expect-continue", http(POST, HOST, "Expect: 100-continue", "Content-Length: 5", body=b"hello"), "200", body=b"hello"),
    Case("expect-continue-case", http(POST, HOST, "Expect: 100-Continue", "Content-Length: 5", body=b"hello"), "200", body=b"hello"),
    Case("expect-continue-chunked", http(POST, HOST, "Expect: 100-continue", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"), "200", body=b"hello"),
    Case("expect-continue-no-body", http(GET, HOST, "Expect: 100-continue"), "200"),
    Case("expect-continue-http-1.0", http("POST /c HTTP/1.0", HOST, "Expect: 100-continue", "Content-Length: 5", body=b"hello"), "200", body=b"hello"),
    Case("expect-unknown", http(POST, HOST, "Expect: tea", "Content-Length: 5", body=b"hello"), "417|200"),
    Case("expect-list", http(POST, HOST, "Expect: 100-continue, tea", "Content-Length: 5", body=b"hello"), "417|200"),
]
