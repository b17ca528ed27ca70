"""The catalogue: products.json."""

import json
import pathlib

import grpc
from google.protobuf import json_format

from .stubs import pb, rpc


class Catalogue(rpc.ProductCatalogServiceServicer):
    def __init__(self):
        path = pathlib.Path(__file__).with_name("products.json")
        self._products = [json_format.ParseDict(each, pb.Product()) for each in json.loads(path.read_text())]

    def ListProducts(self, request, context):
        return pb.ListProductsResponse(products=self._products)

    def GetProduct(self, request, context):
        for product in self._products:
            if product.id == request.id:
                return product
        context.abort(grpc.StatusCode.NOT_FOUND, f"no product with ID {request.id}")

    def SearchProducts(self, request, context):
        wanted = request.query.lower()
        found = [each for each in self._products if wanted in each.name.lower() or wanted in each.description.lower()]
        return pb.SearchProductsResponse(results=found)
