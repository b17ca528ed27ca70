"""Sums of money: whole units and billionths, exactly."""

from .stubs import pb

BILLION = 1_000_000_000


def valid(money) -> bool:
    """Both parts have the same sign, and the billionths are less than a unit."""
    same_sign = money.units == 0 or money.nanos == 0 or (money.units < 0) == (money.nanos < 0)
    return same_sign and abs(money.nanos) < BILLION


def total(first, second, times: int = 1):
    """`first + times × second`: what adding `second` again and again comes to, without rounding."""
    if not (valid(first) and valid(second)):
        raise ValueError("one of the specified money values is invalid")
    if first.currency_code != second.currency_code:
        raise ValueError("mismatching currency codes")
    billionths = first.units * BILLION + first.nanos + times * (second.units * BILLION + second.nanos)
    sign = -1 if billionths < 0 else 1
    units, nanos = divmod(abs(billionths), BILLION)
    return pb.Money(currency_code=first.currency_code, units=sign * units, nanos=sign * nanos)
