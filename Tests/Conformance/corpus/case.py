"""The shape of one case, and the words to write it with."""

import dataclasses

GET = "GET /c HTTP/1.1"
POST = "POST /c HTTP/1.1"
HOST = "Host: shop.example"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n"


def http(*lines: str | bytes, body: bytes = b"") -> bytes:
    """Lines with CRLF, the empty line, the body: nothing is corrected."""
    head = b"\r\n".join(line.encode("latin-1") if isinstance(line, str) else line for line in lines)
    return head + b"\r\n\r\n" + body


@dataclasses.dataclass(frozen=True)
class Case:
    """`raw` goes out on a fresh connection; `allow` is what may come back.

    `allow`: the answers in order, separated by commas, each a set of statuses separated by bars. `200`
    is the back end's own answer: the request was forwarded. `-` = closed without an answer.
    """

    name: str
    raw: bytes
    allow: str
    # When the first request is forwarded, in this form:
    targets: tuple[str, ...] = ()
    body: bytes | None = None
    present: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, ...] = ()
    trailers: tuple[tuple[str, str], ...] | None = None
    # A refused request must also end the connection (the rest of the stream cannot be trusted).
    closes: bool = False

    @property
    def answers(self) -> list[set[int]]:
        return [{0 if status == "-" else int(status) for status in one.split("|")} for one in self.allow.split(",")]

    def __str__(self) -> str:
        return self.name


def bad(name: str, raw: bytes, allow: str = "400") -> Case:
    """A request with no trustworthy reading: refused, and the connection with it."""
    return Case(name, raw, allow, closes="200" not in allow)
