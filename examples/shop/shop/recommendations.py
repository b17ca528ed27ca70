"""Recommendations: up to five products of the catalogue, drawn at random from those not given."""

import random

from .onward import Onward
from .stubs import pb, rpc

MOST = 5


class Recommendations(rpc.RecommendationServiceServicer):
    def __init__(self, catalogue: Onward):
        self._catalogue = catalogue

    def ListRecommendations(self, request, context):
        listed = self._catalogue.call(context, "ListProducts", pb.Empty())
        others = [product.id for product in listed.products if product.id not in request.product_ids]
        return pb.ListRecommendationsResponse(product_ids=random.sample(others, min(MOST, len(others))))
