"""RFC 9112 section 7.1: chunk lines, chunk ends, trailers."""

from .case import HOST, POST, SMUGGLED, Case, http


def chunked(body: bytes) -> bytes:
    return http(POST, HOST, "Transfer-Encoding: chunked", body=body)


def good(name: str, body: bytes, data: bytes = b"hello", allow: str = "200", **form) -> Case:
    return Case(f"chunk-{name}", chunked(body), allow, body=data, **form)


def wrong(name: str, body: bytes, allow: str = "400") -> Case:
    # Rubbish after the last chunk line reads as the next request when the body was proper before it.
    return Case(f"chunk-{name}", chunked(body), allow, closes=True)


END = b"0\r\n\r\n"

CASES = [
    good("one", b"5\r\nhello\r\n" + END),
    good("none", END, b""),
    good("many", b"1\r\nh\r\n1\r\ne\r\n3\r\nllo\r\n" + END),
    good("hex-upper", b"A\r\n0123456789\r\n" + END, b"0123456789"),
    good("hex-lower", b"a\r\n0123456789\r\n" + END, b"0123456789"),
    good("leading-zeros", b"0005\r\nhello\r\n" + END),
    good("many-leading-zeros", b"0" * 60 + b"5\r\nhello\r\n" + END, allow="200|400"),
    good("last-two-zeros", b"5\r\nhello\r\n00\r\n\r\n"),
    good("extension", b"5;a\r\nhello\r\n" + END),
    good("extension-value", b"5;a=b;c\r\nhello\r\n" + END),
    good("extension-quoted", b'5;a="b\\"; c"\r\nhello\r\n' + END),
    good("extension-last", b"5\r\nhello\r\n0;a=b\r\n\r\n"),
    good("trailer", b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
    good("data-looks-like-end", b"7\r\n0\r\n\r\n\r\n\r\n" + END, b"0\r\n\r\n\r\n"),
    good("data-looks-like-request", b"%x\r\n%s\r\n" % (len(SMUGGLED), SMUGGLED) + END, SMUGGLED),
    # Line ends.
    wrong("lf-after-size", b"5\nhello\r\n" + END),
    wrong("lf-after-data", b"5\r\nhello\n" + END),
    wrong("lf-after-last-size", b"5\r\nhello\r\n0\n\r\n"),
    wrong("lf-for-last-line", b"5\r\nhello\r\n0\r\n\n"),
    wrong("lf-everywhere", b"5\nhello\n0\n\n"),
    wrong("cr-after-size", b"5\rhello\r\n" + END),
    wrong("cr-after-data", b"5\r\nhello\r" + END),
    wrong("cr-cr-lf-after-size", b"5\r\r\nhello\r\n" + END),
    wrong("no-crlf-after-data", b"5\r\nhello" + END),
    wrong("size-too-small", b"3\r\nhello\r\n" + END),
    wrong("two-bytes-not-crlf", b"5\r\nhelloXX" + END),
    # The chunk line.
    wrong("space-before-size", b" 5\r\nhello\r\n" + END),
    wrong("space-after-size", b"5 \r\nhello\r\n" + END),
    wrong("spaces-after-size", b"5    \r\nhello\r\n" + END),
    wrong("tab-after-size", b"5\t\r\nhello\r\n" + END),
    wrong("vertical-tab-after-size", b"5\x0b\r\nhello\r\n" + END),
    wrong("nul-after-size", b"5\0\r\nhello\r\n" + END),
    wrong("nul-in-extension", b"5;a=\0\r\nhello\r\n" + END),
    wrong("cr-in-extension", b"5;a=\rb\r\nhello\r\n" + END),
    wrong("lf-in-extension", b"5;a=\nb\r\nhello\r\n" + END),
    wrong("lf-in-quoted-extension", b'5;a="\n"\r\nhello\r\n' + END),
    wrong("lf-extension-smuggle", b"2;\nxx\r\n4c\r\n" + b"0\r\n\r\n" + SMUGGLED),
    wrong("inner-space", b"5 5\r\nhello\r\n" + END),
    wrong("empty-size", b"\r\nhello\r\n" + END),
    wrong("only-extension", b";a=b\r\nhello\r\n" + END),
    wrong("plus", b"+5\r\nhello\r\n" + END),
    wrong("minus", b"-5\r\nhello\r\n" + END),
    wrong("minus-zero", b"5\r\nhello\r\n-0\r\n\r\n"),
    wrong("0x", b"0x5\r\nhello\r\n" + END),
    wrong("x", b"x5\r\nhello\r\n" + END),
    wrong("not-hex", b"g\r\nhello\r\n" + END),
    wrong("hex-then-letter", b"5g\r\nhello\r\n" + END),
    wrong("underscore", b"0_5\r\nhello\r\n" + END),
    wrong("comma", b"5,5\r\nhello\r\n" + END),
    wrong("quoted", b'"5"\r\nhello\r\n' + END),
    wrong("latin", b"\xb25\r\nhello\r\n" + END),
    wrong("overflow-64", b"10000000000000005\r\nhello\r\n" + END),
    wrong("overflow-max", b"ffffffffffffffff\r\nhello\r\n" + END, "400|413"),
    wrong("overflow-signed", b"8000000000000005\r\nhello\r\n" + END, "400|413"),
    wrong("overflow-32-wrap", b"100000005\r\nhello\r\n" + END, "400|413"),
    wrong("many-digits", b"f" * 200 + b"\r\nhello\r\n" + END),
    wrong("extension-huge", b"5;" + b"a" * 5000 + b"\r\nhello\r\n" + END, "400|413|431"),
    wrong("extension-huge-quoted", b'5;a="' + b"b" * 20000 + b'"\r\nhello\r\n' + END, "400|413|431"),
    wrong("extensions-many", (b"1;" + b"a" * 200 + b"\r\nx\r\n") * 5 + b"5;" + b"a" * 300 + b"\r\nhello\r\n" + END, "400|413|431"),
    # Trailers.
    wrong("trailer-no-colon", b"5\r\nhello\r\n0\r\nX-Sum 1\r\n\r\n"),
    wrong("trailer-space-before-colon", b"5\r\nhello\r\n0\r\nX-Sum : 1\r\n\r\n"),
    wrong("trailer-empty-name", b"5\r\nhello\r\n0\r\n: 1\r\n\r\n"),
    wrong("trailer-obs-fold", b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n 2\r\n\r\n"),
    wrong("trailer-fold-first", b"5\r\nhello\r\n0\r\n X-Sum: 1\r\n\r\n"),
    wrong("trailer-lf", b"5\r\nhello\r\n0\r\nX-Sum: 1\n\r\n"),
    wrong("trailer-bare-cr", b"5\r\nhello\r\n0\r\nX-Sum: 1\r2\r\n\r\n"),
    wrong("trailer-nul", b"5\r\nhello\r\n0\r\nX-Sum: \0\r\n\r\n"),
    wrong("trailer-bad-token", b"5\r\nhello\r\n0\r\nX(Sum): 1\r\n\r\n"),
    wrong("trailer-request-line", b"5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n"),
    wrong("trailers-huge", b"5\r\nhello\r\n0\r\n" + b"X-Sum: " + b"1" * 20000 + b"\r\n\r\n", "400|413|431"),
    wrong("trailers-many", b"5\r\nhello\r\n0\r\n" + b"X-Sum: 1\r\n" * 3000 + b"\r\n", "400|413|431"),
    # Trailers never become framing, routing or credentials: dropped or refused.
    good("trailer-content-length", b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n", allow="200|400"),
    good("trailer-transfer-encoding", b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", allow="200|400"),
    good("trailer-host", b"5\r\nhello\r\n0\r\nHost: evil.example\r\n\r\n", allow="200|400"),
    good("trailer-authorization", b"5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\n\r\n", allow="200|400", absent=("authorization",)),
    good("trailer-connection", b"5\r\nhello\r\n0\r\nConnection: close\r\n\r\n", allow="200|400"),
]
