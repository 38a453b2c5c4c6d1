"""Orders come at any instant, and each of them is carried out. No service here: the story plays its part."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dialog_acd.core.messages import Hold, Offer, ToFailsafe
from dialog_acd.core.model import AgentId, CallId, OfferId, Phone
from dialog_acd.switch.ami import AmiAddress, AmiLink
from dialog_acd.switch.translate import Interpreter
from rig.private import PrivateAsterisk
from rig.root import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dialog_acd.switch import Message

pytestmark = pytest.mark.e2e
ORDERS = 400
LATER = 1_999_999_999
ARRIVES = f"""[story]
exten => s,1,Set(ACD_CALL=${{UNIQUEID}})
 same => n,Set(ACD_MAX_WAIT={LATER})
 same => n,Set(ACD_MUSIC=default)
 same => n,Set(TIMEOUT(absolute)=14400)
 same => n,Answer()
 same => n,Goto(acd-wait,s,1)
"""


def offer(call: CallId, number: int) -> Offer:
    """To a phone nobody has, so that the answer comes at once."""
    return Offer(call, OfferId(str(number)), AgentId("nobody"), Phone("nobody"), timedelta(seconds=4))


@pytest.fixture
def restless(tmp_path: Path) -> Iterator[PrivateAsterisk]:
    """An Asterisk whose waiting callers are nearly always between two lines, or in the middle of one.

    The turn of the loop is short, and the number in its condition takes its time to be read: the moment in which a
    Return() loses an order is as long as that.
    """
    ours = tmp_path / "dialplans"
    shutil.copytree(REPOSITORY / "dialplans", ours, ignore=shutil.ignore_patterns("sounds"))
    waits = (ours / "acd.conf").read_text("utf-8")
    assert waits.count("Wait(2)") == 1
    (ours / "acd.conf").write_text(waits.replace("Wait(2)", "Wait(0.005)"), "utf-8")
    (ours / "story.conf").write_text(ARRIVES, "utf-8")
    slow = {"ACD_HEARTBEAT_MAX": "10" + " + 0" * 900}
    with PrivateAsterisk(tmp_path / "run", agents=1, dialplans=ours, extra=slow) as asterisk:
        asterisk.console(f"dialplan set global ACD_HEARTBEAT {LATER}")
        asterisk.console("module load res_clioriginate.so")
        yield asterisk


async def test_no_order_is_lost_and_no_caller_cut_off_at_whatever_instant_it_comes(restless: PrivateAsterisk) -> None:
    """Four hundred orders to one caller, some milliseconds after each has been carried out. Some used to be confirmed
    and forgotten, and some hung up on the caller. Only the last leads to failsafe.
    """
    told: asyncio.Queue[Message] = asyncio.Queue()
    interpreter = Interpreter()

    def hear(message: Message) -> None:
        interpreter.signals(message)
        if message["Event"] in ("UserEvent", "Hangup"):
            told.put_nowait(message)

    async def greet(_: AmiLink) -> None:
        await asyncio.to_thread(restless.console, "channel originate Local/s@story/n application Wait 600")

    async def learn(name: str, header: str, value: str) -> Message:
        async with asyncio.timeout(3):
            while True:
                message = await told.get()
                assert message["Event"] != "Hangup", f"the caller was cut off; awaited: {name} {value}"
                assert message.get("UserEvent") in (name, "AcdHeld", "AcdOfferResult"), message
                if message.get("UserEvent") == name and message.get(header) == value:
                    return message

    address = AmiAddress("127.0.0.1", restless.ports.ami, restless.ami_user, restless.ami_secret)
    link = AmiLink(address, greet=greet, hear=hear, lost=print, random=random.random)
    running = asyncio.create_task(link.run())
    moments = random.Random(5)
    try:
        call = CallId(str((await learn("AcdHeld", "After", ""))["Call"]))
        for number in range(1, ORDERS + 1):
            await asyncio.sleep(moments.uniform(0.001, 0.012))
            order = Hold(call) if number % 4 == 0 else offer(call, number)
            (action,) = interpreter.actions(order, None)
            await link.call(action)
            after = ""
            if isinstance(order, Offer):
                after = order.offer
                await learn("AcdOfferResult", "Offer", after)
            await learn("AcdHeld", "After", after)
        (action,) = interpreter.actions(ToFailsafe(call), None)
        await link.call(action)
        assert (await learn("AcdFailsafe", "Call", call))["Why"] == "max-wait"
    finally:
        await link.close()
        await asyncio.gather(running, return_exceptions=True)
    assert not re.search(r" ERROR\[", await asyncio.to_thread(restless.log.read_text))
