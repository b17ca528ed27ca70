"""RFC 9112 section 3.2: the four target forms."""

from .case import HOST, Case, bad, http


def target(name: str, text: str | bytes, allow: str = "400", method: str = "GET") -> Case:
    raw = text.encode("latin-1") if isinstance(text, str) else text
    return bad(f"target-{name}", http(method.encode() + b" " + raw + b" HTTP/1.1", HOST), allow)


def absolute(name: str, text: str, allow: str, *more: str, host: str = HOST, **form) -> Case:
    return Case(f"target-absolute-{name}", http(f"GET {text} HTTP/1.1", host, *more), allow, **form)


CASES = [
    absolute("plain", "http://shop.example/c", "200", targets=("/c", "http://shop.example/c")),
    absolute("upper-scheme", "HTTP://shop.example/c", "200|400", targets=("/c", "http://shop.example/c")),
    absolute("no-path", "http://shop.example", "200", targets=("/", "http://shop.example/")),
    absolute("query-no-path", "http://shop.example?x=1", "200|400", targets=("/?x=1", "http://shop.example/?x=1")),
    # The target's authority replaces the Host field (RFC 9112 section 3.2.2), or the mismatch is refused.
    absolute("host-differs", "http://shop.example/c", "200|400", host="Host: evil.example", present=(("host", "shop.example"),)),
    absolute("host-differs-port", "http://shop.example:81/c", "200|400", present=(("host", "shop.example:81"),)),
    absolute("https", "https://shop.example/c", "200|400|421"),
    absolute("userinfo", "http://user@shop.example/c", "400"),
    absolute("userinfo-password", "http://user:secret@shop.example/c", "400"),
    absolute("no-authority", "http:///c", "400"),
    absolute("no-slashes", "http:/c", "400"),
    absolute("bad-port", "http://shop.example:http/c", "400"),
    absolute("other-scheme", "ftp://shop.example/c", "400|404|421|501"),
    absolute("script-scheme", "javascript:alert(1)", "400|404|421|501"),
    absolute("fragment", "http://shop.example/c#x", "400|200", targets=("/c",)),
    absolute("dots", "http://shop.example/a/../c", "200", targets=("/c", "http://shop.example/c")),
    bad("target-absolute-no-host", http("GET http://shop.example/c HTTP/1.1")),
    target("authority-form-get", "shop.example:80"),
    target("authority-form-post", "shop.example:80", method="POST"),
    target("no-slash", "c"),
    target("query-only", "?x=1"),
    target("asterisk-get", "*"),
    target("asterisk-path", "*/c"),
    Case("target-asterisk-options", http("OPTIONS * HTTP/1.1", HOST), "200|204|400|404|405|501", targets=("*",)),
    Case("target-connect", http("CONNECT shop.example:443 HTTP/1.1", HOST), "400|403|404|405|501"),
    Case("target-connect-path", http("CONNECT /c HTTP/1.1", HOST), "400|403|404|405|501"),
    Case("target-trace", http("TRACE /c HTTP/1.1", HOST), "200|400|403|404|405|501"),
    target("fragment", "/c#x", "400|200"),
    target("nul", "/c\0d"),
    target("cr", "/c\rd"),
    target("lf", "/c\nd"),
    target("tab", "/c\td"),
    target("vertical-tab", "/c\x0bd"),
    target("del", "/c\x7f"),
    target("escape", "/c\x1b[2J"),
    target("latin", b"/caf\xe9", "400|200"),
    target("utf8", "/café".encode(), "400|200"),
    target("quote", '/c"d', "400|200"),
    target("angle", "/c<d>", "400|200"),
]
