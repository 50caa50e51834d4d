"""Interactions that come of handing a message over, or of holding it back: nobody reports them."""

from tests.support.system import ANN, SCHEDULED, Stage

PUSH = {"push": {"title": "Hi", "body": "Look"}}
MAIL = {"email": {"subject": "Welcome", "html": "<p>Hello</p>", "text": "Hello"}}


async def test_receive_email(stage: Stage) -> None:
    """M4: the mail server took the original, and the follow-on of its receipt is the second letter."""
    await stage.open({**SCHEDULED, "messages": MAIL}, {"interaction": "receive_email"})
    await stage.followed()
    assert [letter["Subject"] for letter in stage.mail.letters] == ["Welcome", "Follow-on"]


async def test_receive_webhook(stage: Stage) -> None:
    """M4: the receiver answered the original with 204."""
    webhook = {"url": stage.providers.hook_url, "body": '{"hello": "{{ user.id }}"}'}
    await stage.open({**SCHEDULED, "messages": {"webhook": webhook}}, {"interaction": "receive_webhook"})
    await stage.followed()
    assert stage.providers.hooks == ['{"hello": "ann"}']


async def test_receive_push(stage: Stage) -> None:
    """M3, M4: FCM took the original, once for each of the two devices; that is one receipt."""
    user = {**ANN, "push_tokens": ["ann-phone", "ann-tablet"]}
    await stage.open({**SCHEDULED, "messages": PUSH}, {"interaction": "receive_push"}, user)
    await stage.followed()
    assert sorted(push["token"] for push in stage.providers.pushes) == user["push_tokens"]


async def test_receive_sms(stage: Stage) -> None:
    """M4: not when Twilio takes it, but when its carrier's delivery report comes, with Twilio's signature."""
    await stage.open({**SCHEDULED, "messages": {"sms": {"body": "Hello"}}}, {"interaction": "receive_sms"})
    await stage.received()
    assert await stage.follow_ups() == []
    await stage.provider_reports("sent")
    await stage.provider_reports("delivered")
    await stage.followed()
    assert [(text["To"], text["Body"]) for text in stage.providers.texts] == [(ANN["phone"], "Hello")]


async def test_enroll_in_control_group(stage: Stage) -> None:
    """W3: whoever is held back is enrolled, gets the control group's follow-on, and never the original."""
    original = {**SCHEDULED, "control_group": 100, "messages": MAIL}
    await stage.open(original, {"interaction": "enroll_in_control_group"})
    await stage.followed()
    assert [letter["Subject"] for letter in stage.mail.letters] == ["Follow-on"]
    results = await stage.do("GET", "/v1/campaigns/original/results")
    assert (results["control"]["enrolled"], results["receivers"]["sent"]) == (1, 0)


async def test_perform_conversion_event(stage: Stage) -> None:
    """C1: a purchase within the window of the mail that went out; another's purchase converts nobody."""
    ann, ben = {**ANN, "attributes": {"tier": "gold"}}, {"id": "ben", "email": "ben@example.com"}
    audience = {"attribute": "tier", "is": "gold"}
    original = {
        **SCHEDULED,
        "audience": audience,
        "conversions": [{"event": "make_purchase", "within": "1 day"}],
        "messages": MAIL,
    }
    await stage.open(original, {"interaction": "perform_conversion_event", "conversion": "A"}, ann, ben)
    await stage.letter("Welcome")
    await stage.received("original")
    await stage.report("make_purchase", "ben", properties={"product": "shoe-1"})
    await stage.report("make_purchase", properties={"product": "shoe-1"})
    await stage.followed()
    assert await stage.follow_ups("ben") == []
    results = await stage.do("GET", "/v1/campaigns/original/results")
    assert (results["receivers"]["sent"], results["receivers"]["converted"]) == (1, {"A": 1})


async def test_control_users_convert_too(stage: Stage) -> None:
    """C1, W3: from their enrolment on; with nobody to compare them to there is no uplift."""
    original = {**SCHEDULED, "control_group": 100, "conversions": [{"event": "make_purchase"}], "messages": MAIL}
    await stage.open(original, {"interaction": "perform_conversion_event"})
    await stage.enrolled()
    await stage.report("make_purchase", properties={"product": "shoe-1"})
    await stage.followed()
    results = await stage.do("GET", "/v1/campaigns/original/results")
    assert (results["control"]["enrolled"], results["control"]["converted"]) == (1, {"A": 1})
    assert results["receivers"]["uplift"] == {"A": None}
