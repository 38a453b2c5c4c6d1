"""The document of the API (OpenAPI), made complete from what the code says anyhow.

A field's description and example stand with the field. What follows from others is put together here, so that nobody
has to write it twice and nothing of it can be forgotten: the example of an answer from those of its fields, and what
each status means from the problems that have it (their docstrings are what is answered).

``operationId`` is the tag and the name of the route, as in the audit log: programs are generated from it, so a route
keeps its name when it moves.
"""

from __future__ import annotations

import inspect
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from dialog_acd.api import problems
from dialog_acd.api.schemas import GoneOut, LiveChangeOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.routing import APIRoute

DESCRIPTION = (
    "Durations are seconds, times ISO 8601 in UTC unless a field says otherwise. "
    "Every error is `{error_id, message, details}`: a stable word for programs, a sentence for people, and more. "
    "Lists come in pages: `limit` entries, and `next` to give as `before` (in the directory, whose lists begin with "
    "the first, as `after`) for those that follow; null: these were the last. "
    "All but health and metrics (for the service's own machine, or with a key of their own) need a token, and a token "
    "of one town sees what is that town's."
)
TAGS = [
    {"name": "live", "description": "The centre at this moment, and as it changes."},
    {"name": "queues", "description": "Where calls wait: how it is there now, and a supervisor's switch."},
    {"name": "agents", "description": "Who takes calls: what they are doing now, and what they are told to."},
    {"name": "calls", "description": "Calls and their records: what happened to each, and why."},
    {"name": "resolve", "description": "What would happen to a call, asked beforehand."},
    {"name": "directory", "description": "Towns, numbers, queues, agents, partners: as they are, as they were."},
    {"name": "tenants", "description": "Towns: what is missing before one goes live, and the day it begins."},
    {"name": "entries", "description": "Dialled numbers: close one for a while, or have its callers told something."},
    {"name": "centre", "description": "What a supervisor has all callers told."},
    {"name": "switches", "description": "What supervisors have switched, and until when."},
    {"name": "recordings", "description": "What callers hear in a human voice: uploaded, checked, made fit."},
    {"name": "reports", "description": "Figures of calls with their definitions, the evaluation, 115 readiness."},
    {"name": "policy", "description": "How far figures may come near a person of the staff."},
    {"name": "releases", "description": "What management and staff council agree on: named figures, a weaker policy."},
    {"name": "me", "description": "What is kept about oneself."},
    {"name": "statements", "description": "Shares of cost: what each town used in a month, and what it pays."},
    {"name": "audit", "description": "Who changed what, and who was refused."},
    {"name": "health", "description": "For whoever watches over the service; open, and about nobody's call."},
]
EVERYWHERE = ("not-authenticated", "not-allowed", "not-valid", "keys-unavailable", "database-away", "no-role")
"""What any route that needs a token may answer."""
_BODY = (400, 408, 413)
"""What can be wrong with a body before anybody looks at what it says."""
_REF = "#/components/schemas/"


def operation_id(route: APIRoute) -> str:
    return "_".join((*(str(tag) for tag in route.tags[:1]), route.name)).replace("-", "_")


def complete(document: dict[str, Any]) -> None:
    """Add to the framework's document what follows from it and from the problems."""
    schemas = document["components"]["schemas"]
    for model in (LiveChangeOut, GoneOut):  # what a stream says stands in no answer of its own
        schemas[model.__name__] = model.model_json_schema(ref_template=_REF + "{model}")
        schemas[model.__name__].pop("$defs", None)
    for schema in schemas.values():
        for told in schema.get("properties", {}).values():
            if not told.get("examples"):
                told["examples"] = [_example(told, schemas)]
    for path in document["paths"].values():
        for operation in path.values():
            _complete(operation, schemas)


def _complete(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    if "requestBody" in operation:
        for content in operation["requestBody"]["content"].values():
            content.setdefault("example", _example(content["schema"], schemas))
        for status in _BODY:
            operation["responses"].setdefault(
                str(status), {"content": {"application/json": {"schema": {"$ref": f"{_REF}ProblemOut"}}}}
            )
    for status, told in operation["responses"].items():
        for content in told.get("content", {}).values():
            if content.get("schema", {}).get("$ref") == f"{_REF}ProblemOut":
                _tell_problem(int(status), told, content, locked="security" in operation)
            elif "example" not in content and "examples" not in content:
                content["example"] = _example(content.get("schema", {}), schemas)
        if told.get("description", "") in ("", "Successful Response"):
            told["description"] = next(_descriptions(told, schemas), operation["summary"])


def _tell_problem(status: int, told: dict[str, Any], content: dict[str, Any], *, locked: bool) -> None:
    known = {kind.error_id: _said(kind) for kind in _each_problem(problems.ApiProblem) if kind.status == status}
    known |= {word: said for code, (word, said) in problems.ELSEWHERE.items() if code == status}
    if named := re.findall(r"`([a-z0-9-]+)`", told.get("description", "")):  # else: any that has this status
        known = {word: said for word, said in known.items() if word in named or (locked and word in EVERYWHERE)}
    said = told.get("description", "").rstrip(".")
    phrase = HTTPStatus(status).phrase if not said or said.startswith("`") else said
    told["description"] = f"{phrase}: " + ", ".join(f"`{word}`" for word in sorted(known))
    content.setdefault(
        "examples",
        {
            word: {"summary": said, "value": {"error_id": word, "message": said, "details": {}}}
            for word, said in sorted(known.items())
        },
    )


def _said(kind: type[problems.ApiProblem]) -> str:
    """The sentence that is answered where nobody says more."""
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())


def _each_problem(base: type[problems.ApiProblem]) -> Iterator[type[problems.ApiProblem]]:
    for problem in base.__subclasses__():
        yield problem
        yield from _each_problem(problem)


def _descriptions(told: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    """What the model of an answer says of itself: its first paragraph."""
    for content in told.get("content", {}).values():
        for schema in _alternatives(content.get("schema", {})):
            name = schema.get("$ref", "").rpartition("/")[2]
            if name in schemas and schemas[name].get("description"):
                yield " ".join(schemas[name]["description"].partition("\n\n")[0].split())


def _alternatives(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return list(schema.get("anyOf", [schema]))


def _example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """One value that the schema allows, from the examples of its parts."""
    if schema.get("examples"):
        return schema["examples"][0]
    if "$ref" in schema:
        return _example(schemas[schema["$ref"].removeprefix(_REF)], schemas)
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object" if "properties" in schema:
            return {name: _example(told, schemas) for name, told in schema["properties"].items()}
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return {"name": _example(schema["additionalProperties"], schemas)}
        case "array":
            return [_example(schema["items"], schemas)]
    return schema.get("const", schema.get("default"))
