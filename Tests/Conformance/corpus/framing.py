"""RFC 9112 section 6: where a message ends. Two lengths, odd lengths, odd codings."""

from .case import GET, HOST, POST, SMUGGLED, Case, bad, http

CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"


def te(name: str, *values: str | bytes, allow: str = "400|501", line: str = POST) -> Case:
    fields = [b"Transfer-Encoding:" + (value.encode("latin-1") if isinstance(value, str) else value) for value in values]
    return bad(f"te-{name}", http(line, HOST, *fields, body=CHUNKED), allow)


def cl(name: str, *values: str, allow: str = "400") -> Case:
    return bad(f"cl-{name}", http(POST, HOST, *[f"Content-Length:{value}" for value in values], body=b"hello"), allow)


CASES = [
    Case("cl-plain", http(POST, HOST, "Content-Length: 5", body=b"hello"), "200", body=b"hello"),
    Case("cl-zero", http(POST, HOST, "Content-Length: 0"), "200", body=b""),
    Case("cl-on-get", http(GET, HOST, "Content-Length: 5", body=b"hello"), "200|400", body=b"hello"),
    Case("no-length-on-post", http(POST, HOST), "200|411", body=b""),
    Case("cl-leading-zeros", http(POST, HOST, "Content-Length: 0005", body=b"hello"), "200|400", body=b"hello"),
    Case("cl-padded", http(POST, HOST, "Content-Length: \t 5 \t", body=b"hello"), "200", body=b"hello"),
    Case("te-chunked", http(POST, HOST, "Transfer-Encoding: chunked", body=CHUNKED), "200", body=b"hello"),
    Case("te-upper-case", http(POST, HOST, "Transfer-Encoding: CHUNKED", body=CHUNKED), "200", body=b"hello"),
    Case("te-tab-padded", http(POST, HOST, "Transfer-Encoding:\tchunked\t", body=CHUNKED), "200|400", body=b"hello"),
    Case("te-underscore", http(POST, HOST, "Transfer_Encoding: chunked", "Content-Length: 15", body=CHUNKED), "200|400", body=CHUNKED),
    # Both lengths at once: CL.TE, TE.CL, and each order of the fields.
    bad("cl-te", http(POST, HOST, "Content-Length: 15", "Transfer-Encoding: chunked", body=CHUNKED)),
    bad("te-cl", http(POST, HOST, "Transfer-Encoding: chunked", "Content-Length: 15", body=CHUNKED)),
    bad("cl-te-smuggle", http(POST, HOST, f"Content-Length: {5 + len(SMUGGLED)}", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED)),
    bad("te-cl-smuggle", http(POST, HOST, "Transfer-Encoding: chunked", "Content-Length: 4", body=b"2f\r\n" + SMUGGLED + b"\r\n0\r\n\r\n")),
    bad("cl-zero-te", http(POST, HOST, "Content-Length: 0", "Transfer-Encoding: chunked", body=CHUNKED)),
    bad("cl-te-on-get", http(GET, HOST, "Content-Length: 0", "Transfer-Encoding: chunked", body=CHUNKED)),
    bad("cl-te-identity", http(POST, HOST, "Content-Length: 5", "Transfer-Encoding: identity", body=b"hello"), "400|501"),
    bad("cl-te-unknown", http(POST, HOST, "Content-Length: 5", "Transfer-Encoding: x", body=b"hello"), "400|501"),
    bad("cl-te-empty", http(POST, HOST, "Content-Length: 5", "Transfer-Encoding:", body=b"hello"), "400|501"),
    bad("cl-te-space-colon", http(POST, HOST, "Content-Length: 15", "Transfer-Encoding : chunked", body=CHUNKED)),
    bad("cl-te-folded", http(POST, HOST, "Content-Length: 15", "Transfer-Encoding:", " chunked", body=CHUNKED)),
    bad("cl-te-hidden-by-lf", http(POST, HOST, "Content-Length: 15", "X-A: b\nTransfer-Encoding: chunked", body=CHUNKED)),
    bad("cl-te-hidden-by-cr", http(POST, HOST, "Content-Length: 15", "X-A: b\rTransfer-Encoding: chunked", body=CHUNKED)),
    # Content-Length.
    cl("differ", " 5", " 6"),
    cl("differ-reversed", " 6", " 5"),
    cl("differ-zero", " 0", " 5"),
    cl("list-differs", " 5, 6"),
    cl("list-same", " 5, 5", allow="200|400"),
    cl("twice-same", " 5", " 5", allow="200|400"),
    cl("list-trailing-comma", " 5,"),
    cl("list-leading-comma", " ,5"),
    cl("plus", " +5"),
    cl("minus", " -5"),
    cl("minus-zero", " -0"),
    cl("hex", " 0x5"),
    cl("octal-looking", " 0o5"),
    cl("float", " 5.0"),
    cl("exponent", " 5e0"),
    cl("inner-space", " 5 0"),
    cl("inner-tab", " 5\t0"),
    cl("vertical-tab", " \x0b5"),
    cl("form-feed", " 5\x0c"),
    cl("empty", ""),
    cl("only-space", "  "),
    cl("word", " five"),
    cl("suffix", " 5b"),
    cl("quoted", ' "5"'),
    cl("semicolon", " 5;x"),
    cl("underscore", " 1_0"),
    cl("overflow-64", " 18446744073709551621"),
    cl("overflow-63", " 9223372036854775808", allow="400|413"),
    cl("overflow-32-wrap", " 4294967301", allow="400|413"),
    cl("many-digits", " " + "9" * 300),
    cl("latin-digit", " \xb25"),
    cl("nul", " 5\x00"),
    # Transfer-Encoding.
    te("gzip", " gzip"),
    te("identity", " identity"),
    te("gzip-chunked", " gzip, chunked"),
    te("chunked-gzip", " chunked, gzip"),
    te("chunked-identity", " chunked, identity"),
    te("identity-chunked", " identity, chunked"),
    te("chunked-twice-list", " chunked, chunked"),
    te("chunked-twice-lines", " chunked", " chunked"),
    te("chunked-then-x", " chunked", " x"),
    te("x-then-chunked", " x", " chunked"),
    te("xchunked", " xchunked"),
    te("chunkedx", " chunkedx"),
    te("chunked-parameter", " chunked;x"),
    te("chunked-parameter-value", " chunked;q=1"),
    te("quoted", ' "chunked"'),
    te("single-quoted", " 'chunked'"),
    te("bracketed", " [chunked]"),
    te("empty", ""),
    te("empty-list-start", " ,chunked", allow="200|400|501"),
    te("empty-list-end", " chunked,", allow="200|400|501"),
    te("vertical-tab", " \x0bchunked"),
    te("vertical-tab-after", " chunked\x0b"),
    te("form-feed", " \x0cchunked"),
    te("nul", " chunked\x00"),
    te("nul-first", " \x00chunked"),
    te("del", " chunked\x7f"),
    te("nbsp", b" chunked\xa0"),
    te("latin", b" \xffchunked"),
    te("inner-space", " chun ked"),
    te("http-1.0", " chunked", line="POST /c HTTP/1.0"),
    bad("te-cl-http-1.0", http("POST /c HTTP/1.0", HOST, "Transfer-Encoding: chunked", "Content-Length: 15", body=CHUNKED)),
]
