"""TLS towards clients: versions, suites, names, ALPN, client certificates, tickets, staples."""

import json
import ssl
import threading
import time

import pytest

from harness import sockets
from harness.certificates import Authority, Pair, openssl
from harness.gateway import OPERATIONS, Gateway, listener, route, settings
from harness.recorder import Peer, Recorder, respond
from harness.secure import SecureWire, ask, handshakes, s_client, trusting
from harness.wire import Wire, get, once, post

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority) -> Pair:
    return authority.issue("server", "DNS:localhost", "IP:127.0.0.1")


def secure(pair: Pair, **tls) -> dict:
    """A listener with TLS."""
    return listener(tls={"certificates": [pair.settings], **tls})


def start(stage, *listeners: dict, **over) -> Gateway:
    return stage.gateway(settings(stage.backend().address, listeners=list(listeners), **over), [*OPERATIONS, route()])


def subject(wire: SecureWire) -> str:
    return dict(pair[0] for pair in wire.socket.getpeercert()["subject"])["commonName"]


# --- the basics


@pytest.mark.parametrize("version", [V12, V13])
def test_a_request_over_tls(stage, authority, pair, version):
    gateway = start(stage, secure(pair))
    context = trusting(authority, least=version, most=version, alpn=("http/1.1",))
    with SecureWire(gateway.address, context) as wire:
        assert wire.socket.version() == {V12: "TLSv1.2", V13: "TLSv1.3"}[version]
        assert wire.socket.selected_alpn_protocol() == "http/1.1"
        assert wire.socket.compression() is None
        for number in range(3):
            reply = wire.ask(get(f"/{number}"))
            assert reply.status == 200
            assert ["x-forwarded-proto", "https"] in json.loads(reply.body)["fields"]
    assert handshakes(gateway)[("client", "ok", {V12: "1.2", V13: "1.3"}[version])] == 1


def test_requests_that_come_while_one_runs(stage, authority, pair):
    """Two records in one packet: the second waits inside TLS while the first request runs, and a third comes meanwhile."""
    go_on = threading.Event()

    def play(peer: Peer) -> None:
        while True:
            peer.read_request()
            go_on.wait(5)
            peer.send(respond(body=b"ok"))

    with Recorder(play) as upstream:
        gateway = stage.gateway(settings(upstream.address, listeners=[secure(pair)]), [route()])
        context = trusting(authority)
        inbox, outbox = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(inbox, outbox, server_hostname="localhost")
        with sockets.connect(gateway.address) as link:
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    link.sendall(outbox.read())
                    inbox.write(link.recv(65536))
            client.write(get("/1"))
            client.write(get("/2"))
            link.sendall(outbox.read())
            sockets.wait_until(lambda: upstream.requests, 5, "the first request upstream")
            client.write(get("/3"))
            link.sendall(outbox.read())
            time.sleep(0.2)
            go_on.set()
            answers = b""
            while answers.count(b"200 OK") < 3:
                try:
                    answers += client.read(65536)
                except ssl.SSLWantReadError:
                    inbox.write(link.recv(65536))


def test_a_large_body_each_way(stage, authority, pair):
    """Many records, and reads that end inside them."""
    gateway = start(stage, secure(pair))
    body = bytes(range(256)) * 2000
    with SecureWire(gateway.address, trusting(authority)) as wire:
        for _ in range(3):
            assert json.loads(wire.ask(post("/", body)).body)["body"] == f"<{len(body)} bytes>"


