"""Messages (RFC 9113 section 8): pseudo fields, regular fields, lengths, trailers, and what would split an HTTP/1.1 request."""

from .case import MALFORMED, SMUGGLED, Case, get, post, section

METHOD, SCHEME, AUTHORITY, PATH = (":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/c")
ALL = (METHOD, SCHEME, AUTHORITY, PATH)
SPLIT = "x\r\nx-injected: 1\r\n\r\n" + SMUGGLED


def without(*fields) -> tuple:
    return tuple(each for each in ALL if each not in fields)


def bad(name: str, rfc: str, *fields, ends: str = MALFORMED) -> Case:
    return Case(name, rfc, section(*fields), ends)


PSEUDO = [
    bad("no-method", "8.3.1", *without(METHOD)),
    bad("no-scheme", "8.3.1", *without(SCHEME)),
    bad("no-path", "8.3.1", *without(PATH)),
    bad("no-pseudo-at-all", "8.3.1", ("host", "shop.example")),
    bad("no-fields-at-all", "8.3.1"),
    bad("two-methods", "8.3", *ALL, METHOD),
    bad("two-schemes", "8.3", *ALL, SCHEME),
    bad("two-paths", "8.3", *ALL, PATH),
    bad("two-authorities", "8.3", *ALL, AUTHORITY),
    bad("two-different-paths", "8.3", *ALL, (":path", "/smuggled")),
    bad("unknown-pseudo", "8.3", *ALL, (":foo", "bar")),
    bad("bare-colon", "8.3", *ALL, (":", "bar")),
    bad("status-in-request", "8.3", *ALL, (":status", "200")),
    bad("protocol-without-connect", "8441 4", *ALL, (":protocol", "websocket")),
    bad("pseudo-after-regular", "8.3", METHOD, SCHEME, AUTHORITY, ("x-a", "1"), PATH),
    bad("upper-pseudo", "8.2", *without(PATH), (":Path", "/c")),
    bad("path-empty", "8.3.1", *without(PATH), (":path", "")),
    bad("path-relative", "8.3.1", *without(PATH), (":path", "c")),
    bad("path-absolute-form", "8.3.1", *without(PATH), (":path", "http://shop.example/c")),
    bad("path-star-get", "8.3.1", *without(PATH), (":path", "*")),
    bad("path-fragment", "8.3.1", *without(PATH), (":path", "/c#x")),
    bad("path-space", "8.3.1", *without(PATH), (":path", "/c x")),
    bad("path-version", "8.3.1", *without(PATH), (":path", "/c HTTP/1.1\r\nx: y")),
    bad("path-tab", "8.3.1", *without(PATH), (":path", "/c\tx")),
    bad("path-nul", "8.2.1", *without(PATH), (":path", "/c\0x")),
    bad("path-lf", "8.2.1", *without(PATH), (":path", "/c\nx")),
    bad("path-delete", "8.3.1", *without(PATH), (":path", "/c\x7f")),
    bad("path-obs-text", "8.3.1", *without(PATH), (":path", "/c\xe9")),
    bad("path-leading-space", "8.2.1", *without(PATH), (":path", " /c")),
    bad("path-trailing-space", "8.2.1", *without(PATH), (":path", "/c ")),
    bad("method-empty", "8.3.1", *without(METHOD), (":method", "")),
    bad("method-space", "8.3.1", *without(METHOD), (":method", "GET /smuggled HTTP/1.1")),
    bad("method-crlf", "8.2.1", *without(METHOD), (":method", "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\nGET")),
    bad("method-colon", "8.3.1", *without(METHOD), (":method", "GE:T")),
    bad("method-trailing-space", "8.2.1", *without(METHOD), (":method", "GET ")),
    bad("scheme-empty", "8.3.1", *without(SCHEME), (":scheme", "")),
    bad("scheme-space", "8.3.1", *without(SCHEME), (":scheme", "ht tp")),
    bad("scheme-url", "8.3.1", *without(SCHEME), (":scheme", "http://evil.example/x?")),
    bad("scheme-crlf", "8.2.1", *without(SCHEME), (":scheme", "http\r\nx: y")),
    bad("authority-userinfo", "8.3.1", *without(AUTHORITY), (":authority", "user:secret@shop.example")),
    bad("authority-empty", "8.3.1", *without(AUTHORITY), (":authority", "")),
    bad("authority-space", "8.3.1", *without(AUTHORITY), (":authority", "shop example")),
    bad("authority-path", "8.3.1", *without(AUTHORITY), (":authority", "shop.example/smuggled")),
    bad("authority-crlf", "8.2.1", *without(AUTHORITY), (":authority", "shop.example\r\nx-injected: 1")),
    bad("authority-smuggles", "8.2.1", *without(AUTHORITY), (":authority", "shop.example\r\n\r\n" + SMUGGLED)),
    bad("authority-port-letters", "8.3.1", *without(AUTHORITY), (":authority", "shop.example:80a")),
    bad("authority-two", "8.3.1", *without(AUTHORITY), (":authority", "shop.example,evil.example")),
    bad("authority-against-host", "8.3.1", *ALL, ("host", "evil.example")),
    bad("authority-with-the-same-host", "8.3.1", *ALL, ("host", "shop.example"), ends="200"),
    bad("host-twice", "8.3.1", *ALL, ("host", "shop.example"), ("host", "evil.example")),
    bad("host-alone", "8.3.1", *without(AUTHORITY), ("host", "shop.example"), ends="200"),
    bad("host-alone-twice", "8.3.1", *without(AUTHORITY), ("host", "shop.example"), ("host", "shop.example")),
    bad("no-authority-no-host", "8.3.1", *without(AUTHORITY), ends=MALFORMED),
]

