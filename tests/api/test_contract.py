"""The document of the API leaves nothing to be guessed: each word of it is described, with an example."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from dialog_acd.api import schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI


@pytest.fixture
def contract(api: FastAPI) -> dict[str, Any]:
    return api.openapi()


BARE = {"204", "304"}
"""Nothing comes with these (RFC 9110, 15.3.5 and 15.4.5)."""


def operations(contract: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in contract["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_field_has_a_description_and_an_example(contract: dict[str, Any]) -> None:
    gaps = []
    for name, schema in contract["components"]["schemas"].items():
        if not schema.get("description"):
            gaps.append(name)
        for field, told in schema.get("properties", {}).items():
            gaps += [f"{name}.{field}: no {what}" for what in ("description", "examples") if not told.get(what)]
    assert gaps == []


def test_every_parameter_and_every_body_has(contract: dict[str, Any]) -> None:
    gaps = []
    for where, operation in operations(contract):
        for told in operation.get("parameters", []):
            example = told.get("examples") or "example" in told or told["schema"].get("examples")
            gaps += [f"{where} {told['name']}"] * (not told.get("description") or not example)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            gaps += [f"{where} body"] * ("example" not in content)
    assert gaps == []


def test_every_answer_has(contract: dict[str, Any]) -> None:
    gaps = []
    for where, operation in operations(contract):
        for status, told in operation["responses"].items():
            said = told.get("description", "")
            if not said or said in ("Successful Response", "Validation Error", "Error"):
                gaps.append(f"{where} {status}: no description")
            gaps += [
                f"{where} {status}: no example"
                for content in told.get("content", {}).values()
                if "example" not in content and not content.get("examples")
            ]
            if not told.get("content") and status not in BARE:
                gaps.append(f"{where} {status}: no content")
    assert gaps == []


def test_durations_say_their_unit(contract: dict[str, Any]) -> None:
    for schema in contract["components"]["schemas"].values():
        for name, told in schema.get("properties", {}).items():
            if name.endswith("_seconds"):
                assert "second" in told["description"], name
    for where, operation in operations(contract):
        for told in operation.get("parameters", []):
            if "second" in told["name"]:
                assert "second" in told["description"], where


def test_every_operation_has_a_readable_name_of_its_own_and_a_described_tag(contract: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(contract)]
    assert len(names) == len({*names})
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+){1,5}", name) for name in names)
    tags = {tag["name"]: tag["description"] for tag in contract["tags"]}
    assert all(tags.values())
    assert {tag for _, operation in operations(contract) for tag in operation["tags"]} <= {*tags}
    assert all(operation["summary"] for _, operation in operations(contract))


def test_names_of_operations_stay_as_they_are(contract: dict[str, Any]) -> None:
    """Programs are generated from them: a change is a break, and has to be meant."""
    assert {
        "agents_everybody", "agents_one", "agents_sign_in", "agents_sign_out", "agents_ready", "agents_not_ready",
        "audit_lines", "calls_decisions", "calls_one", "calls_recent", "directory_change", "directory_read",
        "directory_roll_back", "directory_versions", "health_live", "health_metrics", "health_ready", "live_calls",
        "live_picture", "live_stream", "queues_all", "queues_switch_back", "queues_switch_over",
        "recordings_all", "recordings_one", "resolve_call", "switches_all", "tenants_gate", "tenants_go_live",
        "tenants_put_off",
    } <= {operation["operationId"] for _, operation in operations(contract)}  # fmt: skip


def test_examples_are_what_their_schema_says(contract: dict[str, Any]) -> None:
    """An example that cannot be is worse than none: each is read by the model it stands for."""
    for where, operation in operations(contract):
        for told in (*operation["responses"].values(), operation.get("requestBody", {})):
            for content in told.get("content", {}).values():
                name = content["schema"].get("$ref", "").rpartition("/")[2]
                if hasattr(schemas, name):  # what the directory says is read in the stories of its resources
                    getattr(schemas, name).model_validate(content.get("example") or _first(content)), where


def _first(content: dict[str, Any]) -> Any:
    return next(iter(content["examples"].values()))["value"]


def test_lists_are_paged_in_one_shape(contract: dict[str, Any]) -> None:
    paged = 0
    for where, operation in operations(contract):
        answer = operation["responses"]["200"]["content"].get("application/json", {}).get("schema", {})
        schema = contract["components"]["schemas"].get(answer.get("$ref", "").rpartition("/")[2], {})
        names = {told["name"] for told in operation.get("parameters", [])}
        pages = "next" in schema.get("properties", {})
        assert pages == ({"limit", "before"} <= names or {"limit", "after"} <= names), where
        paged += pages
    assert paged >= 3


def test_a_refusal_is_told_by_its_words(contract: dict[str, Any]) -> None:
    answers = contract["paths"]["/api/v1/agents/{agent}/not-ready"]["post"]["responses"]
    refusals = {status: told["content"]["application/json"] for status, told in answers.items() if status != "200"}
    assert {status: set(told["examples"]) for status, told in refusals.items()} == {
        "400": {"bad-request"}, "401": {"not-authenticated"}, "403": {"not-allowed", "no-role"},
        "404": {"no-such-agent"}, "408": {"body-too-slow"}, "409": {"agent-refused"}, "413": {"body-too-large"},
        "422": {"not-valid"}, "503": {"database-away", "engine-silent", "keys-unavailable"},
    }  # fmt: skip
    assert "`no-such-agent`" in answers["404"]["description"]
    health = contract["paths"]["/health/live"]["get"]["responses"]["503"]
    assert set(health["content"]["application/json"]["examples"]) == {"engine-silent"}


def test_an_edit_tells_every_word_it_may_be_refused_with(contract: dict[str, Any]) -> None:
    def words(method: str, path: str) -> dict[str, set[str]]:
        answers = contract["paths"][f"/api/v1/directory/{path}"][method]["responses"]
        told = {status: answer["content"]["application/json"] for status, answer in answers.items()}
        return {status: set(content["examples"]) for status, content in told.items() if int(status) >= 400}

    new, changed = words("post", "prompts"), words("patch", "entries/{number}")
    assert new["422"] == {"not-valid", "directory-invalid", "idempotency-key-reused"}
    assert new["409"] == {"thing-exists", "idempotency-key-running"}
    assert "not-theirs" in new["403"] & changed["403"]
    assert "not-theirs" not in words("post", "queues")["403"]
    assert changed["404"] == {"no-such-thing"}
    assert changed["409"] == {"several-entries"}
    assert changed["422"] == {"not-valid", "directory-invalid"}
    assert changed["412"] == {"thing-moved"}
    assert changed["503"] == {"keys-unavailable", "directory-busy", "directory-unreadable", "database-away"}
