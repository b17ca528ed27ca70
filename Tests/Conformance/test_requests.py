"""The request corpus against the gateway: refused, or forwarded in one unambiguous form."""

import judge
import pytest
from corpus import CASES

from harness.gateway import listener, route, settings


@pytest.fixture(scope="module")
def subject(shared_stage):
    backend = shared_stage.backend()
    public = listener(timeouts={"head": "1s", "keep_alive": "5s", "linger": "200ms"})
    closed = {"name": "closed", "match": {"path": "/closed/{rest...}"}, "target": {"fixed": {"status": 403, "body": "closed"}}}
    routes = [closed, route(body_limit="1MiB", timeouts={"body": "1s", "first_byte": "3s"})]
    return shared_stage.gateway(settings(backend.address, listeners=[public]), routes), backend


@pytest.mark.parametrize("case", CASES, ids=str)
def test_request(subject, case):
    gateway, backend = subject
    verdict = judge.play(case, gateway.address, backend)
    gateway.assert_alive()
    assert not verdict.universal, verdict.universal
    assert not verdict.particular, verdict.particular
    for message in verdict.forwarded:
        assert not judge.hop_by_hop(message)
