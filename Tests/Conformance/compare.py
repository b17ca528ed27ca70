"""How other proxies fare on the request corpus: `python3 Tests/Conformance/compare.py [nginx] [haproxy]`.

It validates the corpus and the judge on independent servers, and shows where strictness differs. Only
the universal judgement is a fault of theirs; a status the corpus does not allow is listed apart.
"""

import pathlib
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1])]

import judge  # noqa: E402
from corpus import CASES  # noqa: E402

from harness import peers, sockets  # noqa: E402

PROXIES = {"nginx": peers.nginx_proxy, "haproxy": peers.haproxy_proxy}


def main(names: list[str]) -> None:
    for name in names or list(PROXIES):
        with tempfile.TemporaryDirectory() as folder, judge.backend() as backend:
            address = f"127.0.0.1:{sockets.free_port()}"
            proxy = PROXIES[name](pathlib.Path(folder), address, backend.address)
            try:
                report(name, address, backend)
            finally:
                proxy.stop()


def report(name: str, address: str, backend: judge.Recorder) -> None:
    judge.PATIENCE = 0.3
    universal = particular = 0
    for case in CASES:
        verdict = judge.play(case, address, backend, gateway=False)
        if verdict.universal:
            universal += 1
            print(f"{name}: {case.name}: {'; '.join(verdict.universal)}")
        elif verdict.particular:
            particular += 1
            print(f"{name}: {case.name}: (particular) {'; '.join(verdict.particular)}")
    print(f"{name}: {len(CASES)} cases, {universal} break the universal rule, {particular} differ in particular")


if __name__ == "__main__":
    main(sys.argv[1:])
