"""The HTTP/2 corpus against the gateway: refused as RFC 9113 says, or forwarded in one unambiguous form."""

import h2judge
import pytest
from h2corpus import CASES, messages

from harness.gateway import listener, route, settings


@pytest.fixture(scope="module")
def subject(shared_stage):
    backend = shared_stage.backend(h2judge.play_backend)
    public = listener(timeouts={"head": "1s", "keep_alive": "10s", "linger": "200ms"})
    return shared_stage.gateway(settings(backend.address, listeners=[public]), [route(body_limit="64MiB", timeouts={"body": "10s", "first_byte": "10s"})]), backend


@pytest.mark.parametrize("case", CASES, ids=str)
def test_request(subject, case):
    gateway, backend = subject
    h2judge.revive(gateway)
    verdict = h2judge.play(case, gateway.address, backend)
    gateway.assert_alive()
    assert not verdict.universal, f"RFC {case.rfc}: {verdict.universal}; {[str(each) for each in verdict.frames[-6:]]}"
    assert not verdict.particular, f"RFC {case.rfc}: {verdict.particular}; {[str(each) for each in verdict.frames[-6:]]}"


@pytest.fixture(scope="module")
def subject2(shared_stage):
    with h2judge.Upstream2() as upstream:
        config = settings(upstream.address, listeners=[listener(timeouts={"head": "1s", "keep_alive": "10s", "linger": "200ms"})], clusters={"up": {"protocol": "http2"}})
        yield shared_stage.gateway(config, [route(timeouts={"body": "10s", "first_byte": "10s"})]), upstream


@pytest.mark.parametrize("case", messages.CASES, ids=str)
def test_message_before_an_http2_upstream(subject2, case):
    """No conversion on the way is no reason to forward what is malformed."""
    gateway, upstream = subject2
    h2judge.revive(gateway)
    verdict = h2judge.play(case, gateway.address, upstream)
    gateway.assert_alive()
    assert not verdict.universal, f"RFC {case.rfc}: {verdict.universal}; {[str(each) for each in verdict.frames[-6:]]}"
    assert not verdict.particular, f"RFC {case.rfc}: {verdict.particular}; {[str(each) for each in verdict.frames[-6:]]}"
