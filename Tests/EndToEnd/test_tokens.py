"""`nexus-gateway token` and `jws verify`: the development issuer, and signatures from outside."""

import base64
import json
import pathlib
import stat
import subprocess
import time

import pytest
from harness.gateway import ROOT, binary


def run(*words: str, cwd: pathlib.Path, text: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([binary(), *words], cwd=cwd, input=text, stdin=subprocess.DEVNULL if text is None else None, capture_output=True, text=True, timeout=20)


def part(token: str, at: int) -> dict:
    text = token.strip().split(".")[at]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_the_first_token_makes_the_key(tmp_path):
    (tmp_path / "certs").mkdir()
    done = run("token", "--sub", "user-1", "--role", "ADMIN", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    header, claims = part(done.stdout, 0), part(done.stdout, 1)
    assert header["alg"] == "ES256" and header["typ"] == "JWT"
    assert claims["sub"] == "user-1" and claims["roles"] == ["ADMIN"] and claims["aud"] == "nexus-gateway"
    assert claims["iss"] == "https://issuer.nexus.local/dev"
    assert abs(claims["exp"] - time.time() - 3600) < 60 and len(claims["jti"]) == 32

    secret, public = tmp_path / "certs/dev-issuer.jwk", tmp_path / "certs/dev-issuer.jwks"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    [key] = json.loads(public.read_text())["keys"]
    assert key["kid"] == header["kid"] and "d" not in key
    before = secret.read_bytes(), public.read_bytes()
    again = run("token", "--sub", "user-2", cwd=tmp_path).stdout
    assert part(again, 0)["kid"] == header["kid"] and (secret.read_bytes(), public.read_bytes()) == before
    assert sorted(path.name for path in (tmp_path / "certs").iterdir()) == ["dev-issuer.jwk", "dev-issuer.jwks"]

    token = done.stdout.strip()
    for words, text in ((["certs/dev-issuer.jwk", token], None), ([json.dumps(key), token], None), (["certs/dev-issuer.jwk", "-"], done.stdout)):
        assert run("jws", "verify", *words, cwd=tmp_path, text=text).returncode == 0
    changed = token[:-5] + ("A" if token[-5] != "A" else "B") + token[-4:]
    for key, token, reason in (
        ("certs/dev-issuer.jwk", changed, "signature"), ("certs/dev-issuer.jwk", token + ".", "three parts"), ("certs/dev-issuer.jwk", token + "=", "base64url"),
        ("certs/nowhere.jwk", token, "cannot be read"), ("{}", token, "member"), ('{"kty":"oct","k":"AA"}', token, "weak"),
    ):
        refused = run("jws", "verify", key, token, cwd=tmp_path)
        assert refused.returncode == 1 and reason in refused.stderr and refused.stdout == ""


def test_what_a_token_says(tmp_path):
    words = ["--sub", "u", "--ttl", "-5m", "--role", "A", "--role", "B", "--roles-claim", "realm_access.roles", "--scope", "a", "--scope", "b", "--audience", "x"]
    words += ["--claim", "tenant=7", "--claim", "name=Bob", "--issuer", "me", "--type", "at+jwt", "--key", "other.jwk", "--algorithm", "EdDSA", "--kid", "k1"]
    token = run("token", *words, cwd=tmp_path).stdout
    claims = part(token, 1)
    assert part(token, 0) == {"alg": "EdDSA", "kid": "k1", "typ": "at+jwt"}
    assert claims["realm_access"] == {"roles": ["A", "B"]} and claims["scope"] == "a b" and claims["aud"] == "x" and claims["iss"] == "me"
    assert claims["tenant"] == 7 and claims["name"] == "Bob" and claims["exp"] < time.time()
    assert (tmp_path / "other.jwks").exists()
    subprocess.run(["openssl", "genrsa", "-out", tmp_path / "rsa.pem", "2048"], check=True, capture_output=True)
    token = run("token", "--sub", "u", "--key", "rsa.pem", "--kid", "r", "--jwks", "set.json", cwd=tmp_path).stdout
    [key] = json.loads((tmp_path / "set.json").read_text())["keys"]
    assert part(token, 0)["alg"] == "RS256" and run("jws", "verify", json.dumps(key), token.strip(), cwd=tmp_path).returncode == 0


def test_what_is_wrong_with_the_words(tmp_path):
    for words in (["--sub", ""], [], ["--sub", "u", "--ttl", "1y"], ["--sub", "u", "--ttl", "366d"], ["--sub", "u", "--claim", "x"], ["--sub", "u", "--algorithm", "none"]):
        assert run("token", *words, cwd=tmp_path).returncode == 64, words
    for words in (["--sub", "u", "--key", "nowhere/a.jwk"], ["--sub", "u" * 9000, "--key", "a.jwk"]):
        done = run("token", *words, cwd=tmp_path)
        assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("error: ")
    (tmp_path / "bad.jwk").write_text("{}")
    assert run("token", "--sub", "u", "--key", "bad.jwk", cwd=tmp_path).returncode == 1


VECTORS = ROOT.parent / "shared/vectors/json_web_signature_test.json"


@pytest.mark.skipif(not VECTORS.exists(), reason="the public vectors are not beside the repository")
def test_a_sample_of_the_public_vectors(tmp_path):
    """The unit tests judge all of them; here the command says the same, for each kind of key one of each result."""
    disputed = {346, 350, 367, 370, 372, 373}
    seen: set[tuple] = set()
    ends: set[bool] = set()
    for group in json.loads(VECTORS.read_text())["testGroups"]:
        key = group.get("public") or group["private"]
        for vector in group["tests"]:
            kind = (key.get("kty"), key.get("alg"), key.get("crv"), vector["result"])
            if kind in seen or vector["tcId"] in disputed or not isinstance(vector["jws"], str):
                continue
            seen.add(kind)
            done = run("jws", "verify", json.dumps(key), "-", cwd=tmp_path, text=vector["jws"])
            assert done.returncode == (0 if vector["result"] == "valid" else 1), (vector, done)
            ends.add(done.returncode == 0)
    assert ends == {True, False} and len(seen) > 10
