"""RFC 9112 section 3: the request line and versions."""

from .case import HOST, Case, bad, http


def line(name: str, first: str | bytes, allow: str = "400") -> Case:
    return bad(f"line-{name}", http(first, HOST), allow)


CASES = [
    Case("line-crlf-before", b"\r\n" + http("GET /c HTTP/1.1", HOST), "200|400", targets=("/c",)),
    Case("line-many-crlf-before", b"\r\n" * 50 + http("GET /c HTTP/1.1", HOST), "200|400", targets=("/c",)),
    Case("line-lf-before", b"\n" + http("GET /c HTTP/1.1", HOST), "200|400", targets=("/c",)),
    Case("line-custom-method", http("REPORT /c HTTP/1.1", HOST), "200|405|501"),
    Case("line-lower-case-method", http("get /c HTTP/1.1", HOST), "200|400|405|501"),
    Case("line-http-1.0", http("GET /c HTTP/1.0", HOST), "200"),
    Case("line-http-1.2", http("GET /c HTTP/1.2", HOST), "200|505"),
    line("double-space", "GET  /c HTTP/1.1"),
    line("double-space-version", "GET /c  HTTP/1.1"),
    line("tab", "GET\t/c\tHTTP/1.1"),
    line("vertical-tab", "GET\x0b/c HTTP/1.1"),
    line("trailing-space", "GET /c HTTP/1.1 "),
    line("leading-space", " GET /c HTTP/1.1"),
    line("extra-word", "GET /c x HTTP/1.1"),
    line("no-method", "/c HTTP/1.1"),
    line("no-target", "GET HTTP/1.1"),
    line("empty-target", "GET  HTTP/1.1"),
    line("bad-method-token", "G(T /c HTTP/1.1"),
    line("method-colon", "GET: /c HTTP/1.1"),
    line("method-nul", "GE\0T /c HTTP/1.1"),
    line("method-latin", b"G\xcbT /c HTTP/1.1"),
    line("method-long", "M" * 300 + " /c HTTP/1.1", "400|405|414|431|501|200"),
    line("version-lower", "GET /c http/1.1"),
    line("version-name", "GET /c HTTPS/1.1"),
    line("version-comma", "GET /c HTTP/1,1"),
    line("version-short", "GET /c HTTP/1"),
    line("version-dot", "GET /c HTTP/1."),
    line("version-long-minor", "GET /c HTTP/1.10", "400|505"),
    line("version-11", "GET /c HTTP/11", "400|505"),
    line("version-01.1", "GET /c HTTP/01.1", "400|505"),
    line("version-plus", "GET /c HTTP/+1.1"),
    line("version-2.0", "GET /c HTTP/2.0", "400|505"),
    line("version-3.0", "GET /c HTTP/3.0", "400|505"),
    line("version-0.9", "GET /c HTTP/0.9", "400|505"),
    line("version-space", "GET /c HTTP/ 1.1"),
    line("version-nul", "GET /c HTTP/1.1\0"),
    bad("line-http-0.9", b"GET /c\r\n", "400|505|-"),
    bad("line-http-0.9-with-fields", http("GET /c", HOST), "400|505|-"),
    # The whole preface begins HTTP/2; one that is not quite it is a bad request like any other.
    bad("line-preface-h2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx", "400|505"),
    bad("line-tls-hello", bytes.fromhex("16030100a5010000a10303") + bytes(range(64)) + b"\r\n\r\n", "400|-"),
    bad("line-binary", bytes(range(256)) + b"\r\n\r\n", "400|-"),
    bad("line-response", http("HTTP/1.1 200 OK", HOST)),
    bad("line-bare-cr", http("GET /c HTTP/1.1\rX: y", HOST)),
]