CONNECT = "rst PROTOCOL_ERROR|400|403|404|405|501|rst REFUSED_STREAM|rst CONNECT_ERROR|goaway PROTOCOL_ERROR"
METHODS = [
    Case("connect", "8.5", section((":method", "CONNECT"), (":authority", "shop.example:443")), CONNECT, particular=True),
    bad("connect-with-path", "8.5", (":method", "CONNECT"), SCHEME, AUTHORITY, PATH, ends=CONNECT),
    bad("connect-without-authority", "8.5", (":method", "CONNECT"), ends=CONNECT),
    bad("method-lower-case", "9110 9.1", *without(METHOD), (":method", "get"), ends="200|400|405|501|" + MALFORMED),
    bad("method-of-its-own", "9110 9.1", *without(METHOD), (":method", "BREW"), ends="200|400|405|501"),
    bad("options-star", "8.3.1", (":method", "OPTIONS"), SCHEME, AUTHORITY, (":path", "*"), ends="200|204|400|404|405|" + MALFORMED),
    Case("expect-continue", "9110 10.1.1", post(b"hello", fields=(("expect", "100-continue"),)), "200"),
    Case("expect-something", "9110 10.1.1", post(b"hello", fields=(("expect", "miracles"),)), "200|417|400"),
    bad("get-with-length-0", "8.1.1", *ALL, ("content-length", "0"), ends="200"),
]

FIELDS = (
    [
        bad(f"field-{name}-{value.partition('=')[0]}", "8.2.2", *ALL, (name, value))
        for name, value in (("connection", "close"), ("connection", "keep-alive"), ("connection", "x-a"), ("proxy-connection", "close"), ("keep-alive", "timeout=5"), ("transfer-encoding", "chunked"), ("upgrade", "h2c"))
    ]
    + [
        bad("te-trailers", "8.2.2", *ALL, ("te", "trailers"), ends="200"),
        bad("te-gzip", "8.2.2", *ALL, ("te", "gzip")),
        bad("te-trailers-and-more", "8.2.2", *ALL, ("te", "trailers, deflate;q=0.5")),
        bad("transfer-encoding-identity", "8.2.2", *ALL, ("transfer-encoding", "identity")),
    ]
    + [
        bad(f"name-{label}", "8.2.1", *ALL, (name, "1"))
        for label, name in (
            ("upper", "X-Upper"), ("one-upper", "x-Upper"), ("empty", ""), ("space", "x a"), ("leading-space", " x-a"), ("trailing-space", "x-a "), ("colon", "x-a:b"), ("nul", "x-\0a"), ("cr", "x-\ra"),
            ("lf", "x-\na"), ("crlf", "x-a: 1\r\nx-injected"), ("delete", "x-\x7f"), ("obs-text", "x-\xe9"), ("tab", "x-\ta"), ("slash", "x/a"), ("upper-length", "Content-Length"), ("upper-coding", "Transfer-Encoding"),
        )
    ]
    + [
        bad(f"value-{label}", "8.2.1", *ALL, ("x-a", value))
        for label, value in (
            ("nul", "a\0b"), ("cr", "a\rb"), ("lf", "a\nb"), ("crlf", "a\r\nx-injected: 1"), ("smuggles", SPLIT), ("leading-space", " a"), ("leading-tab", "\ta"), ("trailing-space", "a "), ("trailing-tab", "a\t"),
            ("only-space", " "), ("only-tab", "\t"), ("control", "a\x01b"), ("delete", "a\x7fb"), ("ends-in-cr", "a\r"), ("ends-in-lf", "a\n"),
        )
    ]
    + [bad(f"value-{label}", "8.2.1", *ALL, ("x-a", value), ends="200") for label, value in (("empty", ""), ("inner-space", "a \t b"), ("obs-text", "\xe9\xff"))]
    + [
        bad("cookie-smuggles", "8.2.1", *ALL, ("cookie", "a=1"), ("cookie", SPLIT)),
        bad("cookie-trailing-space", "8.2.1", *ALL, ("cookie", "a=1 "), ("cookie", "b=2")),
        bad("host-smuggles", "8.2.1", *without(AUTHORITY), ("host", SPLIT)),
        bad("host-userinfo", "8.3.1", *without(AUTHORITY), ("host", "user@shop.example")),
    ]
)

