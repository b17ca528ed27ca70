"""Advertisements: those of the categories asked for, else two of all. Never none: the web front
cannot show a page without one."""

import random

from .stubs import pb, rpc

ADS = {
    "accessories": [("OLJCESPC7Z", "Sunglasses for days that have sun. A fifth off."), ("L9ECAV7KIM", "A scarf for all the other days.")],
    "clothing": [("66VCHSJNUP", "Linen shirts: two for little more than one.")],
    "footwear": [("0PUK6V6EV0", "Walk home in canvas. Laces come with them.")],
    "kitchen": [("6E92ZMYYFZ", "A mug that holds more than you should drink."), ("LS4PSXUNUM", "Salt and pepper, together again.")],
    "decor": [("9SIQT8TOJO", "A lamp that knows what a bamboo forest is like at dusk.")],
}


class Ads(rpc.AdServiceServicer):
    def GetAds(self, request, context):
        chosen = [ad for key in request.context_keys for ad in ADS.get(key, [])]
        if not chosen:
            chosen = random.sample([ad for of_category in ADS.values() for ad in of_category], 2)
        return pb.AdResponse(ads=[pb.Ad(redirect_url=f"/product/{product}", text=text) for product, text in chosen])
