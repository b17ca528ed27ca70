"""RFC 9112 section 5, RFC 9110 section 5: field lines."""

from .case import GET, HOST, Case, bad, http


def field(name: str, line: str | bytes, allow: str = "400") -> Case:
    return bad(f"field-{name}", http(GET, HOST, line, "X-After: 1"), allow)


CASES = [
    Case("field-no-space", http(GET, HOST, "X-A:b"), "200", present=(("x-a", "b"),)),
    Case("field-much-space", http(GET, HOST, "X-A: \t  b \t "), "200", present=(("x-a", "b"),)),
    Case("field-empty-value", http(GET, HOST, "X-A:"), "200", present=(("x-a", ""),)),
    Case("field-every-tchar", http(GET, HOST, "!#$%&'*+-.^_`|~09AZaz: b"), "200|400", present=(("!#$%&'*+-.^_`|~09AZaz", "b"),)),
    Case("field-obs-text", http(GET, HOST, b"X-A: caf\xc3\xa9"), "200|400", present=(("x-a", "caf\xc3\xa9"),)),
    Case("field-twice", http(GET, HOST, "X-A: 1", "X-A: 2"), "200"),
    Case("field-inner-tab", http(GET, HOST, "X-A: a\tb"), "200", present=(("x-a", "a\tb"),)),
    # obs-fold.
    field("obs-fold-space", "X-A: b\r\n c"),
    field("obs-fold-tab", "X-A: b\r\n\tc"),
    field("obs-fold-empty", "X-A: b\r\n "),
    bad("field-fold-after-line", http(GET, " " + HOST)),
    bad("field-fold-after-line-then-host", http(GET, " X-A: b", HOST)),
    bad("field-fold-host", http(GET, "Host: shop", " .example")),
    bad("field-fold-last", http(GET, HOST, "X-A: b", " ")),
    # Line ends.
    bad("lf-everywhere", b"GET /c HTTP/1.1\nHost: shop.example\n\n"),
    bad("lf-after-request-line", b"GET /c HTTP/1.1\nHost: shop.example\r\n\r\n"),
    bad("lf-after-field", b"GET /c HTTP/1.1\r\nHost: shop.example\nX-A: b\r\n\r\n"),
    bad("lf-after-last-field", b"GET /c HTTP/1.1\r\nHost: shop.example\n\r\n"),
    bad("lf-for-empty-line", b"GET /c HTTP/1.1\r\nHost: shop.example\r\n\n"),
    bad("lf-lf", b"GET /c HTTP/1.1\r\nHost: shop.example\n\nGET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n"),
    bad("cr-only", b"GET /c HTTP/1.1\rHost: shop.example\r\r", "400|408"),
    bad("cr-cr-lf", b"GET /c HTTP/1.1\r\nHost: shop.example\r\r\n\r\n"),
    bad("cr-cr-lf-empty-line", b"GET /c HTTP/1.1\r\nHost: shop.example\r\n\r\r\n"),
    field("bare-lf-in-value", "X-A: b\nc"),
    field("bare-cr-in-value", "X-A: b\rc"),
    field("bare-cr-at-start", "X-A: \rb"),
    field("bare-cr-in-name", "X-\rA: b"),
    field("bare-lf-starts-field", "X-A: b\nX-Injected: c"),
    field("bare-cr-starts-field", "X-A: b\rX-Injected: c"),
    # Bytes.
    field("nul-in-value", "X-A: b\0c"),
    field("nul-in-name", "X\0A: b"),
    field("nul-alone", "\0"),
    field("del-in-value", "X-A: b\x7fc"),
    field("escape-in-value", "X-A: b\x1bc"),
    field("backspace-in-value", "X-A: b\x08c"),
    field("vertical-tab-in-value", "X-A: b\x0bc"),
    field("form-feed-in-value", "X-A: b\x0cc"),
    # Names.
    field("space-before-colon", "X-A : b"),
    field("tab-before-colon", "X-A\t: b"),
    field("space-in-name", "X A: b"),
    field("empty-name", ": b"),
    field("only-colon", ":"),
    field("no-colon", "X-A b"),
    field("no-colon-token", "X-A"),
    field("paren", "X(A): b"),
    field("quote", 'X"A: b'),
    field("slash", "X/A: b"),
    field("at", "X@A: b"),
    field("bracket", "X[A]: b"),
    field("brace", "X{A}: b"),
    field("backslash", "X\\A: b"),
    field("semicolon", "X;A: b"),
    field("equals", "X=A: b"),
    field("comma", "X,A: b"),
    field("question", "X?A: b"),
    field("less-than", "<X: b"),
    field("latin-name", b"X-\xe9: b"),
    field("utf8-name", "X-é: b".encode()),
    field("bom", b"\xef\xbb\xbfX-A: b"),
    field("del-in-name", "X\x7fA: b"),
    bad("cl-space-before-colon", http(GET, HOST, "Content-Length : 5", body=b"hello")),
    bad("host-space-before-colon", http(GET, "Host : shop.example")),
    bad("cl-name-vertical-tab", http(GET, HOST, "\x0bContent-Length: 5", body=b"hello")),
]
