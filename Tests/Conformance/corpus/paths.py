"""SPEC 28.1: one path normal form for matching, policy and forwarding.

The gateway under test refuses `/closed/…` with 403 by a fixed answer, so a path that is matched in one
form and forwarded in another shows.
"""

from .case import HOST, Case, http


def path(name: str, text: str, allow: str, *targets: str) -> Case:
    return Case(f"path-{name}", http(f"GET {text} HTTP/1.1", HOST), allow, targets=targets)


CASES = [
    path("plain", "/a/b", "200", "/a/b"),
    path("root", "/", "200", "/"),
    path("query", "/a?x=1&y=%20", "200", "/a?x=1&y=%20"),
    path("query-empty", "/a?", "200", "/a?", "/a"),
    path("query-question", "/a??b", "200", "/a??b"),
    path("query-untouched", "/a?x=/../b&y=%2e%2E%2f%41", "200", "/a?x=/../b&y=%2e%2E%2f%41"),
    path("query-percent-nul", "/a?x=%00", "200|400", "/a?x=%00"),
    path("dot", "/a/./b", "200", "/a/b"),
    path("dot-dot", "/a/../b", "200", "/b"),
    path("dot-dot-twice", "/a/b/../../c", "200", "/c"),
    path("dot-end", "/a/.", "200", "/a/"),
    path("dot-dot-end", "/a/b/..", "200", "/a/"),
    path("dot-only", "/.", "200", "/"),
    path("dot-dot-only", "/..", "200|400", "/"),
    path("above-root", "/../../b", "200|400", "/b"),
    path("three-dots", "/a/.../b", "200", "/a/.../b"),
    path("dot-name", "/.well-known/x", "200", "/.well-known/x"),
    path("dot-encoded", "/a/%2e/b", "200|400", "/a/b"),
    path("dot-dot-encoded", "/a/%2e%2e/b", "200|400", "/b"),
    path("dot-dot-encoded-upper", "/a/%2E%2E/b", "200|400", "/b"),
    path("dot-dot-half-encoded", "/a/.%2e/b", "200|400", "/b"),
    path("dot-dot-end-encoded", "/a/b/%2e%2e", "200|400", "/a/"),
    path("double-encoded", "/a/%252e%252e/b", "200", "/a/%252e%252e/b"),
    path("slash-encoded", "/a%2Fb", "200", "/a%2Fb", "/a%2fb"),
    path("slash-encoded-lower", "/a%2fb", "200", "/a%2Fb", "/a%2fb"),
    path("slash-encoded-dots", "/a/..%2Fb", "200|400", "/a/..%2Fb"),
    path("slash-encoded-inner-dots", "/a%2F..%2Fb", "200|400", "/a%2F..%2Fb"),
    path("backslash-encoded", "/a%5Cb", "200|400", "/a%5Cb", "/a%5cb"),
    path("backslash", "/a\\..\\b", "200|400", "/a\\..\\b", "/a%5C..%5Cb"),
    path("unreserved-encoded", "/%61%62", "200", "/ab", "/%61%62"),
    path("reserved-encoded", "/a%3Fb", "200", "/a%3Fb", "/a%3fb"),
    path("space-encoded", "/a%20b", "200", "/a%20b"),
    path("percent-nul", "/a%00b", "400"),
    path("percent-nul-end", "/a%00", "400"),
    path("percent-bad", "/a%zz", "400"),
    path("percent-half", "/a%2", "400"),
    path("percent-alone", "/a%", "400"),
    path("percent-crlf", "/a%0d%0aX-Injected:%20y", "200|400", "/a%0D%0AX-Injected:%20y", "/a%0d%0aX-Injected:%20y"),
    path("double-slash", "/a//b", "200|400", "/a//b", "/a/b"),
    path("double-slash-start", "//b", "200|400", "//b", "/b"),
    path("slash-end", "/a/", "200", "/a/"),
    path("parameter", "/a;x=1/b", "200", "/a;x=1/b"),
    path("parameter-dots", "/a/..;/b", "200|400", "/a/..;/b"),
    # What is refused as `/closed/` must be refused in every spelling of it.
    path("closed", "/closed/x", "403"),
    path("closed-dots", "/open/../closed/x", "403"),
    path("closed-dots-encoded", "/open/%2e%2e/closed/x", "403|400"),
    path("closed-dot", "/./closed/x", "403"),
    path("closed-letters-encoded", "/%63losed/x", "403|400"),
    path("closed-double-slash", "//closed/x", "403|400|404|200", "//closed/x"),
    path("closed-double-slash-dots", "/open//../../closed/x", "403|400"),
    path("closed-above-root", "/../closed/x", "403|400"),
    Case("path-closed-absolute", http("GET http://shop.example/open/../closed/x HTTP/1.1", HOST), "403|400"),
]
