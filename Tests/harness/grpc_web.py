"""A gRPC-Web client written from the protocol's text (PROTOCOL-WEB), not from any library's view of it."""

import base64
import dataclasses
import struct
from collections.abc import Iterator

import httpx

TRAILERS = 0x80
BINARY, TEXT = "application/grpc-web+proto", "application/grpc-web-text+proto"


def frame(message: bytes, flags: int = 0) -> bytes:
    """A message behind its prefix."""
    return struct.pack(">BI", flags, len(message)) + message


def request_body(messages, text: bool) -> bytes:
    body = b"".join(frame(each) for each in messages)
    return base64.b64encode(body) if text else body


class Reader:
    """Takes an answer's body apart as it comes; refuses everything the protocol does not say."""

    def __init__(self, text: bool):
        self.text = text
        self.messages: list[bytes] = []
        self.trailers: list[tuple[str, str]] | None = None
        self._left = b""  # of text: less than a group
        self._bytes = b""

    def feed(self, data: bytes) -> None:
        if self.text:
            data = self._left + data
            whole = len(data) // 4 * 4
            self._left, data = data[whole:], b"".join(
                base64.b64decode(data[i : i + 4], validate=True) for i in range(0, whole, 4))
        self._bytes += data
        while len(self._bytes) >= 5:
            flags, length = struct.unpack_from(">BI", self._bytes)
            if len(self._bytes) < 5 + length:
                return
            content, self._bytes = self._bytes[5 : 5 + length], self._bytes[5 + length :]
            assert self.trailers is None, "a frame came behind the trailers"
            if flags == TRAILERS:
                self.trailers = self._lines(content)
            else:
                assert flags in (0, 1), f"a frame has the flags {flags:#x}"
                self.messages.append(content)

    @staticmethod
    def _lines(content: bytes) -> list[tuple[str, str]]:
        assert content == b"" or content.endswith(b"\r\n"), content
        pairs = []
        for line in content.split(b"\r\n")[:-1]:
            name, colon, value = line.partition(b":")
            assert colon and name and name == name.lower() and b" " not in name, line
            pairs.append((name.decode(), value.strip().decode("latin-1")))
        return pairs

    def finish(self) -> None:
        assert not self._left, "the text ends inside a group"
        assert not self._bytes, "the body ends inside a frame"


@dataclasses.dataclass
class Answer:
    head: httpx.Response
    messages: list[bytes]
    #: From the last frame; None = there was none, and the head has the status.
    trailers: list[tuple[str, str]] | None

    def _field(self, name: str) -> str | None:
        found = [value for key, value in self.trailers if key == name] if self.trailers is not None else self.head.headers.get_list(name)
        assert len(found) < 2, found
        return found[0] if found else None

    @property
    def status(self) -> int:
        value = self._field("grpc-status")
        assert value is not None, f"no grpc-status: {self.head.headers} {self.trailers}"
        return int(value)

    @property
    def message(self) -> str:
        return self._field("grpc-message") or ""


class Call:
    """A call whose answer is read as it comes: iterate for the messages, then look at `answer`."""

    def __init__(self, head: httpx.Response, text: bool):
        self.head = head
        self._reader = Reader(text)

    def __iter__(self) -> Iterator[bytes]:
        seen = 0
        for data in self.head.iter_raw():
            self._reader.feed(data)
            yield from self._reader.messages[seen:]
            seen = len(self._reader.messages)
        self._reader.finish()

    @property
    def answer(self) -> Answer:
        return Answer(self.head, self._reader.messages, self._reader.trailers)


class Client:
    """Calls at one gateway, over HTTP/1.1 or HTTP/2."""

    def __init__(self, address: str, text: bool = False, http2: bool = False):
        self.text = text
        self._http = httpx.Client(base_url=f"http://{address}", http1=not http2, http2=http2, timeout=15, trust_env=False)

    def start(self, method: str, *messages: bytes, fields: dict | None = None, body=None) -> Call:
        """Sends a call; `body` in place of `messages` goes out as it is."""
        kind = TEXT if self.text else BINARY
        headers = {"content-type": kind, "accept": kind, "x-grpc-web": "1", "x-user-agent": "test", **(fields or {})}
        content = request_body(messages, self.text) if body is None else body
        request = self._http.build_request("POST", method, headers=headers, content=content)
        head = self._http.send(request, stream=True)
        answers_text = head.headers.get("content-type", "").startswith("application/grpc-web-text")
        return Call(head, answers_text)

    def call(self, method: str, *messages: bytes, **options) -> Answer:
        call = self.start(method, *messages, **options)
        for _ in call:
            pass
        return call.answer

    def close(self) -> None:
        self._http.close()
