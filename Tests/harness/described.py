"""Answers held to the description in OpenAPI that the gateway gives of itself."""

import json

from jsonschema import Draft202012Validator


class Description:
    def __init__(self, document: dict) -> None:
        self.document = document

    def _followed(self, value: dict) -> dict:
        while "$ref" in value:
            target = self.document
            for step in value["$ref"].removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            value = target
        return value

    def hold(self, method: str, path: str, status: int, fields, body: bytes) -> None:
        """The status is listed by itself (never only by `default`), the sure fields are there, the body fits its schema."""
        responses = self.document["paths"][path][method.lower()]["responses"]
        listed = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        assert listed, f"{method} {path} answers {status}, and says {sorted(responses)}"
        answer = self._followed(listed)
        for name, field in answer.get("headers", {}).items():
            assert not field.get("required") or name in fields, f"{method} {path} {status} without {name}"
            if name in fields:
                schema = field["schema"]
                value = int(fields[name]) if schema.get("type") == "integer" else fields[name]
                Draft202012Validator(schema).validate(value)
        content = answer.get("content")
        if not content:
            assert body == b"", f"{method} {path} {status} has a body that nobody speaks of"
            return
        kind = fields["content-type"].split(";")[0]
        assert kind in content, f"{method} {path} {status} is {kind}, and says {sorted(content)}"
        Draft202012Validator({**self.document, **content[kind]["schema"]}).validate(json.loads(body))
