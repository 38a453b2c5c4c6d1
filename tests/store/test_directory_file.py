"""An operator's file: what it says, and what they are told when a word is wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from dialog_acd.core.model import AgentId, EntryKind, QueueId, SkillId
from dialog_acd.store.directory_file import DirectoryFileInvalid, read_directory

DEMO = Path(__file__).parents[2] / "asterisk" / "demo-directory.toml"

SMALL = """
[[tenants]]
id = "town"
name = "Stadt"
label = "Stadt"

[[partners]]
id = "oldenburg"
name = "Oldenburg"
number = "115"

[[failsafe_profiles]]
name = "main"
group = "main"
hours = ["8:00-18:00,mon-fri,*,*"]

[[queues]]
id = "q"
name = "Q"
skill = "s"
ring_for = 12.5
overflow = { after = 90, partner = "oldenburg" }

[[entries]]
number = "+4951173070"
tenant = "town"
queue = "q"
kind = "main-number"
failsafe = "main"

[[entries]]
tenant = "town"
queue = "q"
kind = "catch-all"
failsafe = "main"

[[agents]]
id = "anna"
name = "Anna"
phone = "anna"
skills = { s = 4 }
"""


def faults(tmp_path: Path, content: str | bytes) -> tuple[str, ...]:
    path = tmp_path / "directory.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DirectoryFileInvalid) as caught:
        read_directory(path)
    assert str(path) in str(caught.value)
    assert all(fault in str(caught.value) for fault in caught.value.faults)
    return caught.value.faults


def test_a_small_file(tmp_path: Path) -> None:
    path = tmp_path / "directory.toml"
    path.write_text("\ufeff" + SMALL)  # as Windows' Notepad writes it
    directory = read_directory(path)
    queue = directory.queue[QueueId("q")]
    assert queue.ring_for == timedelta(seconds=12.5)
    assert queue.max_wait == timedelta(minutes=15)
    assert queue.overflow is not None
    assert (queue.overflow.after, queue.overflow.partner) == (timedelta(seconds=90), "oldenburg")
    assert directory.agent[AgentId("anna")].skills == {SkillId("s"): 4}
    assert directory.failsafe_profiles[0].hours == ("8:00-18:00,mon-fri,*,*",)
    assert [t.name for t in directory.trunks] == ["trunk"]


@pytest.mark.parametrize(
    ("dialled", "tenant", "queue"),
    [
        ("0511 168-0", "hannover", "hannover"),
        ("0511 168-41234", "hannover", "hannover"),
        ("+49 (0)511 616-0", "region", "region"),
        ("00495117307-0", "langenhagen", "langenhagen"),
        ("0511 7307-9101", "langenhagen", "langenhagen"),
        ("115", "center", "service115"),
        ("0511115", "center", "service115"),
        ("0511 999999", "center", "catchall"),
        ("", "center", "catchall"),
        ("sip:büro", "center", "catchall"),
    ],
)
def test_the_demo_leads_numbers_where_they_belong(dialled: str, tenant: str, queue: str) -> None:
    entry = read_directory(DEMO).entry_for(dialled).entry
    assert (entry.tenant, entry.queue) == (tenant, queue)


def test_the_demo_has_sixteen_agents_who_can_serve_every_queue() -> None:
    directory = read_directory(DEMO)
    assert [a.id for a in directory.agents] == [f"agent{n:02}" for n in range(1, 17)]
    for agent in directory.agents:
        assert str(agent.phone) == str(agent.id)
        assert agent.team == "centre"
        for queue in directory.queues:
            assert agent.skills[queue.skill] >= queue.level
    assert len({tuple(a.skills.values()) for a in directory.agents}) > 10
    assert all(q.wrap_up_for == timedelta(seconds=2) for q in directory.queues)
    assert {e.kind for e in directory.entries} == set(EntryKind)


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        (
            'number = "+4951173070"',
            'numbr = "+4951173070"',
            "entries[0].numbr: unknown field, did you mean 'number'?",
        ),
        ("ring_for = 12.5", 'ring_for = "12"', "queues[0].ring_for: must be a number, without quotes"),
        ("ring_for = 12.5", "ring_for = 0.0001", "queues[0].ring_for: seconds have at most three digits"),
        ("ring_for = 12.5", "ring_for = nan", "queues[0].ring_for: nan: "),
        ("ring_for = 12.5", "ring_for = -1", "queues[0].ring_for: -1: Input should be greater than"),
        ("after = 90", "afer = 90", "queues[0].overflow.afer: unknown field, did you mean 'after'?"),
        ('kind = "catch-all"', 'kind = "catchall"', "entries[1].kind: 'catchall' must be 'main-number', '115' or"),
        ("skills = { s = 4 }", 'skills = { s = "4" }', "agents[0].skills.s: must be a whole number"),
        ("skills = { s = 4 }", "skills = { s = true }", "agents[0].skills.s: must be a whole number"),
        ('phone = "anna"', "", "agents[0].phone: is missing (in the one with id 'anna')"),
        ('label = "Stadt"', 'label = ""', "tenants[0].label: must not be empty"),
        ('label = "Stadt"', 'label = "a\\u0000b"', "tenants[0].label: must not contain control characters"),
        ("[[partners]]", "[[partner]]", "partner: unknown field, did you mean 'partners'?"),
        ("[[tenants]]", "[tenants]", "tenants: must be a list"),
        ('tenant = "town"', 'tenant = "twn"', "entry +4951173070 names tenant 'twn', which does not exist"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, right: str, wrong: str, fault: str) -> None:
    assert right in SMALL
    found = faults(tmp_path, SMALL.replace(right, wrong))
    assert any(f.startswith(fault) for f in found), found


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    content = SMALL.replace("ring_for", "ringfor").replace("skills = ", "skill = ").replace("label", "lable")
    assert {f.split(":")[0] for f in faults(tmp_path, content)} == {
        "queues[0].ringfor",
        "agents[0].skill",
        "tenants[0].lable",
        "tenants[0].label",
    }


def test_a_file_that_is_not_toml_not_utf8_or_not_there(tmp_path: Path) -> None:
    assert "line 3" in faults(tmp_path, "[[tenants]]\nid = 'a'\nname = \n")[0]
    assert faults(tmp_path, SMALL.encode().replace(b"Stadt", b"M\xfcnchen")) == (
        "it is not UTF-8 text; save it as UTF-8",
    )
    with pytest.raises(DirectoryFileInvalid, match=r"it cannot be read \(No such file or directory\)"):
        read_directory(tmp_path / "nowhere.toml")
