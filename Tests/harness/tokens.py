"""Tokens of an issuer that tests make for themselves: HMAC, which needs nothing but the standard library."""

import base64
import hashlib
import hmac
import json
import pathlib
import secrets
import time


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Believed by gateways that have `settings` among the issuers of their identity."""

    def __init__(self, folder: pathlib.Path, name: str = "test"):
        self.name = name
        self.issuer = f"https://{name}.example"
        self._secret = secrets.token_bytes(32)
        self._file = folder / f"{name}.jwks"
        key = {"kty": "oct", "kid": "k1", "alg": "HS256", "use": "sig", "k": _text(self._secret)}
        self._file.write_text(json.dumps({"keys": [key]}))

    @property
    def settings(self) -> dict:
        return {
            "name": self.name, "issuer": self.issuer, "audiences": ["nexus-gateway"], "algorithms": ["HS256"],
            "keys": {"file": str(self._file)}, "service": {"claim": "roles", "values": ["SERVICE"]}, "claims": ["tenant"],
        }

    def token(self, subject: str, *roles: str, scope: str = "", seconds: int = 600, **claims) -> str:
        now = int(time.time())
        body = {"iss": self.issuer, "aud": "nexus-gateway", "sub": subject, "iat": now, "exp": now + seconds, "roles": list(roles), **claims}
        if scope:
            body["scope"] = scope
        text = ".".join(_text(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": "k1", "typ": "JWT"}, body))
        return f"{text}.{_text(hmac.new(self._secret, text.encode(), hashlib.sha256).digest())}"

    def bearer(self, subject: str, *roles: str, **more) -> dict[str, str]:
        """As a request's field."""
        return {"authorization": f"Bearer {self.token(subject, *roles, **more)}"}
