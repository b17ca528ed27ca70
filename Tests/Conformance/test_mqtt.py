"""MQTT 3.1.1 and 5.0 by their normative statements. `NEXUS_MQTT_BROKER=mosquitto` plays them on mosquitto instead."""

import pytest
from mqtt import CASES
from mqttstage import OTHER, ROUTES, Slow, config, mosquitto, slow_cases


@pytest.fixture(scope="module")
def broker(shared_stage, tmp_path_factory):
    """The address of the broker, and what must be alive after each case."""
    if OTHER == "mosquitto":
        with mosquitto(tmp_path_factory.mktemp("mosquitto")) as made:
            yield made.address, lambda: None
    elif OTHER:
        yield OTHER, lambda: None
    else:
        gateway = shared_stage.gateway(config(), ROUTES)
        yield gateway.listeners["devices"], gateway.assert_alive


@pytest.fixture(scope="module")
def slow(broker, request):
    asked = {item.callspec.params["case"] for item in request.session.items if "case" in getattr(getattr(item, "callspec", None), "params", {})}
    made = Slow(broker[0], [each for each in slow_cases() if each in asked])
    yield made
    made.close()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(broker, slow, case):
    address, alive = broker
    slow.run(case) if case.slow else case.run(address)
    alive()
