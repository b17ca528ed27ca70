"""Properties that pass through the server unchanged (MQTT 5.0 section 3.3.2.3)."""

from harness.mqtt import unique
from harness.mqtt_packets import V3, V5

from .case import Scene, add, case, lasting, topic

SETS = [
    ("payload format 0", "3.3.2-4", {"payload_format": 0}),
    ("payload format 1", "3.3.2-4", {"payload_format": 1}),
    ("content type", "3.3.2-20", {"content_type": "application/json; charset=utf-8"}),
    ("empty content type", "3.3.2-20", {"content_type": ""}),
    ("response topic", "3.3.2-15", {"response_topic": "answers/to/me"}),
    ("correlation data", "3.3.2-16", {"correlation_data": bytes(range(256))}),
    ("empty correlation data", "3.3.2-16", {"correlation_data": b""}),
    ("user property", "3.3.2-17", {"user_property": [("name", "value")]}),
    ("user properties in order", "3.3.2-18", {"user_property": [("z", "1"), ("a", "2"), ("z", "3"), ("Z", "4"), ("a", "2")]}),
    ("empty user property", "3.3.2-17", {"user_property": [("", "")]}),
    ("user property of any letters", "3.3.2-17", {"user_property": [("Größe \u2603", "日本 \U0001F600"), ("a b", " x ")]}),
    ("long user property", "3.3.2-17", {"user_property": [("n" * 300, "v" * 5000)]}),
    ("twenty user properties", "3.3.2-18", {"user_property": [(f"name-{number}", str(number)) for number in range(20)]}),
    ("all of them", "3.3.2-17", {"payload_format": 1, "content_type": "text/plain", "response_topic": "r/t", "correlation_data": b"c", "user_property": [("a", "b"), ("c", "d")]}),
]


def _pass(values: dict):
    def play(scene: Scene, version: int) -> None:
        place = topic()
        watcher, client = scene.watcher(version, place), scene.client(version)
        for qos in (0, 1, 2):
            client.publish(place, b"text", qos, props=values)
            message = watcher.message()
            assert message.properties == values, f"QoS {qos}: {message.properties}"

    return play


for _name, _norm, _values in SETS:
    add(_norm, _name.replace(" ", "_") + "_unaltered", _pass(_values), (V5,))


@case("3.3.2-17", (V5,))
def properties_of_messages_that_wait(scene: Scene, version: int):
    name, place, values = unique(), topic(), SETS[-1][2]
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=1)
    client.disconnect()
    scene.client(version).publish(place, b"x", 1, props=values)
    assert scene.client(version, name, **lasting(version)).message().properties == values


@case("3.3.2-17", (V5,))
def properties_do_not_reach_clients_of_311(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(V3, place)
    scene.client(version).publish(place, b"text", 1, props=SETS[-1][2])
    assert watcher.message().payload == b"text"


@case("3.3.2-17", (V5,))
def messages_of_311_have_no_properties(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(V3).publish(place, b"text", 1)
    assert watcher.message().properties == {}


@case("4.10", (V5,))
def request_and_response(scene: Scene, version: int):
    requests, answers = topic("q"), topic("r")
    responder, requester = scene.watcher(version, requests), scene.watcher(version, answers)
    requester.publish(requests, b"question", 1, props={"response_topic": answers, "correlation_data": b"\x00\x07"})
    asked = responder.message()
    responder.publish(asked.properties["response_topic"], b"answer", 1, props={"correlation_data": asked.properties["correlation_data"]})
    answer = requester.message()
    assert (answer.payload, answer.properties) == (b"answer", {"correlation_data": b"\x00\x07"})
