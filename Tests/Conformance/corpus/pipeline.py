"""RFC 9112 section 9.3.2: several requests on one connection; what follows a refusal is never read."""

from .case import GET, HOST, POST, SMUGGLED, Case, http

SECOND = http("GET /second HTTP/1.1", HOST)

CASES = [
    Case("pipe-two", http(GET, HOST) + SECOND, "200,200"),
    Case("pipe-twenty", http(GET, HOST) * 20, ",".join(["200"] * 20)),
    Case("pipe-after-length", http(POST, HOST, "Content-Length: 5", body=b"hello") + SECOND, "200,200", body=b"hello"),
    Case("pipe-after-zero-length", http(POST, HOST, "Content-Length: 0") + SECOND, "200,200"),
    Case("pipe-after-chunked", http(POST, HOST, "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n") + SECOND, "200,200", body=b"hello"),
    Case("pipe-after-head", http("HEAD /c HTTP/1.1", HOST) + SECOND, "200,200"),
    Case("pipe-crlf-between", http(POST, HOST, "Content-Length: 5", body=b"hello") + b"\r\n" + SECOND, "200,200|400", body=b"hello"),
    Case("pipe-bad-second", http(GET, HOST) + http("GET /c HTTP/1.1"), "200,400", closes=True),
    Case("pipe-garbage-second", http(GET, HOST) + b"\x00\x01\x02\r\n\r\n", "200,400", closes=True),
    Case("pipe-longer-than-length", http(POST, HOST, "Content-Length: 3", body=b"hello") + SECOND, "200,200|400|405|501", body=b"hel"),
    # A request in the body of another is a body.
    Case("pipe-request-as-body", http(POST, HOST, f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED), "200", body=SMUGGLED),
    Case("pipe-request-as-get-body", http(GET, HOST, f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED), "200|400", body=SMUGGLED),
    # After a refusal, and after `close`, nothing more is read.
    Case("pipe-after-no-host", http(GET) + SMUGGLED, "400", closes=True),
    Case("pipe-after-two-lengths", http(POST, HOST, "Content-Length: 5", "Content-Length: 0", body=SMUGGLED), "400", closes=True),
    Case("pipe-after-bad-coding", http(POST, HOST, "Transfer-Encoding: x", body=SMUGGLED), "400|501", closes=True),
    Case("pipe-after-bad-chunk", http(POST, HOST, "Transfer-Encoding: chunked", body=b"z\r\n" + SMUGGLED), "400", closes=True),
    Case("pipe-after-http-1.0-chunked", http("POST /c HTTP/1.0", HOST, "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED), "400|501", closes=True),
    Case("pipe-after-close", http(GET, HOST, "Connection: close") + SMUGGLED, "200", closes=True),
    Case("pipe-after-http-1.0", http("GET /c HTTP/1.0", HOST) + SMUGGLED, "200", closes=True),
    Case("pipe-after-too-large", http(POST, HOST, "Content-Length: 999999999", body=SMUGGLED), "413", closes=True),
    Case("pipe-after-long-line", http("GET /" + "a" * 20000 + " HTTP/1.1", HOST) + SMUGGLED, "414|400|431", closes=True),
    Case("pipe-after-404-with-body", http("POST /closed/x HTTP/1.1", HOST, f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED), "403"),
]
