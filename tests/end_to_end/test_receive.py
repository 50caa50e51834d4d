"""Interactions that come of handing a message over, or of holding it back: nobody reports them."""

from tests.support.system import ANN, SCHEDULED, System

PUSH = {"push": {"title": "Hi", "body": "Look"}}
MAIL = {"email": {"subject": "Welcome", "html": "<p>Hello</p>", "text": "Hello"}}


async def test_receive_email(system: System) -> None:
    """M4: the mail server took the original, and the follow-on of its receipt is the second letter."""
    await system.open({**SCHEDULED, "messages": MAIL}, {"interaction": "receive_email"})
    await system.followed()
    assert [letter["Subject"] for letter in system.mail.mails] == ["Welcome", "Follow-on"]


async def test_receive_webhook(system: System) -> None:
    """M4: the receiver answered the original with 204."""
    webhook = {"url": system.providers.hook_url, "body": '{"hello": "{{ user.id }}"}'}
    await system.open({**SCHEDULED, "messages": {"webhook": webhook}}, {"interaction": "receive_webhook"})
    await system.followed()
    assert system.providers.hooks == ['{"hello": "ann"}']


async def test_receive_push(system: System) -> None:
    """M3, M4: FCM took the original, once for each of the two devices; that is one receipt."""
    user = {**ANN, "push_tokens": ["ann-phone", "ann-tablet"]}
    await system.open({**SCHEDULED, "messages": PUSH}, {"interaction": "receive_push"}, user)
    await system.followed()
    assert sorted(push["token"] for push in system.providers.pushes) == user["push_tokens"]


async def test_receive_sms(system: System) -> None:
    """M4: not when Twilio takes it, but when its carrier's delivery report comes, with Twilio's signature."""
    await system.open({**SCHEDULED, "messages": {"sms": {"body": "Hello"}}}, {"interaction": "receive_sms"})
    await system.received()
    assert await system.follow_ups() == []
    await system.provider_reports("sent")
    await system.provider_reports("delivered")
    await system.followed()
    assert [(text["To"], text["Body"]) for text in system.providers.texts] == [(ANN["phone"], "Hello")]


async def test_enroll_in_control_group(system: System) -> None:
    """W3: whoever is held back is enrolled, gets the control group's follow-on, and never the original."""
    original = {**SCHEDULED, "control_group": 100, "messages": MAIL}
    await system.open(original, {"interaction": "enroll_in_control_group"})
    await system.followed()
    assert [letter["Subject"] for letter in system.mail.mails] == ["Follow-on"]
    results = await system.do("GET", "/v1/campaigns/original/results")
    assert (results["control"]["enrolled"], results["receivers"]["sent"]) == (1, 0)


async def test_perform_conversion_event(system: System) -> None:
    """C1: a purchase within the window of the mail that went out; another's purchase converts nobody."""
    ann, ben = {**ANN, "attributes": {"tier": "gold"}}, {"id": "ben", "email": "ben@example.com"}
    audience = {"attribute": "tier", "is": "gold"}
    original = {
        **SCHEDULED,
        "audience": audience,
        "conversions": [{"event": "make_purchase", "within": "1 day"}],
        "messages": MAIL,
    }
    await system.open(original, {"interaction": "perform_conversion_event", "conversion": "A"}, ann, ben)
    await system.letter("Welcome")
    await system.received("original")
    await system.report("make_purchase", "ben", properties={"product": "shoe-1"})
    await system.report("make_purchase", properties={"product": "shoe-1"})
    await system.followed()
    assert await system.follow_ups("ben") == []
    results = await system.do("GET", "/v1/campaigns/original/results")
    assert (results["receivers"]["sent"], results["receivers"]["converted"]) == (1, {"A": 1})


async def test_control_users_convert_too(system: System) -> None:
    """C1, W3: from their enrolment on; with nobody to compare them to there is no uplift."""
    original = {**SCHEDULED, "control_group": 100, "conversions": [{"event": "make_purchase"}], "messages": MAIL}
    await system.open(original, {"interaction": "perform_conversion_event"})
    await system.enrolled()
    await system.report("make_purchase", properties={"product": "shoe-1"})
    await system.followed()
    results = await system.do("GET", "/v1/campaigns/original/results")
    assert (results["control"]["enrolled"], results["control"]["converted"]) == (1, {"A": 1})
    assert results["receivers"]["uplift"] == {"A": None}
