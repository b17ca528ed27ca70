"""Topic names and filters: what matches what (MQTT 5.0 section 4.7)."""

from harness.mqtt import unique

from .case import Scene, case, each, topic

# (filter, topic, whether it matches); `~` stands for a level that only this case uses.
MATCHES = [
    ("~/a", "~/a", True), ("~/a", "~/b", False), ("~/a", "~/a/b", False), ("~/a/b", "~/a", False), ("~", "~", True),
    ("~/#", "~", True), ("~/#", "~/a", True), ("~/#", "~/a/b/c", True), ("~/#", "~/", True), ("~/a/#", "~/b", False), ("~/a/#", "~/ab", False),
    ("~/+", "~/a", True), ("~/+", "~", False), ("~/+", "~/", True), ("~/+", "~/a/b", False), ("~/+/b", "~/a/b", True), ("~/+/b", "~//b", True),
    ("~/+/b", "~/b", False), ("~/+/+", "~/a/b", True), ("~/+/+", "~/a", False), ("~/+/#", "~/a", True), ("~/+/#", "~/a/b/c", True), ("~/+/#", "~", False),
    ("+/~", "a/~", True), ("+/~", "/~", True), ("/~", "/~", True), ("/~", "~", False), ("+/+/~", "a/b/~", True), ("/+/~", "/a/~", True), ("+/~/#", "x/~/y/z", True),
    ("/~/#", "/~", True), ("~/", "~/", True), ("~/", "~", False), ("~", "~/", False), ("~//a", "~//a", True), ("~//a", "~/a", False), ("~/a/", "~/a", False),
    ("~/A", "~/a", False), ("~/a b", "~/a b", True), ("~/ ", "~/ ", True), ("~/ ", "~/", False), ("~/*", "~/a", False), ("~/*", "~/*", True),
    ("~/é", "~/é", True), ("~/\u00e9", "~/e\u0301", False), ("~/\ufeffa", "~/\ufeffa", True), ("~/\ufeffa", "~/a", False), ("~/日本/+", "~/日本/東京", True),
    ("~/😀", "~/😀", True), ("~/$a", "~/$a", True), ("~/+", "~/$a", True), ("~/#", "~/$SYS", True), ("~/%2F", "~//", False), ("~/%2F", "~/%2F", True),
    ("~/..", "~/..", True), ("~/../b", "~/../b", True), ("~/../b", "b", False), ("~/.", "~/.", True), ("~/a?b=c", "~/a?b=c", True), ("~/a", "~/a?b", False),
    ("~/a;b", "~/a;b", True), ("~/\\", "~/\\", True), ("~/{x}", "~/{x}", True), ("~/{x}", "~/a", False), ("~/%", "~/%", True), ("~/%41", "~/A", False),
]


@each("4.7.3-4", [(f"{name} {'and' if fits else 'not'} {at}", name, at, fits) for name, at, fits in MATCHES])
def match(scene: Scene, version: int, _: str, name: str, at: str, fits: bool):
    own = unique("m")
    watcher = scene.watcher(version, name.replace("~", own), f"end/{own}", qos=1)
    client = scene.client(version)
    client.publish(at.replace("~", own), b"x", 1)
    client.publish(f"end/{own}", b"end", 1)
    got = watcher.message()
    assert (got.payload == b"x") == fits, f"got {got}"
    assert not fits or got.topic == at.replace("~", own)


@each("4.7.2-1", ("#", "+/#", "+/{own}", "+/+"))
def wildcards_first_do_not_match_dollar_topics(scene: Scene, version: int, name: str):
    own = unique("d")
    watcher = scene.client(version)
    assert watcher.subscribe(name.format(own=own), qos=0).reasons == [0]
    client = scene.client(version)
    client.publish(f"$x/{own}", b"dollar"), client.publish(f"x/{own}", b"end", 1)
    while (got := watcher.message()).topic != f"x/{own}":
        assert not got.topic.startswith("$"), got


@case("4.7.2-1")
def publishing_to_SYS_harms_nobody(scene: Scene, version: int):
    client, other = scene.client(version), scene.client(version)
    client.publish("$SYS/broker/version", b"false")
    other.ping()


@case("4.7.3")
def thirty_levels(scene: Scene, version: int):
    place = unique() + "/x" * 29
    watcher = scene.watcher(version, place)
    scene.client(version).publish(place, b"deep", 1)
    assert watcher.message().topic == place


@each("4.7.3-3", (1000, 4000))
def long_topic(scene: Scene, version: int, count: int):
    place = (unique() + "/").ljust(count, "x")
    watcher = scene.watcher(version, place)
    scene.client(version).publish(place, b"long", 1)
    assert watcher.message().topic == place


@case("4.7.3")
def one_character_topics(scene: Scene, version: int):
    watcher, client, own = scene.watcher(version, "a", "/"), scene.client(version), unique().encode()
    for name in ("a", "/"):
        client.publish(name, own, 1)
        # Others may publish there as well.
        while (got := watcher.message()).payload != own:
            pass
        assert got.topic == name


@case("4.7.1-2")
def many_wildcards(scene: Scene, version: int):
    own = unique()
    watcher = scene.watcher(version, own + "/+" * 20)
    scene.client(version).publish(own + "/a" * 20, b"x", 1)
    assert watcher.message().payload == b"x"


@case("3.3.2-3")
def a_topic_comes_as_it_was_sent(scene: Scene, version: int):
    place = topic() + "/T e s t/%41/\u00e9/\U0001F600//é"
    watcher = scene.watcher(version, place.rpartition("/")[0] + "/+")
    scene.client(version).publish(place, b"x", 1)
    assert watcher.message().topic == place
