"""Payment: looks at the card and charges nothing."""

import datetime
import re
import uuid

from .onward import caller
from .status import Refusal
from .stubs import pb, rpc

# Which cards there are, by their first digits and their length.
KINDS = {
    "visa": r"4\d{15}", "mastercard": r"5[1-5]\d{14}", "amex": r"3[47]\d{13}", "dinersclub": r"3(?:0[0-5]|[68]\d)\d{11}",
    "discover": r"6(?:011|5\d\d)\d{12}", "jcb": r"(?:2131|1800|35\d{3})\d{11}",
}


def adds_up(digits: str) -> bool:
    """Luhn's check: from the right, every second digit counts double, as the sum of its digits."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def refusal(card, today: datetime.date) -> str | None:
    """Why `card` is not charged, in the words clients know; None when it is."""
    number = re.sub(r"[ -]", "", card.credit_card_number)
    kind = next((kind for kind, form in KINDS.items() if re.fullmatch(form, number, re.ASCII)), None)
    if kind is None or not adds_up(number):
        return "Credit card info is invalid"
    if kind not in ("visa", "mastercard"):
        return f"Sorry, we cannot process {kind} credit cards. Only VISA or MasterCard is accepted."
    month, year = card.credit_card_expiration_month, card.credit_card_expiration_year
    if (year, month) < (today.year, today.month):
        return f"Your credit card (ending {number[-4:]}) expired on {month}/{year}"
    return None


class Payment(rpc.PaymentServiceServicer):
    def Charge(self, request, context):
        if why := refusal(request.credit_card, datetime.date.today()):
            context.abort(Refusal.CARD_REFUSED, why)
        amount = request.amount
        print(f"payment: charged {amount.currency_code} {amount.units} {amount.nanos}{caller(context)}", flush=True)
        return pb.ChargeResponse(transaction_id=str(uuid.uuid4()))