def test_a_tunnel_over_tls(stage, authority, pair):
    """Bytes both ways at once, more than one record at a time, and a clean end."""

    def play(peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n" + peer.take())
        while data := peer.more():
            peer.take()
            peer.send(data)

    gateway = stage.gateway(settings(stage.backend(play).address, listeners=[secure(pair)]), [route(upgrade=True)])
    body = bytes(range(256)) * 4096
    with SecureWire(gateway.address, trusting(authority)) as wire:
        assert wire.ask(get("/ws", "Connection: Upgrade", "Upgrade: echo")).status == 101
        sender = threading.Thread(target=wire.socket.sendall, args=(body,), daemon=True)
        sender.start()
        assert wire.take(len(body)) == body
        sender.join(5)


def test_a_request_that_comes_with_the_handshake(stage, authority, pair):
    """Finished and the request in one segment: nothing reports the request again."""
    gateway = start(stage, secure(pair))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting(authority).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with Wire(gateway.address) as wire:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                wire.socket.sendall(outgoing.read())
                incoming.write(wire.socket.recv(65536))
        tls.write(get("/at-once"))
        wire.socket.sendall(outgoing.read())  # Finished and the request
        answer = b""
        while b"at-once" not in answer:
            data = wire.socket.recv(65536)
            assert data, answer
            incoming.write(data)
            try:
                answer += tls.read(65536)
            except ssl.SSLWantReadError:
                continue


def test_byte_by_byte(stage, authority, pair):
    """A client whose every record and every segment is one byte is served all the same."""
    gateway = start(stage, secure(pair))
    with SecureWire(gateway.address, trusting(authority)) as wire:
        for byte in get("/slowly"):
            wire.socket.send(bytes([byte]))
        assert wire.read().status == 200


def test_pipelined_requests_in_one_record(stage, authority, pair):
    gateway = start(stage, secure(pair))
    with SecureWire(gateway.address, trusting(authority)) as wire:
        wire.send(b"".join(get(f"/{n}") for n in range(40)))
        for n in range(40):
            assert json.loads(wire.read().body)["start"].startswith(f"GET /{n} ")


def test_a_clean_end_says_so(stage, authority, pair):
    gateway = start(stage, secure(pair))
    with SecureWire(gateway.address, trusting(authority)) as wire:
        assert wire.ask(get("/", "Connection: close")).status == 200
        assert wire.closes_within(2)
        assert wire.ended == "closed", "close_notify before FIN"


def test_an_idle_connection_ends_with_close_notify(stage, authority, pair):
    gateway = start(stage, listener(tls={"certificates": [pair.settings]}, timeouts={"keep_alive": "300ms"}))
    with SecureWire(gateway.address, trusting(authority)) as wire:
        assert wire.ask(get("/")).status == 200
        assert wire.closes_within(3) and wire.ended == "closed"


# --- versions and suites


SUITES12 = [
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
]
SUITES13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]


def test_what_is_spoken(stage, authority, pair):
    gateway = start(stage, secure(pair))
    for suite in SUITES12:
        assert f"Cipher is {suite}" in s_client(gateway.address, "-tls1_2", "-cipher", suite)
    for suite in SUITES13:
        assert f"Cipher is {suite}" in s_client(gateway.address, "-tls1_3", "-ciphersuites", suite)
    for group in ("X25519", "P-256", "P-384"):
        assert "Cipher is TLS_" in s_client(gateway.address, "-tls1_3", "-groups", group)


@pytest.mark.parametrize("words", [
    ("-tls1", "-cipher", "ALL:@SECLEVEL=0"), ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
    ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"), ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-CCM"),
    ("-tls1_2", "-cipher", "AES128-GCM-SHA256"), ("-tls1_2", "-cipher", "NULL:@SECLEVEL=0"),
    ("-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"), ("-tls1_3", "-groups", "P-521"),
], ids=["1.0", "1.1", "cbc", "ccm", "no-forward-secrecy", "null", "ccm-1.3", "p-521"])
def test_what_is_not_spoken(stage, authority, pair, words):
    gateway = start(stage, secure(pair))
    assert "Cipher is (NONE)" in s_client(gateway.address, *words)
    assert ask(gateway.address, trusting(authority), get("/")).status == 200


