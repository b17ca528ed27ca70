"""How brokers fare on the MQTT cases: `python3 Tests/Conformance/compare_mqtt.py [mosquitto] [gateway] [--write docs/mqtt-conformance.md]`.

It validates the cases on an independent broker, and shows where it and the gateway of this tree differ.
"""

import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile
import traceback

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1])]

from mqtt import CASES  # noqa: E402
from mqttstage import ROUTES, Slow, config, mosquitto, slow_cases  # noqa: E402

from harness import gateway as gateways  # noqa: E402
from harness import peers  # noqa: E402


def _said(error: Exception) -> str:
    """One line, without the names that differ from run to run; of a bare `assert`, its own."""
    text = str(error).partition("\n")[0] or traceback.extract_tb(error.__traceback__)[-1].line
    return re.sub(r"[a-z]+/n[0-9a-f]+x[0-9a-f]+", "…", f"{type(error).__name__}: {text}")[:140].strip()


def play(address: str) -> dict[str, str]:
    """What is wrong with each case; nothing = it passed. Several at once: a broker that fails often has many to wait for."""

    def outcome(case) -> str | None:
        try:
            slow.run(case) if case.slow else case.run(address)
        except Exception as error:  # whatever it is, the case has failed
            return _said(error)

    slow = Slow(address, slow_cases())
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        outcomes = zip(map(str, CASES), pool.map(outcome, CASES))
    slow.close()
    return {case: wrong for case, wrong in outcomes if wrong}


def on(name: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        if name == "mosquitto":
            with mosquitto(pathlib.Path(folder)) as broker:
                return play(broker.address)
        gateway = gateways.Gateway(pathlib.Path(folder), config(), ROUTES).start()
        try:
            found = play(gateway.listeners["devices"])
            gateway.assert_alive()
            return found
        finally:
            gateway.stop()


def version() -> str:
    return subprocess.run([peers.tool("mosquitto"), "-h"], capture_output=True, text=True).stdout.splitlines()[0].split()[-1]


TEXT = """# MQTT: conformance

Made by `Tests/Conformance/compare_mqtt.py --write`. {count} cases by the normative statements of MQTT 5.0 (their numbers are
those of its appendix B) and 3.1.1, over the wire, one broker for all. What mosquitto passes, the gateway has to pass.

{summary}

| Case | {names} |
|---|{rule}|
{rows}
"""


def document(results: dict[str, dict[str, str]]) -> str:
    rows = []
    for case in map(str, CASES):
        if any(case in found for found in results.values()):
            cells = (found.get(case, "passes").replace("|", "\\|") for found in results.values())
            rows.append(f"| {case.replace('|', chr(92) + '|')} | {' | '.join(cells)} |")
    labels = [f"mosquitto {version()}" if name == "mosquitto" else name for name in results]
    summary = "\n".join(f"* {label}: {len(CASES) - len(found)} pass, {len(found)} fail" for label, found in zip(labels, results.values()))
    return TEXT.format(count=len(CASES), summary=summary, names=" | ".join(labels), rule="---|" * (len(results) - 1) + "---", rows="\n".join(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("brokers", nargs="*", default=["mosquitto", "gateway"])
    parser.add_argument("--write", type=pathlib.Path)
    options = parser.parse_args()
    results = {}
    for name in options.brokers:
        results[name] = on(name)
        for case, wrong in results[name].items():
            print(f"{name}: {case}: {wrong}", flush=True)
        print(f"{name}: {len(CASES)} cases, {len(results[name])} fail", flush=True)
    if options.write:
        options.write.write_text(document(results))
    worse = set(results.get("gateway", {})) - set(results.get("mosquitto", {})) if len(results) > 1 else set()
    if worse:
        sys.exit(f"{len(worse)} cases fail that mosquitto passes")


if __name__ == "__main__":
    main()
