"""Bounds on lines, counts and sums: 414, 431, 413, never more memory."""

from .case import GET, HOST, POST, Case, http

CASES = [
    Case("limit-line-near", http("GET /" + "a" * 8000 + " HTTP/1.1", HOST), "200"),
    Case("limit-line-over", http("GET /" + "a" * 9000 + " HTTP/1.1", HOST), "414", closes=True),
    Case("limit-line-query-over", http("GET /c?" + "a" * 9000 + " HTTP/1.1", HOST), "414", closes=True),
    Case("limit-line-endless", b"GET /" + b"a" * 200000, "414|400|431", closes=True),
    Case("limit-line-no-space-endless", b"A" * 200000, "400|414|431|501", closes=True),
    Case("limit-field-near", http(GET, HOST, "X-A: " + "b" * 8000), "200"),
    Case("limit-field-over", http(GET, HOST, "X-A: " + "b" * 9000), "431", closes=True),
    Case("limit-field-name-over", http(GET, HOST, "X" * 9000 + ": b"), "431", closes=True),
    Case("limit-field-endless", http(GET, HOST)[:-2] + b"X-A: " + b"b" * 200000, "431", closes=True),
    Case("limit-fields-near", http(GET, HOST, *[f"X-{n}: 1" for n in range(80)]), "200"),
    Case("limit-fields-over", http(GET, HOST, *[f"X-{n}: 1" for n in range(150)]), "431", closes=True),
    Case("limit-fields-thousands", http(GET, HOST, *["A:"] * 5000), "431", closes=True),
    Case("limit-head-over", http(GET, HOST, *[f"X-{n}: " + "b" * 7000 for n in range(6)]), "431", closes=True),
    Case("limit-body-length", http(POST, HOST, "Content-Length: 2000000", body=b"x" * 100000), "413", closes=True),
    Case("limit-body-chunked", http(POST, HOST, "Transfer-Encoding: chunked", body=b"10000\r\n" + b"x" * 65536 + b"\r\n") + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 19 + b"0\r\n\r\n", "413", closes=True),
    Case("limit-body-near", http(POST, HOST, "Content-Length: 1048576", body=b"x" * 1048576), "200"),
    Case("limit-stalled-head", b"GET /c HTTP/1.1\r\nHost: shop", "408", closes=True),
    Case("limit-stalled-body", http(POST, HOST, "Content-Length: 5", body=b"he"), "408|400", closes=True),
    Case("limit-stalled-chunk", http(POST, HOST, "Transfer-Encoding: chunked", body=b"5\r\nhe"), "408|400", closes=True),
    Case("limit-stalled-last-chunk", http(POST, HOST, "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n"), "408|400", closes=True),
]
