"""A page of some origin, as far as CORS goes: the Fetch standard's algorithms ("CORS-preflight fetch", "CORS
check", response tainting), over httpx. What a browser would not let the page do or see, it does not get."""

import httpx

SAFE_METHODS = {"GET", "HEAD", "POST"}
SAFE_TYPES = {"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}
SAFE_ANSWER_FIELDS = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}


class Blocked(Exception):
    """The page gets a network error; the reason is for the developer's console only."""


def names(answer: httpx.Response, field: str) -> list[str]:
    """A list of tokens; a browser gives up on anything else."""
    found = []
    for line in answer.headers.get_list(field):
        for each in line.split(","):
            token = each.strip(" \t")
            if not token or any(c in '()<>@,;:\\"/[]?={} \t' or not 32 < ord(c) < 127 for c in token):
                raise Blocked(f"{field} is malformed: {line!r}")
            found.append(token)
    return found


class Page:
    def __init__(self, origin: str, address: str, http2: bool = False):
        self.origin = origin
        self.preflights: list[httpx.Response] = []
        self._http = httpx.Client(base_url=f"http://{address}", http1=not http2, http2=http2, timeout=15, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def _check(self, answer: httpx.Response, credentials: bool) -> None:
        allowed = answer.headers.get_list("access-control-allow-origin")
        if len(allowed) != 1:
            raise Blocked(f"Access-Control-Allow-Origin came {len(allowed)} times")
        if not credentials and allowed[0] == "*":
            return
        if allowed[0] != self.origin:
            raise Blocked(f"the origin {allowed[0]!r} is not {self.origin!r}")
        if credentials and answer.headers.get_list("access-control-allow-credentials") != ["true"]:
            raise Blocked("no credentials")

    def _preflight(self, method: str, path: str, unsafe: list[str], credentials: bool) -> None:
        headers = {"Origin": self.origin, "Accept": "*/*", "Access-Control-Request-Method": method}
        if unsafe:
            headers["Access-Control-Request-Headers"] = ",".join(unsafe)
        answer = self._http.request("OPTIONS", path, headers=headers)
        self.preflights.append(answer)
        self._check(answer, credentials)
        if not 200 <= answer.status_code <= 299:
            raise Blocked(f"the preflight's status is {answer.status_code}")
        methods = names(answer, "access-control-allow-methods")
        fields = [name.lower() for name in names(answer, "access-control-allow-headers")]
        star = "*" if not credentials else None
        if method not in SAFE_METHODS and method not in methods and star not in methods:
            raise Blocked(f"the method {method} is not in {methods}")
        for name in unsafe:
            if name not in fields and (star not in fields or name == "authorization"):
                raise Blocked(f"the header {name} is not in {fields}")

    def fetch(self, method: str, path: str, headers: dict | None = None, body: bytes | None = None, credentials: bool = False) -> httpx.Response:
        """The answer with the fields the page may see; `Blocked` when it may see nothing."""
        headers = {name.lower(): value for name, value in (headers or {}).items()}
        unsafe = sorted(
            name for name, value in headers.items()
            if not (name in ("accept", "accept-language", "content-language") or (name == "content-type" and value.split(";")[0] in SAFE_TYPES)))
        if method not in SAFE_METHODS or unsafe:
            self._preflight(method, path, unsafe, credentials)
        sent = {"origin": self.origin, **headers, **({"cookie": "session=1"} if credentials else {})}
        answer = self._http.request(method, path, headers=sent, content=body)
        self._check(answer, credentials)
        shown = {name.lower() for name in names(answer, "access-control-expose-headers")}
        all_shown = "*" in shown and not credentials
        for name in list(answer.headers):
            if not all_shown and name not in SAFE_ANSWER_FIELDS | shown:
                del answer.headers[name]
        return answer
