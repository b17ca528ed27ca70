"""Currencies: amounts go through euros, in the floating-point steps clients have always seen."""

import math

from .stubs import pb, rpc

# Units for a euro.
RATES = {
    "EUR": 1.0, "USD": 1.1305, "JPY": 126.40, "GBP": 0.8575, "CHF": 1.136, "CAD": 1.5127, "AUD": 1.6041, "NZD": 1.6683,
    "CNY": 7.5918, "INR": 79.432, "SEK": 10.5375, "NOK": 9.7268, "DKK": 7.4609, "PLN": 4.2996, "CZK": 25.592, "TRY": 6.1247,
    "BRL": 4.2682, "MXN": 21.799, "ZAR": 16.0583, "SGD": 1.5349,
}


def carried(units: float, nanos: float) -> tuple[float, float]:
    """The fraction of a unit moves to the billionths, whole units of those move back."""
    nanos += math.fmod(units, 1) * 1e9
    return math.floor(units) + math.floor(nanos / 1e9), math.fmod(nanos, 1e9)


def convert(money, to_code: str):
    """`money` in another currency; 0 of it when either is unknown."""
    rate, to_rate = RATES.get(money.currency_code), RATES.get(to_code)
    if rate is None or to_rate is None:
        return pb.Money(currency_code=to_code)
    units, nanos = carried(money.units / rate, money.nanos / rate)
    units, nanos = carried(units * to_rate, math.floor(nanos + 0.5) * to_rate)
    return pb.Money(currency_code=to_code, units=math.floor(units), nanos=math.floor(nanos))


class Currency(rpc.CurrencyServiceServicer):
    def GetSupportedCurrencies(self, request, context):
        return pb.GetSupportedCurrenciesResponse(currency_codes=RATES)

    def Convert(self, request, context):
        return convert(getattr(request, "from"), request.to_code)
