"""Settings from the environment, secrets from files; every fault is one sentence that names what to change."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from dialog_acd.core.retention import Terms
from dialog_acd.settings import Settings, SettingsInvalid, read_secret, read_settings

if TYPE_CHECKING:
    from pathlib import Path

LONG = "tinte-und-feder-0815"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("ACD_"):
            monkeypatch.delenv(name)


def secret_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "ami.secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


# ---------------------------------------------------------------- the environment


def test_without_an_environment_everything_has_a_value() -> None:
    settings = read_settings()
    assert (settings.ami.port, settings.agi.port, settings.api.port) == (5038, 4573, 8115)
    assert {settings.ami.host, settings.agi.host, settings.api.host} == {"127.0.0.1"}


def test_a_variable_sets_its_part_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACD_AMI__HOST", "10.0.0.7")
    monkeypatch.setenv("ACD_API__PORT", "9115")
    monkeypatch.setenv("ACD_LOG_LEVEL", "DEBUG")
    settings = read_settings()
    assert (settings.ami.host, settings.ami.port) == ("10.0.0.7", 5038)
    assert (settings.api.port, settings.log_level) == (9115, "DEBUG")
    assert settings.agi.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ACD_API__PORT", "abc"),
        ("ACD_API__PORT", "0"),
        ("ACD_AGI__PORT", "65536"),
        ("ACD_AGI__ANSWER_WITHIN", "3"),  # the dialplan waits three: our answer must be earlier
        ("ACD_AGI__ANSWER_WITHIN", "0"),
        ("ACD_AMI__PROT", "5038"),
        ("ACD_RETENTION__NUMBERS", "1"),
        ("ACD_RETENTION__NUMBERS", "8"),
        ("ACD_RETENTION__HASHES", "36"),
        ("ACD_RETENTION__AGENTS", "0"),
        ("ACD_RETENTION__AUDIT", "29"),
        ("ACD_LOG_LEVEL", "LOUD"),
        ("ACD_AMI", "not json"),
        ("ACD_AMI", "[1]"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalid, match=rf"^{variable}: ") as caught:
        read_settings()
    assert "\n" not in str(caught.value)


def test_what_is_kept_of_people_can_be_shortened_and_who_lengthens_it_hears_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACD_RETENTION__NUMBERS", "3")
    assert read_settings().retention.terms == Terms(numbers=3)
    monkeypatch.setenv("ACD_RETENTION__NUMBERS", "30")
    with pytest.raises(SettingsInvalid, match=r"ACD_RETENTION__NUMBERS: .*can only be shortened: a caller's number"):
        read_settings()


def test_all_faults_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACD_API__PORT", "abc")
    monkeypatch.setenv("ACD_AGI__PORT", "-1")
    with pytest.raises(SettingsInvalid) as caught:
        read_settings()
    assert "ACD_API__PORT: " in str(caught.value)
    assert "ACD_AGI__PORT: " in str(caught.value)


def test_settings_are_never_changed_afterwards() -> None:
    settings = read_settings()
    with pytest.raises(ValidationError):
        settings.log_level = "DEBUG"
    with pytest.raises(ValidationError):
        settings.ami.port = 1


def test_no_setting_holds_a_secret() -> None:
    """An environment is inherited, listed and logged: it names the files, and no field could take the content."""
    fields = {
        f"{part}.{name}"
        for part, model in Settings.model_fields.items()
        for name in getattr(model.annotation, "model_fields", ())
    }
    named = {name for name in fields if "secret" in name or "token" in name}
    assert named == {"ami.secret_file", "api.token_file", "api.metrics_token_file"}


# ---------------------------------------------------------------- secrets


def test_the_first_line_is_the_secret_and_does_not_show(tmp_path: Path) -> None:
    secret = read_secret(secret_file(tmp_path, f"  {LONG} \r\nnotes about it\n".encode()), "the AMI secret")
    assert secret.get_secret_value() == LONG
    assert LONG not in repr(secret)
    assert LONG not in str(secret)


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "nowhere"
    with pytest.raises(SettingsInvalid) as caught:
        read_secret(path, "the AMI secret")
    assert str(caught.value) == (
        f"cannot read the AMI secret from {path} (No such file or directory): "
        "create the file, mode 600, with the secret in its first line"
    )


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o601])
def test_a_file_open_to_others(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, LONG.encode(), mode)
    with pytest.raises(SettingsInvalid) as caught:
        read_secret(path, "the API token")
    assert str(caught.value) == f"{path} holds the API token and is open to others: chmod 600 {path}"


@pytest.mark.parametrize("content", [b"", b"\n", b"short\n", b"fifteen--chars-", b"\n" + LONG.encode()])
def test_a_secret_too_short_to_be_one(tmp_path: Path, content: bytes) -> None:
    path = secret_file(tmp_path, content)
    with pytest.raises(SettingsInvalid, match="shorter than 16 characters: put a long random one there") as caught:
        read_secret(path, "the AMI secret")
    assert str(path) in str(caught.value)
    assert "fifteen" not in str(caught.value)


def test_sixteen_characters_are_enough(tmp_path: Path) -> None:
    assert read_secret(secret_file(tmp_path, b"sixteen-letters-"), "it").get_secret_value() == "sixteen-letters-"


@pytest.mark.parametrize("content", [b"\xff\xfe this is no text", b"a\x00long-binary-secret", b"tab\tin-the-middle-"])
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes) -> None:
    path = secret_file(tmp_path, content)
    with pytest.raises(SettingsInvalid, match="put a long random one there") as caught:
        read_secret(path, "the AMI secret")
    assert str(path) in str(caught.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"cannot read it .*Is a directory"):
        read_secret(tmp_path, "it")


# ---------------------------------------------------------------- commands


def test_commands_are_words_with_semicolons_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACD_ASTERISK__RELOAD", """a -rx 'b; c' ; "d e"; ;f#g;""")
    assert read_settings().asterisk.reload_commands == (("a", "-rx", "b; c"), ("d e",), ("f#g",))
    monkeypatch.setenv("ACD_ASTERISK__CHECK", " ")
    assert read_settings().asterisk.check_commands == ()


def test_without_an_environment_asterisk_reloads_what_was_written_and_shows_it() -> None:
    asterisk = read_settings().asterisk
    assert asterisk.sync is None
    assert asterisk.reload_commands == (
        ("asterisk", "-rx", "module reload res_pjsip.so"),
        ("asterisk", "-rx", "queue reload all"),
    )
    assert asterisk.check_commands == (("asterisk", "-rx", "pjsip show endpoint acd-synced"),)
    assert asterisk.by_hand_names == ()


def test_an_open_quote_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACD_ASTERISK__RELOAD", "asterisk -rx 'core reload")
    with pytest.raises(SettingsInvalid, match=r"ACD_ASTERISK__RELOAD: .*No closing quotation"):
        read_settings()


def test_names_set_up_by_hand_have_commas_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACD_ASTERISK__BY_HAND", " desk-*, ,oldenburg")
    assert read_settings().asterisk.by_hand_names == ("desk-*", "oldenburg")
