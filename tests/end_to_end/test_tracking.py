"""Interactions that a browser makes by following what stands in the letter or the text message."""

import re
from datetime import UTC, datetime
from email.message import EmailMessage

from connector.rules.provider_events.classification import AT_ONCE_WINDOW, BURST_WINDOW
from tests.support.polling import until
from tests.support.system import ANN, SCHEDULED, System

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SHOP = "https://shop.test/sale?a=1&b=2"
MAIL = {
    "email": {
        "subject": "Welcome",
        "html": '<p><a href="https://shop.test/sale?a=1&amp;b=2">Sale</a> <a data-alias="cta" href="https://shop.test/">Go</a></p>',
    }
}


async def follow(system: System, url: str, *, agent: str = BROWSER) -> str | None:
    """Ask for the address as a browser does, without a key; where it leads, None for a picture."""
    async with system.client(**{"User-Agent": agent}) as browser:
        answer = await browser.get(url)
    assert answer.status_code in (200, 302, 303, 307), answer.text
    return answer.headers.get("location")


async def sent(system: System, **condition: str) -> EmailMessage:
    """Ann's letter, with a follow-on of what she will do with it."""
    await system.open({**SCHEDULED, "messages": MAIL}, condition)
    letter = await system.letter("Welcome")
    await system.received()
    return letter


def tracked(letter: EmailMessage) -> tuple[str, str, str]:
    """The addresses in the letter: of its link, of its link with an alias, and of its pixel."""
    body = letter.get_body(("html",))
    assert body is not None
    html = body.get_content()
    link, alias = re.findall(r'href="([^"]+)"', html)
    [pixel] = re.findall(r'<img src="([^"]+)"', html)
    return link, alias, pixel


async def read_on() -> None:
    """A reader's moment: whoever asks for more within it is taken for a machine."""
    until_then = datetime.now(UTC) + max(AT_ONCE_WINDOW, BURST_WINDOW)  # noqa: TID251 - a reader's clock

    async def has_passed() -> bool:
        return datetime.now(UTC) > until_then  # noqa: TID251

    await until(has_passed, "a reader's next moment")


async def test_open_email(system: System) -> None:
    """M2: a person's open counts; neither a crawler's of the same picture, nor one quicker than any reader."""
    _, _, pixel = tracked(await sent(system, interaction="open_email", opens="human"))
    await follow(system, pixel, agent="Googlebot/2.1 (+http://www.google.com/bot.html)")
    await follow(system, pixel)
    await read_on()
    assert await system.follow_ups() == []
    await follow(system, pixel)
    await system.followed()
    results = await system.do("GET", "/v1/campaigns/original/results")
    assert (results["receivers"]["opened"], results["receivers"]["opened_by_people"]) == (1, 1)


async def test_click_email(system: System) -> None:
    """M1: any link of the mail; the browser lands where the author meant."""
    link, _, _ = tracked(await sent(system, interaction="click_email", url=SHOP))
    assert await follow(system, link) == SHOP
    await system.followed()


async def test_click_email_alias(system: System) -> None:
    """M1: the link with this alias, and not the other one."""
    link, alias, _ = tracked(await sent(system, interaction="click_email_alias", alias="cta"))
    await follow(system, link)
    await read_on()
    assert await system.follow_ups() == []
    assert await follow(system, alias) == "https://shop.test/"
    found = await system.followed()
    assert found["trigger"].startswith("click-")


async def test_click_sms_link(system: System) -> None:
    """The short link of the text message."""
    sms = {"sms": {"body": f"Hello, see {SHOP}"}}
    await system.open({**SCHEDULED, "messages": sms}, {"interaction": "click_sms_link"})
    await system.received()
    [text] = system.providers.texts
    assert text["To"] == ANN["phone"]
    [short] = re.findall(r"https://\S+", text["Body"])
    assert await follow(system, short) == SHOP
    await system.followed()
