"""Certificates made by openssl for one test run, in the test's own folder. ECDSA P-256."""

import dataclasses
import pathlib
import secrets
import subprocess

from . import peers


def openssl(*words: str, data: bytes = b"", timeout: float = 20.0, check: bool = True) -> subprocess.CompletedProcess:
    """Run openssl; its words must succeed unless `check` is false."""
    done = subprocess.run([peers.tool("openssl"), *words], input=data, capture_output=True, timeout=timeout)
    if check and done.returncode:
        raise AssertionError(f"openssl {' '.join(words)}: {done.stderr.decode()}")
    return done


@dataclasses.dataclass
class Pair:
    """A certificate and its key, as files."""

    chain: pathlib.Path
    key: pathlib.Path

    @property
    def settings(self) -> dict:
        return {"chain": str(self.chain), "key": str(self.key)}


class Authority:
    """Signs what a test needs."""

    def __init__(self, folder: pathlib.Path, name: str = "test authority"):
        self.folder = folder / name.replace(" ", "-")
        self.folder.mkdir(parents=True)
        self.key, self.certificate = self.folder / "ca.key", self.folder / "ca.crt"
        self._key(self.key)
        openssl("req", "-x509", "-new", "-key", str(self.key), "-sha256", "-days", "30", "-subj", f"/CN={name}", "-addext",
                "keyUsage=critical,keyCertSign,cRLSign", "-out", str(self.certificate))

    @staticmethod
    def _key(path: pathlib.Path) -> None:
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path))
        path.chmod(0o600)

    def issue(self, name: str, *alternatives: str, days: int = 30, usage: str = "serverAuth", subject: str | None = None) -> Pair:
        """A leaf with subjectAltNames such as `DNS:a.example`; `days=-1` has expired."""
        key, chain, request, extensions = (self.folder / f"{name}.{kind}" for kind in ("key", "crt", "csr", "ext"))
        self._key(key)
        openssl("req", "-new", "-key", str(key), "-subj", subject or f"/CN={name}", "-out", str(request))
        lines = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature", f"extendedKeyUsage={usage}"]
        if alternatives:
            lines.append("subjectAltName=" + ",".join(alternatives))
        extensions.write_text("\n".join(lines) + "\n")
        openssl("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self.key), "-days", str(days),
                "-set_serial", str(secrets.randbits(100)), "-sha256", "-extfile", str(extensions), "-out", str(chain))
        return Pair(chain, key)

    def status(self, pair: Pair) -> pathlib.Path:
        """A DER OCSP response that calls the certificate good."""
        serial = openssl("x509", "-in", str(pair.chain), "-noout", "-serial").stdout.decode().strip().partition("=")[2]
        index, request, response = (self.folder / f"{pair.chain.stem}.{kind}" for kind in ("index", "ocsp-request", "ocsp"))
        index.write_text(f"V\t491231235959Z\t\t{serial}\tunknown\t/CN={pair.chain.stem}\n")
        openssl("ocsp", "-issuer", str(self.certificate), "-cert", str(pair.chain), "-reqout", str(request), "-no_nonce")
        openssl("ocsp", "-index", str(index), "-CA", str(self.certificate), "-rsigner", str(self.certificate), "-rkey",
                str(self.key), "-reqin", str(request), "-respout", str(response), "-ndays", "7")
        return response