def test_the_server_prefers(stage, authority, pair):
    gateway = start(stage, secure(pair))
    said = s_client(gateway.address, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256" in said


def test_modern_is_1_3_alone(stage, authority, pair):
    gateway = start(stage, secure(pair, profile="modern"))
    assert "Cipher is (NONE)" in s_client(gateway.address, "-tls1_2")
    assert "Cipher is TLS_AES" in s_client(gateway.address, "-tls1_3")


def test_renegotiation_is_refused(stage, authority, pair):
    gateway = start(stage, secure(pair))
    said = s_client(gateway.address, "-tls1_2", data=b"R\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", timeout=8)
    assert "RENEGOTIATING" in said
    assert "no renegotiation" in said or "NO_RENEGOTIATION" in said


def test_early_data_is_not_taken(stage, authority, pair, tmp_path):
    gateway = start(stage, secure(pair))
    session, early = tmp_path / "session", tmp_path / "early"
    early.write_bytes(get("/early"))
    with SecureWire(gateway.address, trusting(authority)):
        pass
    s_client(gateway.address, "-tls1_3", "-sess_out", str(session), "-ign_eof", data=get("/", "Connection: close"))
    said = s_client(gateway.address, "-tls1_3", "-sess_in", str(session), "-early_data", str(early), "-ign_eof", data=get("/", "Connection: close"))
    assert "Early data was accepted" not in said
    assert "Max Early Data: 0" in said or "Early data was not sent" in said or "Early data was rejected" in said


# --- ALPN


def test_no_common_protocol_is_fatal(stage, authority, pair):
    gateway = start(stage, secure(pair))
    assert "alert no application protocol" in s_client(gateway.address, "-alpn", "imap,pop3")
    assert handshakes(gateway)[("client", "no_protocol", "")] == 1


def test_no_alpn_is_http_1_1(stage, authority, pair):
    gateway = start(stage, secure(pair))
    with SecureWire(gateway.address, trusting(authority)) as wire:
        assert wire.socket.selected_alpn_protocol() is None
        assert wire.ask(get("/")).status == 200


# --- names


def test_the_certificate_is_chosen_by_name(stage, authority):
    pairs = [
        authority.issue("first", "DNS:first.example", "DNS:localhost"),
        authority.issue("second", "DNS:second.example", "DNS:*.wild.example"),
        authority.issue("third", "DNS:exact.wild.example"),
        authority.issue("fourth", subject="/CN=cn-only.example"),
    ]
    gateway = start(stage, listener(tls={"certificates": [each.settings for each in pairs]}))
    context = trusting(authority)
    context.check_hostname = False
    for name, expected in {
        "first.example": "first", "second.example": "second", "SECOND.example": "second", "a.wild.example": "second",
        "exact.wild.example": "third", "a.b.wild.example": "first", "wild.example": "first", "unknown.example": "first",
        "cn-only.example": "first", None: "first",
    }.items():
        for version in (V12, V13):
            context.maximum_version = version
            context.minimum_version = version
            with SecureWire(gateway.address, context, name) as wire:
                assert subject(wire) == expected, name
                assert wire.ask(get("/")).status == 200


# --- client certificates


def clients(stage, authority, pair, mode: str) -> Gateway:
    return start(stage, secure(pair, client_certificates=mode, client_authorities=str(authority.certificate)))


def shake(gateway: Gateway, context: ssl.SSLContext) -> bool:
    """Whether a request gets through; a TLS 1.3 client learns of a refusal only when it reads."""
    try:
        return ask(gateway.address, context, get("/")).status == 200
    except (ssl.SSLError, ConnectionError):
        return False


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("mode", ["optional", "required"])
def test_client_certificates(stage, authority, pair, tmp_path, mode, version):
    gateway = clients(stage, authority, pair, mode)
    good = authority.issue("good", "URI:urn:service:good", usage="clientAuth")
    stranger = Authority(tmp_path, "stranger").issue("stranger", usage="clientAuth")
    expired = authority.issue("expired", usage="clientAuth", days=-1)
    server = authority.issue("not-a-client", usage="serverAuth")

    def context(client: Pair | None) -> ssl.SSLContext:
        return trusting(authority, client=client, least=version, most=version)

    assert shake(gateway, context(good))
    assert shake(gateway, context(None)) == (mode == "optional")
    for bad in (stranger, expired, server):
        assert not shake(gateway, context(bad))
    counts = handshakes(gateway)
    assert counts[("client", "certificate", "")] == (3 if mode == "optional" else 4)


def test_a_session_is_as_good_as_its_certificate(stage, authority, pair):
    """Resumed, it still says who the client is; without one it cannot be used where one is required."""
    good = authority.issue("resumer", "URI:urn:service:resumer", usage="clientAuth")
    open_, closed = secure(pair), secure(pair, client_certificates="required", client_authorities=str(authority.certificate))
    open_["name"], closed["name"] = "open", "public"
    gateway = start(stage, closed, open_, access_log={"path": "access.log"})
    context = trusting(authority, client=good, most=V12)
    with SecureWire(gateway.address, context) as wire:
        assert wire.ask(get("/")).status == 200
        session = wire.socket.session
    with SecureWire(gateway.address, context, session=session) as wire:
        assert wire.socket.session_reused and wire.ask(get("/")).status == 200
    lines = lambda: (gateway.folder / "access.log").read_text().splitlines()  # noqa: E731
    sockets.wait_until(lambda: len(lines()) == 2, 3, "two lines")
    assert [json.loads(line)["principal"] for line in lines()] == ["urn:service:resumer"] * 2
    plain = trusting(authority, most=V12)
    with SecureWire(gateway.listeners["open"], plain) as wire:
        wire.ask(get("/"))
        session = wire.socket.session
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with SecureWire(gateway.address, plain, session=session) as wire:
            assert not wire.socket.session_reused
            assert wire.ask(get("/")).status != 200
            raise ConnectionError


# --- tickets


@pytest.mark.parametrize("version", [V12, V13])
def test_a_session_is_resumed_by_any_worker_and_after_a_reload(stage, authority, pair, version):
    config = settings(stage.backend().address, workers=2, listeners=[secure(pair)])
    gateway = stage.gateway(config, [*OPERATIONS, route()])
    context = trusting(authority, least=version, most=version)
    with SecureWire(gateway.address, context) as wire:
        assert wire.ask(get("/")).status == 200
        session = wire.socket.session
    for round in range(2):
        for _ in range(8):  # the kernel spreads them over both workers
            with SecureWire(gateway.address, context, session=session) as wire:
                assert wire.ask(get("/")).status == 200
                assert wire.socket.session_reused
                session = wire.socket.session
        if round == 0:
            gateway.reload(config=config)
    assert handshakes(gateway)[("client", "resumed", {V12: "1.2", V13: "1.3"}[version])] == 16


def test_one_ticket_a_handshake(stage, authority, pair):
    gateway = start(stage, secure(pair))
    said = s_client(gateway.address, "-tls1_3", "-msg", "-ign_eof", data=get("/", "Connection: close"))
    assert said.count("NewSessionTicket") == 1


@pytest.mark.parametrize("version", [V12, V13])
def test_tickets_can_be_off(stage, authority, pair, version):
    gateway = start(stage, secure(pair, tickets="0"))
    context = trusting(authority, least=version, most=version)
    with SecureWire(gateway.address, context) as wire:
        wire.ask(get("/"))
        session = wire.socket.session
        assert session is None or not session.has_ticket
    with SecureWire(gateway.address, context, session=session) as wire:
        assert wire.ask(get("/")).status == 200
        assert not wire.socket.session_reused


def test_a_ticket_outlives_one_change_of_keys_and_not_two(stage, authority, pair):
    import time

    gateway = start(stage, secure(pair, tickets="2s"))
    context = trusting(authority, most=V12)

    def reused(session) -> bool:
        with SecureWire(gateway.address, context, session=session) as wire:
            wire.ask(get("/"))
            return wire.socket.session_reused

    with SecureWire(gateway.address, context) as wire:
        wire.ask(get("/"))
        session = wire.socket.session
    assert reused(session)
    time.sleep(5)
    assert not reused(session)


# --- staple


def test_a_status_is_stapled_for_who_asks(stage, authority):
    pair = authority.issue("stapled", "DNS:localhost")
    gateway = start(stage, listener(tls={"certificates": [{**pair.settings, "ocsp": str(authority.status(pair))}]}))
    for version in ("-tls1_2", "-tls1_3"):
        assert "OCSP Response Status: successful" in s_client(gateway.address, version, "-status")
    assert ask(gateway.address, trusting(authority), get("/")).status == 200


# --- what is wrong with files


def problem(stage, tls: dict) -> str:
    files = stage.files(settings(listeners=[listener(tls=tls)]), [])
    done = files.run("check")
    assert done.returncode == 78, done.stderr
    assert "nexus.yaml:" in done.stderr
    return done.stderr


def test_bad_files_are_named_at_their_place(stage, authority, pair, tmp_path):
    other = authority.issue("other", "DNS:other")
    expired = authority.issue("old", "DNS:old", days=-1)
    garbage = tmp_path / "garbage"
    garbage.write_text("nothing")
    locked = tmp_path / "locked.key"
    openssl("ec", "-in", str(pair.key), "-aes256", "-passout", "pass:x", "-out", str(locked))
    chain, key = str(pair.chain), str(pair.key)
    for certificate, words in [
        ({"chain": str(garbage), "key": key}, "no certificate can be read"),
        ({"chain": "/nowhere/at.all", "key": key}, "No such file"),
        ({"chain": chain, "key": str(garbage)}, "no private key can be read"),
        ({"chain": chain, "key": str(other.key)}, "does not belong to the certificate"),
        (expired.settings, "has expired"),
        ({"chain": chain, "key": str(locked)}, "no private key can be read"),
        ({"chain": chain, "key": key, "ocsp": str(garbage)}, "is not a successful OCSP response"),
    ]:
        said = problem(stage, {"certificates": [certificate]})
        assert words in said, said
    said = problem(stage, {"certificates": [pair.settings], "client_certificates": "required", "client_authorities": str(garbage)})
    assert "no certificate authority can be read" in said
    said = problem(stage, {"certificates": [pair.settings], "client_certificates": "required"})
    assert "client certificates need 'client_authorities'" in said
    assert "at least one certificate" in problem(stage, {"certificates": []})


def test_a_key_everybody_may_read_is_warned_of(stage, authority, tmp_path):
    pair = authority.issue("open", "DNS:localhost")
    pair.key.chmod(0o644)
    done = stage.files(settings(listeners=[secure(pair)]), []).run("check")
    assert done.returncode == 0 and "everybody on this machine may read" in done.stderr


# --- reload


def test_new_certificates_without_losing_anybody(stage, authority, tmp_path):
    place = tmp_path / "live"
    place.mkdir()

    def install(pair: Pair) -> None:
        for source, name in ((pair.chain, "crt"), (pair.key, "key")):
            (place / name).write_bytes(source.read_bytes())
        (place / "key").chmod(0o600)

    install(authority.issue("before", "DNS:localhost"))
    config = settings(stage.backend().address, listeners=[listener(tls={"certificates": [{"chain": str(place / "crt"), "key": str(place / "key")}]})])
    gateway = stage.gateway(config)
    context = trusting(authority)
    with SecureWire(gateway.address, context) as old:
        assert old.ask(get("/")).status == 200 and subject(old) == "before"
        install(authority.issue("after", "DNS:localhost"))
        gateway.reload(config=config)
        assert old.ask(get("/")).status == 200
        with SecureWire(gateway.address, context) as new:
            assert subject(new) == "after" and new.ask(get("/")).status == 200
        (place / "key").write_text("broken")
        gateway.reload(config=config)
        assert "no private key can be read" in gateway.said()
        assert old.ask(get("/")).status == 200
        with SecureWire(gateway.address, context) as new:
            assert subject(new) == "after" and new.ask(get("/")).status == 200


def test_tls_can_be_switched_on_and_off(stage, authority, pair):
    back = stage.backend().address
    gateway = stage.gateway(settings(back))
    with Wire(gateway.address) as plain:
        assert plain.ask(get("/")).status == 200
        address = gateway.address
        fixed = listener(address=address)
        gateway.reload(config=settings(back, listeners=[{**fixed, "tls": {"certificates": [pair.settings]}}]))
        assert plain.ask(get("/")).status == 200
        assert ask(address, trusting(authority), get("/")).status == 200
        gateway.reload(config=settings(back, listeners=[{**fixed, "tls": "off"}]))
        assert once(address, get("/")).status == 200
