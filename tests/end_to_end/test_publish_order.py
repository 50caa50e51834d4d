"""The story that the field tells of publishing: follow-ons first, then the original with its control group."""

from collections.abc import Callable

from tests.support.polling import until
from tests.support.system import SCHEDULED, System, mailed

USERS = [f"u{number}" for number in range(16)]
ORIGINAL = {**SCHEDULED, "control_group": 20, "messages": {"email": {"subject": "Sale", "text": "Now."}}}
FOLLOW_ONS = {"sorry": "enroll_in_control_group", "thanks": "receive_email"}


async def drafted(system: System) -> None:
    """Everybody is described, and everything is a draft."""
    users = [{"id": user, "email": f"{user}@example.com"} for user in USERS]
    await system.do("POST", "/v1/interactions", {"interactions": [], "users": users})
    await system.do("PUT", "/v1/campaigns/original", {"campaign": "original", **ORIGINAL})
    for name, interaction in FOLLOW_ONS.items():
        trigger = {"interaction": interaction, "campaign": "original"}
        await system.do("PUT", f"/v1/campaigns/{name}", mailed(trigger, name, name))


def readers(system: System) -> Callable[[str], list[str]]:
    """By subject: who got a letter, as often as they got one."""
    return lambda subject: sorted(letter["To"].partition("@")[0] for letter in system.mails(subject))


async def test_follow_ons_first_and_nobody_is_missed(system: System) -> None:
    """P3, W3, T4: the control group gets one follow-on, the receivers the other; nobody both, nobody none."""
    await drafted(system)
    for name in (*FOLLOW_ONS, "original"):
        await system.do("POST", f"/v1/campaigns/{name}/publish")
    got = readers(system)

    async def all_followed() -> bool:
        return len(got("sorry")) + len(got("thanks")) >= len(USERS)

    await until(all_followed, "a follow-on for everybody")
    assert sorted(got("sorry") + got("thanks")) == sorted(USERS)
    assert got("thanks") == got("Sale")
    assert got("sorry")
    results = await system.do("GET", "/v1/campaigns/original/results")
    assert results["control"]["enrolled"] == len(got("sorry"))
    assert results["receivers"]["sent"] == len(got("thanks"))


async def test_original_first_is_refused(system: System) -> None:
    """P3: the wrong order is refused, with the names and the way out; nothing goes out."""
    await drafted(system)
    answer = await system.api.post("/v1/campaigns/original/publish")
    assert answer.status_code == 409
    assert all(f"publish {name} original" in answer.text for name in FOLLOW_ONS)
    assert (await system.do("GET", "/v1/campaigns/original"))["state"] == "draft"
    assert system.mail.mails == []
