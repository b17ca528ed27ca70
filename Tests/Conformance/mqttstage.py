"""Where the MQTT cases play: brokers, and the slow cases side by side."""

import concurrent.futures
import os
import pathlib

from mqtt import CASES, Case

from harness import gateway as gateways
from harness.mqtt import Mosquitto

# Routes of a plain broker: whoever comes may publish and subscribe whatever he likes.
ROUTES = [
    {"name": "session", "match": {"connect": "{client}"}, "target": {"topics": "session"}},
    {"name": "relay", "match": {"publish": "{topic...}"}, "target": {"topics": "relay"}, "body_limit": "256KiB"},
    {"name": "subscriptions", "match": {"subscribe": "{topic...}"}, "target": {"topics": "subscribe"}},
]


def config(**over) -> dict:
    """A gateway with a listener `devices` for MQTT beside the usual one."""
    listeners = [gateways.listener(), gateways.listener("devices", mqtt={})]
    return gateways.merged(gateways.settings(listeners=listeners), over)


def mosquitto(folder: pathlib.Path) -> Mosquitto:
    """With the largest packet that the gateway takes."""
    return Mosquitto(folder, "max_packet_size 262144", "max_queued_messages 2000")


class Slow:
    """Plays the cases that mostly wait, all at once; each outcome can be had when it is there."""

    def __init__(self, address: str, cases: list[Case]):
        self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(cases)))
        self._outcomes = {str(each): self._pool.submit(each.run, address) for each in cases}

    def run(self, one: Case) -> None:
        self._outcomes[str(one)].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def slow_cases() -> list[Case]:
    return [each for each in CASES if each.slow]


OTHER = os.environ.get("NEXUS_MQTT_BROKER")  # `mosquitto`, or the address of a broker that runs; default: the gateway
