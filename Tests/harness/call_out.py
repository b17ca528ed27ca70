"""A gateway that makes calls of its own, told which by the test: `call-out` of Tests/CallOut."""

import base64
import dataclasses
import itertools
import json
import os
import pathlib
import signal
import subprocess
import threading

from .gateway import ROOT, Gateway


@dataclasses.dataclass
class Answer:
    """`status` is None when there was no answer; then `failed` is its code, and `run`: may it have had its effect?"""

    took: int
    status: int | None
    message: str
    body: bytes
    failed: str | None
    detail: str
    run: bool | None


class Caller(Gateway):
    """The gateway's files and life are as elsewhere; SIGTERM has no meaning to it, the end of its input has."""

    def __init__(self, folder: pathlib.Path, config: dict, routes: list | None = None, *options: str):
        super().__init__(folder, config, routes or [])
        self._ids = itertools.count(1)
        self._answers: dict[int, Answer] = {}
        self._news = threading.Condition()
        self._over = False
        self._launch(options)

    def _launch(self, options: tuple[str, ...]) -> None:
        path = pathlib.Path(os.environ.get("NEXUS_CALL_OUT", ROOT / ".build/release/call-out")).resolve()
        assert os.access(path, os.X_OK), f"no call-out at {path}: `swift build -c release --product call-out`, or set NEXUS_CALL_OUT"
        self.process = subprocess.Popen(
            [path, "--config", str(self.config_path), *options], cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        threading.Thread(target=self._listen_to_stderr, args=(self.process,), daemon=True).start()
        threading.Thread(target=self._listen_to_answers, args=(self.process.stdout,), daemon=True).start()
        assert self._ready.wait(15), self.said()

    def _listen_to_answers(self, stream) -> None:
        for line in stream:
            given = json.loads(line)
            answer = Answer(
                given["took"], given.get("status"), given.get("message", ""), base64.b64decode(given.get("body", "")),
                given.get("failed"), given.get("detail", ""), given.get("run"))
            with self._news:
                assert given["id"] not in self._answers, "one call was answered twice"
                self._answers[given["id"]] = answer
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    def tell(self, **command) -> None:
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def signal(self, number) -> None:
        assert number == signal.SIGHUP, "call-out is told by its input"
        self.tell(do="reload")

    def begin(self, body: bytes = b"", cluster: str = "up", **call) -> int:
        number = next(self._ids)
        self.tell(id=number, cluster=cluster, body=base64.b64encode(body).decode(), **call)
        return number

    def end(self, number: int, seconds: float = 15.0) -> Answer:
        with self._news:
            assert self._news.wait_for(lambda: number in self._answers or self._over, seconds), f"call {number} has no answer"
            return self._answers[number]

    def grpc(self, path: str, body: bytes = b"", **call) -> Answer:
        return self.end(self.begin(body, grpc=path, **call))

    def http(self, verb: str, path: str, body: bytes = b"", type: str = "application/json", **call) -> Answer:
        return self.end(self.begin(body, http=[verb, path, type], **call))

    def close(self, seconds: float = 10.0) -> int:
        if not self.process.stdin.closed:
            self.process.stdin.close()
        return self.process.wait(seconds)