HELLO = b"hello"
LENGTHS = (
    [
        Case("length-too-large", "8.1.1", post(b"hel", fields=(("content-length", "5"),)), MALFORMED),
        Case("length-too-small", "8.1.1", post(HELLO, fields=(("content-length", "3"),)), MALFORMED),
        Case("length-too-small-in-pieces", "8.1.1", post(b"he", b"ll", b"o", fields=(("content-length", "3"),)), MALFORMED),
        Case("length-without-body", "8.1.1", get(("content-length", "5"), method="POST"), MALFORMED),
        Case("length-zero-with-body", "8.1.1", post(HELLO, fields=(("content-length", "0"),)), MALFORMED),
        Case("length-smuggles", "8.1.1", post(SMUGGLED.encode(), fields=(("content-length", "0"),)), MALFORMED),
        Case("length-too-large-trailers", "8.1.1", post(HELLO, fields=(("content-length", "6"),), trailers=[("x-end", "1")]), MALFORMED),
        Case("length-right", "8.1.1", post(b"he", b"", b"llo", fields=(("content-length", "5"),)), "200"),
        Case("length-twice-the-same", "9110 8.6", post(HELLO, fields=(("content-length", "5"), ("content-length", "5"))), MALFORMED + "|200"),
        Case("length-twice", "9110 8.6", post(HELLO, fields=(("content-length", "5"), ("content-length", "6"))), MALFORMED),
        Case("length-list", "9110 8.6", post(HELLO, fields=(("content-length", "5, 5"),)), MALFORMED + "|200"),
    ]
    + [Case(f"length-{value.replace(' ', '_') or 'empty'}", "9110 8.6", post(HELLO, fields=(("content-length", value),)), MALFORMED) for value in ("+5", "-5", "5a", "", "0x5", "5 ", " 5", "5.0", "18446744073709551621", "99999999999999999999999")]
)

TRAILERS = [
    Case("trailers", "8.1", post(HELLO, trailers=[("x-end", "1")]), "200"),
    Case("trailers-without-body", "8.1", post(trailers=[("x-end", "1")]), "200"),
    Case("trailers-empty", "8.1", post(HELLO, trailers=[]), "200"),
    Case("trailers-not-the-end", "8.1", post(HELLO, b"")[:-9] + section(("x-end", "1"), end=False), MALFORMED),
    Case("trailers-pseudo", "8.1", post(HELLO, trailers=[(":path", "/smuggled")]), MALFORMED),
    Case("trailers-status", "8.1", post(HELLO, trailers=[(":status", "200")]), MALFORMED),
    Case("trailers-upper", "8.2.1", post(HELLO, trailers=[("X-End", "1")]), MALFORMED),
    Case("trailers-connection", "8.2.2", post(HELLO, trailers=[("connection", "close")]), MALFORMED),
    Case("trailers-coding", "8.2.2", post(HELLO, trailers=[("transfer-encoding", "chunked")]), MALFORMED),
    Case("trailers-trailing-space", "8.2.1", post(HELLO, trailers=[("x-end", "1 ")]), MALFORMED),
    Case("trailers-crlf", "8.2.1", post(HELLO, trailers=[("x-end", "1\r\n\r\n" + SMUGGLED)]), MALFORMED),
    # Fields that mean nothing in trailers: refused or left out, never forwarded (the back end's parser says so).
    Case("trailers-length", "9110 6.5.1", post(HELLO, trailers=[("content-length", "5")]), MALFORMED + "|200"),
    Case("trailers-host", "9110 6.5.1", post(HELLO, trailers=[("host", "evil.example")]), MALFORMED + "|200"),
    Case("trailers-authorization", "9110 6.5.1", post(HELLO, trailers=[("authorization", "x"), ("te", "trailers")]), MALFORMED + "|200"),
]

TOO_LARGE = "431|rst PROTOCOL_ERROR|rst ENHANCE_YOUR_CALM|rst REFUSED_STREAM|goaway ENHANCE_YOUR_CALM|goaway PROTOCOL_ERROR|goaway COMPRESSION_ERROR"
LIMITS = [
    Case("limit-fields", "10.5.1", get(*[(f"x-{n}", "1") for n in range(101)]), TOO_LARGE, particular=True),
    Case("limit-fields-kept", "10.5.1", get(*[(f"x-{n}", "1") for n in range(80)]), "200", particular=True),
    Case("limit-field", "10.5.1", get(("x-a", "a" * 9000)), TOO_LARGE, particular=True),
    Case("limit-path", "10.5.1", get(path="/c/" + "a" * 9000), TOO_LARGE + "|414", particular=True),
    Case("limit-field-kept", "10.5.1", get(("x-a", "a" * 8000)), "200", particular=True),
    Case("limit-head", "10.5.1", lambda client: client.open([*ALL, *[(f"x-{n}", "a" * 4000) for n in range(12)]]), TOO_LARGE, particular=True),
    Case("limit-trailers", "10.5.1", post(HELLO, trailers=[(f"x-{n}", "a" * 3000) for n in range(4)]), TOO_LARGE + "|400", particular=True),
]

CASES = PSEUDO + METHODS + FIELDS + LENGTHS + TRAILERS + LIMITS
