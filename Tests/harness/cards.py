"""Card numbers that the tests use, and the search for them in what a gateway leaves behind (SPEC 24)."""

import mmap
import pathlib

NUMBERS = (
    "4111111111111111", "4111111111111112", "5555555555554444", "4432801561520454", "5105105105105100", "371449635398431",
    "378282246310005",
)
# How people and forms write the gaps between groups of digits; in messages and JSON there are none.
GAPS = (b"", b"-", b" ", b"+", b"%2D", b"%2d", b"%20", b"\xc2\xa0", b"\\u002d", b".")
# The test wrote them itself, and reads no card from them: what is searched is what the gateway wrote.
WRITTEN_BY_TESTS = ("config", "routes")


def _groups(number: str) -> list[list[bytes]]:
    """Fours; and 4-6-5, as numbers of fifteen digits are printed."""
    fours = [number[i:i + 4] for i in range(0, len(number), 4)]
    ways = [fours] if len(number) == 16 else [fours, [number[:4], number[4:10], number[10:]]]
    return [[group.encode() for group in groups] for groups in ways]


FORMS = [(number, {gap.join(groups) for groups in _groups(number) for gap in GAPS}) for number in NUMBERS]


def number_in(data) -> str | None:
    """The first of the numbers that `data` (bytes or a mapped file) has in any form."""
    starts = {start: data.find(start) >= 0 for start in {number[:4].encode() for number in NUMBERS}}
    for number, forms in FORMS:
        if starts[number[:4].encode()] and any(data.find(form) >= 0 for form in forms):
            return number
    return None


def number_in_file(path: pathlib.Path) -> str | None:
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return number_in(data)


def left_by(folder: pathlib.Path, stderr: list[str] = ()) -> list[str]:
    """Where a gateway has left a card number: its files (events, their WAL and snapshots, the consumers' store, access log and
    standard output) and what it said on standard error. Without the number itself, but for its last four digits."""
    found = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.relative_to(folder).parts[0] in WRITTEN_BY_TESTS or path.is_symlink() or not path.is_file():
            continue
        if number := number_in_file(path):
            found.append(f"{path}: a card number ending in {number[-4:]}")
    if number := number_in("\n".join(stderr).encode()):
        found.append(f"{folder}, standard error: a card number ending in {number[-4:]}")
    return found
