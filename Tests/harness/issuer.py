"""An issuer of tokens that shares no code with the gateway: PyJWT and cryptography."""

import base64
import hashlib
import hmac
import json
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "nexus-gateway"


def b64(data: bytes | str | dict | list) -> str:
    """base64url without padding; mappings become JSON."""
    if isinstance(data, (dict, list)):
        data = json.dumps(data)
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """A signing key and its public JWK."""

    _makers = {
        "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
        "RS256": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
        "EdDSA": (lambda: ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm),
    }

    def __init__(self, kid: str, algorithm: str):
        make, family = self._makers[algorithm]
        self.kid, self.algorithm, self.private = kid, algorithm, make()
        public = family.to_jwk(self.private.public_key())
        self.jwk = {**(json.loads(public) if isinstance(public, str) else public), "kid": kid, "alg": algorithm, "use": "sig"}
        self.jwk.pop("key_ops", None)

    @property
    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


class Issuer:
    """Signs tokens that are good unless a test says otherwise."""

    def __init__(self, url: str, *keys: Key):
        self.url, self.keys = url, list(keys)

    def jwks(self) -> bytes:
        return json.dumps({"keys": [key.jwk for key in self.keys]}).encode()

    def claims(self, **over) -> dict:
        now = int(time.time())
        claims = {"iss": self.url, "sub": "user-1", "aud": AUDIENCE, "iat": now, "exp": now + 300, "jti": f"t-{time.monotonic_ns()}"}
        claims.update(over)
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key: Key | None = None, header: dict | None = None, **over) -> str:
        key = key or self.keys[0]
        return jwt.encode(self.claims(**over), key.private, key.algorithm, headers={"kid": key.kid, **(header or {})})

    def raw(self, header: dict | str, payload: dict | str, key: Key | None = None) -> str:
        """Signed by the key's own algorithm, whatever the header says."""
        key = key or self.keys[0]
        text = f"{b64(header)}.{b64(payload)}"
        family = {"ES256": ECAlgorithm(ECAlgorithm.SHA256), "RS256": RSAAlgorithm(RSAAlgorithm.SHA256), "EdDSA": OKPAlgorithm()}[key.algorithm]
        return f"{text}.{b64(family.sign(text.encode(), key.private))}"

    def hmac(self, secret: bytes, **header) -> str:
        """The confusion: a public key as an HMAC secret."""
        text = f"{b64({'alg': 'HS256', 'typ': 'JWT', **header})}.{b64(self.claims())}"
        return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"
