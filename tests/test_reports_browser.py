"""A report in a real browser: who cannot see it reads it, too, and it can be printed.

axe-core finds what a machine can find of the rules for accessible pages (WCAG 2.1 A and AA); a clean run is no proof of
an accessible page, and a finding is proof that it is none.
"""

from __future__ import annotations

import io
import shutil
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from pypdf import PdfReader

from dialog_acd.core.calendars import parse_hours
from dialog_acd.core.kpi import By, Figures
from dialog_acd.core.model import EntryKind, Formula
from dialog_acd.report.evaluation import Evaluated, evaluation
from dialog_acd.report.figures import calls_document
from dialog_acd.report.page import page
from dialog_acd.report.readiness import Readied, readiness
from records import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from dialog_acd.report.document import Document

pytestmark = pytest.mark.browser
NOW = datetime(2026, 4, 2, 10, tzinfo=UTC)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        there = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield there
        there.close()


def figures(calls: int, *, wait: float = 12) -> Figures:
    found = Figures()
    came = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    for n in range(calls):
        answered = came + timedelta(seconds=wait)
        found.add(
            served(f"c{n}", t_in=came, t_q=came, t_ans=answered, t_end=answered + timedelta(minutes=1),
                   t_wrap_end=None, target_ms=30_000, target_share=0.75)
        )  # fmt: skip
    return found


def council() -> Document:
    march = date(2026, 3, 1)
    return evaluation(
        Evaluated(
            since=march, until=date(2026, 3, 31), as_of=NOW, towns={"langenhagen": "Langenhagen"}, town=None,
            whole=figures(1234), by_town={"langenhagen": figures(1234)},
            by_kind={EntryKind.MAIN_NUMBER: figures(1234)},
            by_time={march + timedelta(n): figures(20 + n, wait=25 + n) for n in range(31)}, daily=True,
            handled={"langenhagen": [figures(1234)]}, formulas={"langenhagen": Formula.STRICT},
        )
    )  # fmt: skip


def network() -> Document:
    monday = date(2026, 1, 5)
    weeks = {monday + timedelta(weeks=n): figures(10 + n) if n else None for n in range(12)}
    return readiness(Readied(NOW, weeks, [("115", parse_gap("fri 15:00-18:00")), ("+49511115", ())]))


def parse_gap(text: str) -> Any:
    return (parse_hours(text),)


def wide() -> Document:
    groups: Any = {(f"town-{n}", date(2026, 3, 1)): figures(10 + n) for n in range(12)}
    return calls_document(
        date(2026, 3, 1), date(2026, 3, 31), NOW, by=(By.TENANT, By.MONTH), groups=groups, whole=figures(186),
        towns={"town-1": "Ein Ort mit einem Namen, der nicht enden will"}, town=None,
    )  # fmt: skip


@pytest.mark.parametrize("made", [council, network, wide])
@pytest.mark.parametrize("width", [1280, 360])
def test_whoever_does_not_see_the_page_reads_it_too(browser: Browser, made: Any, width: int) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 900}, bypass_csp=True)
    tab.set_content(page(made()))
    found = Axe().run(tab, options={"runOnly": {"type": "tag", "values": RULES}}).response
    wide = tab.evaluate("document.documentElement.scrollWidth")
    tab.close()
    assert [f"{rule['id']}: {node['html'][:200]}" for rule in found["violations"] for node in rule["nodes"]] == []
    assert len(found["passes"]) > 15
    assert wide <= width


@pytest.mark.parametrize("made", [council, network, wide])
def test_a_page_is_printed_and_nothing_of_it_is_cut_off(browser: Browser, made: Any) -> None:
    document = made()
    tab = browser.new_page()
    tab.set_content(page(document))
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 680, "height": 900})  # A4 less its margins, at 96 pixels an inch
    width = tab.evaluate("document.documentElement.scrollWidth")
    printed = PdfReader(io.BytesIO(tab.pdf(prefer_css_page_size=True, tagged=True)))
    tab.close()
    assert width <= 680
    text = " ".join(" ".join(sheet.extract_text() for sheet in printed.pages).split())
    assert 1 < len(printed.pages) < 15
    for said in {council: ("1.234", "75 % in 30 s", "eingehalten"), network: ("nicht erfüllt", "Ziel 75 %")}.get(
        made, ()
    ):
        assert said in text
    for definition in document.definitions:
        assert definition.name.replace(" ", "") in text.replace(" ", "")
    for sheet in printed.pages:
        assert [round(float(edge)) for edge in sheet.mediabox[2:]] == [595, 842]
