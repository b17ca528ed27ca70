"""Plays one case against a proxy in front of a recording back end, and finds what is wrong.

Two judgements. *Universal*: whatever the answer, nothing ambiguous reached the back end, never more
requests than the client has answers for, never the smuggled one, and the pooled connections still
serve the next client. *Particular*: the statuses, the form forwarded and the close that the case names.
"""

import dataclasses
import time

from corpus.case import Case

from harness import strict
from harness.recorder import Recorder
from harness.wire import Reply, Wire, get, once

PATIENCE = 4.0
# How long the back end and the connection must stay quiet for "nothing more comes".
QUIET = 0.03


@dataclasses.dataclass
class Verdict:
    """What was seen; `universal` and `particular` list what is wrong, empty when all is well."""

    replies: list[Reply]
    forwarded: list[strict.Message]
    universal: list[str]
    particular: list[str]

    @property
    def statuses(self) -> list[int]:
        return [reply.status for reply in self.replies]


def methods(raw: bytes, count: int) -> list[str]:
    """The method of each pipelined answer, needed to know which have bodies. Only HEAD matters."""
    return ["HEAD" if n == 0 and raw.startswith(b"HEAD ") else "GET" for n in range(count)]


def play(case: Case, address: str, backend: Recorder, *, gateway: bool = True) -> Verdict:
    """Send the case and judge. `gateway` off: only what holds for every proxy (peers have other limits)."""
    before = {peer.number: len(peer.requests) for peer in list(backend.peers)}
    violations = len(backend.violations)
    replies: list[Reply] = []
    with Wire(address, PATIENCE) as wire:
        wire.send(case.raw)
        expected = case.answers
        for method in methods(case.raw, len(expected)):
            reply = wire.read(method)
            replies.append(reply)
            if not reply.complete:
                break
        extra = wire.buffer
        ended = wire.ended is not None
        refused = bool(replies) and replies[-1].status != 200
        if not ended:
            ended = wire.closes_within(2.0 if case.closes and (refused or len(expected) > 0) and gateway else QUIET)
            extra = wire.buffer
    universal: list[str] = []
    if extra and all(reply.complete for reply in replies):
        universal.append(f"more bytes than answers: {extra[:80]!r}")
    universal += [f"{reply.end} answer: {reply.why}" for reply in replies if reply.end == "ambiguous"]

    _sentinel(case, address, universal)
    time.sleep(QUIET / 10)
    forwarded = [message for peer in list(backend.peers) for message in peer.requests[before.get(peer.number, 0) :]]
    forwarded = [message for message in forwarded if not message.target.endswith(f"/sentinel/{case.name}")]
    universal += [f"forwarded ambiguous: {why}" for why in backend.violations[violations:]]
    universal += ["the smuggled request arrived" for message in forwarded if "/smuggled" in message.target]
    if len(forwarded) > len(expected):
        universal.append(f"{len(forwarded)} requests arrived from {len(expected)}")
    if forwarded and replies and replies[0].status >= 400:
        universal.append(f"refused with {replies[0].status} and yet forwarded whole: {forwarded[0].start!r}")

    return Verdict(replies, forwarded, universal, _particular(case, replies, forwarded, ended))


def _sentinel(case: Case, address: str, universal: list[str]) -> None:
    """The next client must get its own answer: no poisoned connection in the pool."""
    target = f"/sentinel/{case.name}"
    reply = once(address, get(target), PATIENCE)
    if reply.status != 200 or f"GET {target} ".encode() not in reply.body:
        universal.append(f"the next request was answered {reply.end} {reply.status} {reply.body[:80]!r}")


def _particular(case: Case, replies: list[Reply], forwarded: list[strict.Message], ended: bool) -> list[str]:
    wrong: list[str] = []
    for number, allowed in enumerate(case.answers):
        seen = replies[number] if number < len(replies) else Reply("none")
        if seen.end == "silent":
            wrong.append(f"no answer {number + 1} in {PATIENCE} s")
        elif seen.status not in allowed or (seen.status and not seen.complete):
            wrong.append(f"answer {number + 1} is {seen.status or seen.end}, allowed {sorted(allowed)}")
    if case.closes and not ended:
        wrong.append("the connection stayed open")
    if forwarded and replies and replies[0].status == 200:
        wrong += form(case, forwarded[0])
    return wrong


def form(case: Case, message: strict.Message) -> list[str]:
    """How the forwarded request differs from the form the case asks for."""
    wrong: list[str] = []
    if case.targets and message.target not in case.targets:
        wrong.append(f"forwarded as {message.target}, not {' or '.join(case.targets)}")
    if case.body is not None and message.body != case.body:
        wrong.append(f"body {message.body[:60]!r}, not {case.body[:60]!r}")
    for name, value in case.present:
        if message.all(name) != [value]:
            wrong.append(f"{name}: {message.all(name)}, not {value!r}")
    wrong += [f"{name} was forwarded: {message.all(name)}" for name in case.absent if message.all(name)]
    return wrong


def hop_by_hop(message: strict.Message) -> list[str]:
    """Fields of the client's hop that must never reach an upstream on a route without upgrade."""
    names = ("keep-alive", "proxy-connection", "upgrade", "http2-settings")
    wrong = [f"{name} was forwarded" for name in names if message.all(name)]
    connection = ",".join(message.all("connection")).replace(" ", "").lower()
    if set(filter(None, connection.split(","))) - {"keep-alive", "close", "te"}:
        wrong.append(f"Connection: {connection}")
    return wrong


def backend() -> Recorder:
    """The recording back end of the corpus: describes every request it has one reading of."""
    return Recorder()
