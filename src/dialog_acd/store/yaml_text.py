"""YAML as operators write it: a table, read into plain values, every fault with its line.

Stricter than YAML itself. A name written twice is an error (the last one silently wins elsewhere), and so is an alias
where the text may come from anybody: a few lines of aliases to aliases can stand for gigabytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Hashable


class YamlInvalid(ValueError):  # noqa: N818  nouns, see core/errors.py
    """What is wrong, and in which line."""


class _Loader(yaml.SafeLoader):
    """Nothing but plain values, and no name twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        known: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in known:
                    raise yaml.MarkedYAMLError(None, None, f"{key.value!r} is written twice", key.start_mark)
                known.add(key.value)
        return super().construct_mapping(node, deep)


class _WithoutAliases(_Loader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(None, None, "an alias (*name) is not taken; write it out", mark)
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """Lists stand further in than what they belong to, and nothing is said by reference."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def parse_yaml(text: str, names: str, *, aliases: bool = False) -> dict[str, Any]:
    """The table a text says. ``names``: some that belong in it, for the error. Raises ``YamlInvalid``."""
    try:
        content = yaml.load(text, _Loader if aliases else _WithoutAliases)  # noqa: S506  both are SafeLoaders
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark, " ".join(filter(None, (error.context, error.problem)))
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlInvalid(f"it is not YAML: {where}{problem}") from error
    # A date like 2026-02-30 looks like one and is none.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlInvalid(f"it is not YAML: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise YamlInvalid(f"it must be a table with names such as {names}")
    return content


def write_yaml(content: dict[str, Any]) -> str:
    """The same table as text; the same text for the same table."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
