"""The translation of messages of Segment's protocol: tables by kind of message and by the built-in mapping."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.ingest.parsing import parse_item
from connector.rules.model.errors import InvalidItem
from connector.rules.model.joining import IdPair
from connector.rules.model.users import REMOVED
from connector.rules.model.values import canonical_json
from connector.segment.mapping import read_mapping
from connector.segment.translation import MAX_ORDERED_CHUNKS, MessageChunk, Translation, split_into_chunks, translate

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
AT = "2026-03-02T11:00:00.000Z"
CATALOGUE = {("campaign", "welcome"), ("campaign", "7"), ("card", "banner")}
BUILT_IN = read_mapping()
UNSUBSCRIBED = {"id": "u", "consent": {"email": "unsubscribed", "effective_at": datetime(2026, 3, 2, 11, tzinfo=UTC)}}


def of(kind: str | None = None, /, shared: dict[str, Any] | None = None, **message: Any) -> Translation:
    """Translate a message; by default of user `u` at `AT`."""
    raw = {"userId": "u", "messageId": "m", "timestamp": AT, **message}
    known = lambda kind, id: (kind, id) in CATALOGUE  # noqa: E731
    return translate(raw, kind, BUILT_IN, known, arrived_at=NOW, shared=shared or {})


def the_item(**message: Any) -> dict[str, Any]:
    """The one item of a track, which intake can read."""
    (item,) = of("track", **message).items
    parse_item(item)
    return item


WELCOME = {"campaign_id": "welcome"}


@pytest.mark.parametrize(
    ("event", "properties", "type", "more"),
    [
        ("Email Delivered", WELCOME, "receive_email", {}),
        ("Email Opened", WELCOME, "open_email", {}),
        ("Email Opened", {"campaign_name": "welcome"}, "open_email", {}),
        ("Email Opened", {"campaign_id": "their-own", "campaign": {"name": "welcome"}}, "open_email", {}),
        ("Email Link Clicked", {**WELCOME, "link_id": "cta", "link_url": "https://a.b"}, "click_email_alias",
         {"alias": "cta", "url": "https://a.b"}),
        ("Email Link Clicked", {**WELCOME, "link_id": 5}, "click_email_alias", {"alias": "5"}),
        ("Email Link Clicked", {**WELCOME, "link_url": "https://a.b"}, "click_email", {"url": "https://a.b"}),
        ("Push Notification Received", {"campaign": {"name": "welcome"}}, "receive_push", {}),
        ("Push Notification Tapped", WELCOME, "open_push", {}),
        ("Push Notification Tapped", {**WELCOME, "action": "Open"}, "open_push", {}),
        ("Push Notification Tapped", {**WELCOME, "action": "Accept"}, "click_push_button", {"button": "Accept"}),
        ("SMS Delivered", WELCOME, "receive_sms", {}),
        ("SMS Link Clicked", WELCOME, "click_sms_link", {}),
        ("Webhook Sent", WELCOME, "receive_webhook", {}),
        ("In-App Message Viewed", WELCOME, "view_in_app_message", {}),
        ("In-App Message Clicked", {**WELCOME, "button_id": 1}, "click_in_app_message_button", {"button": "1"}),
        ("In-App Message Clicked", WELCOME, "click_in_app_message", {}),
        ("Content Card Dismissed", WELCOME, "dismiss_content_card", {}),
        ("Campaign Control Group Entered", WELCOME, "enroll_in_control_group", {}),
    ],
)  # fmt: skip
def test_events_of_the_spec_are_interactions(
    event: str, properties: dict[str, Any], type: str, more: dict[str, Any]
) -> None:
    """With an existing campaign; refinements come from the properties that the spec names."""
    item = the_item(event=event, properties=properties)
    assert item == {
        "id": "m",
        "user": "u",
        "type": type,
        "campaign": "welcome",
        "occurred_at": datetime(2026, 3, 2, 11, tzinfo=UTC),
        "properties": {**properties, **more},
    }


@pytest.mark.parametrize(
    ("message", "target"),
    [
        ({"event": "News Feed Card Viewed", "properties": {"card_id": "banner"}}, {"card": "banner"}),
        ({"event": "News Feed Card Clicked", "properties": WELCOME}, {"campaign": "welcome"}),
        ({"event": "Email Opened", "properties": {"campaign_id": 7}}, {"campaign": "7"}),
        ({"event": "Email Opened", "context": {"campaign": {"name": "welcome"}}}, {"campaign": "welcome"}),
    ],
)
def test_where_the_campaign_is_named(message: dict[str, Any], target: dict[str, str]) -> None:
    """By its id or name, in the properties or the context; cards by theirs."""
    item = the_item(**message)
    assert {name: item[name] for name in ("campaign", "card") if name in item} == target


@pytest.mark.parametrize("properties", [{}, {"campaign_id": "unknown"}, {"campaign_id": "banner"}, {"campaign_id": []}])
def test_without_a_campaign_that_is_known_it_stays_an_event(properties: dict[str, Any]) -> None:
    """Nothing is lost: it is kept under its own name."""
    item = the_item(event="Email Opened", properties=properties)
    assert (item["type"], item["name"], item["properties"]) == ("event", "Email Opened", properties)


@pytest.mark.parametrize(
    ("event", "type", "name"),
    [
        ("cart_updated", "event", "cart_updated"),
        ("Application Opened", "start_session", "start_session"),
        ("make_purchase", "make_purchase", "make_purchase"),
        ("Email Bounced", "event", "Email Bounced"),
    ],
)
def test_every_other_event_keeps_its_name(event: str, type: str, name: str) -> None:
    """With all its properties."""
    item = the_item(event=event, properties={"sku": "A", "deep": {"er": [1]}})
    assert (item["type"], item["name"]) == (type, name)
    assert item["properties"] == {"sku": "A", "deep": {"er": [1]}}


@pytest.mark.parametrize("event", ["Unsubscribed", "Email Marked as Spam"])
def test_no_more_emails(event: str) -> None:
    """Consent is taken back, whatever campaign it was, and the event is kept."""
    result = of("track", event=event, properties={})
    assert (result.changes, result.changes_if_new) == (None, UNSUBSCRIBED)
    assert [item["name"] for item in result.items] == [event]


def test_an_order_is_a_purchase_per_product() -> None:
    """Each with its place in the id, the order's id and currency, and the product under the first name it has."""
    products = [{"product_id": "shoe-1", "sku": "S", "price": 90, "quantity": 2}, {"sku": "hat", "price": 5}, 5, {},
                {"name": "Socks", "currency": "USD"}]  # fmt: skip
    order = {"order_id": "o-1", "currency": "EUR", "total": 190, "products": products}
    items = of("track", event="Order Completed", properties=order).items
    assert [item["id"] for item in items] == ["m:1", "m:2", "m:3"]
    assert {item["type"] for item in items} == {"make_purchase"}
    assert [item["properties"] for item in items] == [
        {"order_id": "o-1", "currency": "EUR", "total": 190, "product": "shoe-1", "product_id": "shoe-1", "sku": "S",
         "price": 90, "quantity": 2},
        {"order_id": "o-1", "currency": "EUR", "total": 190, "product": "hat", "sku": "hat", "price": 5},
        {"order_id": "o-1", "currency": "USD", "total": 190, "product": "Socks", "name": "Socks"},
    ]  # fmt: skip
    for item in items:
        parse_item(item)


def test_what_a_purchase_keeps_of_its_order() -> None:
    """Its plain facts under the product's own, never as the product's name, price or quantity, and not endlessly."""
    order = {"coupon": "X", "total": 30, "revenue": 25.5, "gift": True, "quantity": 3, "price": 30, "name": "Order",
             "address": {"city": "Bonn"}, "note": "n" * 256, "none": None}  # fmt: skip
    (item,) = of(
        "track", event="Order Completed", properties={**order, "products": [{"sku": "a", "gift": False}]}
    ).items
    assert item["properties"] == {
        "coupon": "X", "total": 30, "revenue": 25.5, "gift": False, "sku": "a", "product": "a",
    }  # fmt: skip
    many = {f"fact{n}": "x" * 200 for n in range(100)}
    items = of("track", event="Order Completed", properties={**many, "coupon": "X", "products": [{"sku": 1}] * 2}).items
    for item in items:
        assert item["properties"]["coupon"] == "X"
        assert len(canonical_json(item["properties"])) < 1200


@pytest.mark.parametrize("products", [None, [], {}, "shoe-1", [5]])
def test_an_order_without_products_is_one_purchase(products: Any) -> None:
    """Under the message's own id, with the order's total as its price."""
    item = the_item(event="Order Completed", properties={"total": 19.5, "currency": "EUR", "products": products})
    assert (item["id"], item["type"], item["properties"]["price"]) == ("m", "make_purchase", 19.5)
    assert "product" not in item["properties"]


def test_an_order_has_its_bound() -> None:
    """A small message must not make too many items."""
    with pytest.raises(InvalidItem, match="501 are more than 500"):
        of("track", event="Order Completed", properties={"products": [{"sku": "a"}] * 501})


def test_orders_without_an_id_are_recognised_by_what_they_say() -> None:
    """M6, also for several of the same product in one order."""
    order = {"products": [{"sku": "a"}, {"sku": "a"}]}
    first, again, other = (
        [item["id"] for item in of("track", event="Order Completed", properties=p, messageId=None).items]
        for p in (order, order, {**order, "order_id": "2"})
    )
    assert first == again
    assert len({*first, *other}) == 4


@pytest.mark.parametrize(
    ("traits", "changes"),
    [
        ({"email": "a@b.c", "phone": "+1", "firstName": "Ann"}, {"email": "a@b.c", "phone": "+1", "first_name": "Ann"}),
        ({"first_name": "Ann", "timezone": "Asia/Tokyo"}, {"first_name": "Ann", "time_zone": "Asia/Tokyo"}),
        ({"timeZone": "Mars/Base"}, {"attributes": {"timeZone": "Mars/Base"}}),
        ({"phone": 15551234, "email": ["a"], "first_name": "", "id": "u-17"}, {"phone": "15551234"}),
        ({"pushTokens": ["t1", "t2"]}, {"push_tokens": ["t1", "t2"]}),
        ({"push_tokens": "t1"}, {"attributes": {"push_tokens": "t1"}}),
        ({"tier": "gold", "age": 26}, {"attributes": {"tier": "gold", "age": 26}}),
        ({"email": None, "pushTokens": None, "tier": None},
         {"email": None, "push_tokens": [], "attributes": {"tier": REMOVED}}),
        (None, {}),
    ],
)  # fmt: skip
def test_identify_changes_the_user(traits: Any, changes: dict[str, Any]) -> None:
    """Valid values of fields go there, the rest become attributes, null clears, and nothing fails the call (A1)."""
    assert of("identify", traits=traits).changes == {"id": "u", **changes}


def test_traits_in_the_context() -> None:
    """RudderStack's SDKs identify by `context.traits`; in a track they change nothing."""
    context = {"traits": {"tier": "gold", "email": "a@b.c"}}
    assert of("identify", context=context).changes == {"id": "u", "email": "a@b.c", "attributes": {"tier": "gold"}}
    assert of("track", event="e", context=context).changes is None


def test_group_page_screen_alias() -> None:
    """The other kinds."""
    assert of("group", groupId=5, traits={"plan": "team"}).changes == {
        "id": "u",
        "attributes": {"group_id": "5", "group": {"plan": "team"}},
    }
    (page,) = of("page", name="Home", category=None, properties={"url": "/"}).items
    assert (page["type"], page["name"], page["properties"]) == ("event", "page", {"url": "/", "name": "Home"})
    (screen,) = of(None, type="screen", category="Shop").items
    assert (screen["name"], screen["properties"]) == ("screen", {"category": "Shop"})
    assert of("alias", previousId="anonymous").link == IdPair("anonymous", "u")


@pytest.mark.parametrize(
    ("ids", "user"),
    [
        ({"userId": "u", "anonymousId": "a"}, "u"),
        ({"userId": None, "anonymousId": "a"}, "a"),
        ({"userId": "", "anonymousId": "a"}, "a"),
        ({"userId": 17}, "17"),
        ({"userId": 17.0}, "17"),
        ({"userId": 1.5}, "1.5"),
    ],
)
def test_whose_it_is(ids: dict[str, Any], user: str) -> None:
    """`userId`, else `anonymousId`; numbers as their text."""
    assert of("identify", **ids).changes == {"id": user}


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        ("2026-03-02T11:00:00Z", NOW - timedelta(hours=1)),
        ("2026-03-02T11:00:00.000+00:00", NOW - timedelta(hours=1)),
        ("2026-03-02T12:00:00+0100", NOW - timedelta(hours=1)),
        ("2026-03-02T11:00:00.123456789Z", NOW - timedelta(hours=1) + timedelta(microseconds=123456)),
        ("2026-03-02T11:00:00", NOW - timedelta(hours=1)),
        ("2026-03-02", NOW.replace(hour=0)),
        (None, NOW),
    ],
)
def test_timestamp(timestamp: Any, at: datetime) -> None:
    """Every form of ISO 8601 that SDKs write; UTC without a zone; the time of arrival without a time."""
    assert the_item(event="e", timestamp=timestamp)["occurred_at"] == at


def test_rudderstacks_original_timestamp() -> None:
    """It is used if there is no `timestamp`; without a `messageId`, `sentAt` corrects nothing."""
    item = the_item(event="e", timestamp=None, originalTimestamp=AT, sentAt="2026-03-02T18:00:00Z", messageId=None)
    assert item["occurred_at"] == NOW - timedelta(hours=1)


def test_ids_of_items() -> None:
    """The sender's own, up to 255 characters; longer ones by their hash, the same each time."""
    assert the_item(event="e", messageId="m" * 255)["id"] == "m" * 255
    hashed = the_item(event="e", messageId="m" * 256)["id"]
    assert hashed.startswith("hashed-")
    assert the_item(event="e", messageId="m" * 256)["id"] == hashed
    assert the_item(event="e", messageId=5)["id"] == "5"
    assert the_item(event="e", messageId=None)["id"] is None
    (one,) = of("track", event="Order Completed", messageId="m" * 255, properties={"products": [{"sku": "a"}]}).items
    assert parse_item(one).id == one["id"]


@pytest.mark.parametrize(
    ("kind", "message", "words"),
    [
        ("track", {"event": None}, "event: is missing"),
        ("track", {"event": 5}, "event: is missing or not text"),
        ("track", {"event": "e" * 256}, "the limit is 255"),
        ("track", {"event": "e", "properties": "x"}, "properties: must be an object"),
        ("track", {"event": "e", "context": []}, "context: must be an object"),
        ("track", {"event": "e", "messageId": []}, "messageId: must be text"),
        ("track", {"event": "e", "userId": True}, "userId: must be text"),
        ("track", {"event": "e", "userId": {}}, "userId: must be text"),
        ("track", {"event": "e", "userId": None}, "userId: is missing"),
        ("track", {"event": "e", "userId": "u" * 256}, "userId: has 256 characters"),
        ("track", {"event": "e", "userId": "a\0b"}, "userId: must not contain null"),
        ("track", {"event": "e", "timestamp": 1764000000}, "timestamp: 1764000000 is not a time"),
        ("track", {"event": "e", "timestamp": "1764000000"}, "is not a time"),
        ("track", {"event": "e", "timestamp": "2026-13-02"}, "is not a time"),
        ("track", {"event": "e", "timestamp": "0001-01-01T00:00:00+14:00"}, "is not a time"),
        ("identify", {"traits": [5]}, "traits: must be an object"),
        ("identify", {"traits": {"note": ["\0"]}}, "null characters"),
        ("group", {}, "groupId: is missing"),
        ("alias", {}, "previousId: is missing"),
        (None, {"type": "merge"}, "type: 'merge' is unknown"),
        (None, {"type": ["track"]}, "is unknown"),
        (None, {}, "type: None is unknown"),
    ],
)
def test_what_is_wrong_is_told(kind: str | None, message: dict[str, Any], words: str) -> None:
    """By the message's own names."""
    with pytest.raises(InvalidItem, match=words):
        of(kind, **message)


@pytest.mark.parametrize("raw", [None, 5, "x", [], True])
def test_what_is_no_message(raw: Any) -> None:
    """Anything else than an object."""
    with pytest.raises(InvalidItem, match="a message is an object"):
        translate(raw, "track", BUILT_IN, lambda *_: True, arrived_at=NOW, shared={})


def test_the_batchs_context_stands_under_the_messages() -> None:
    """As Segment merges it."""
    shared = {"campaign": {"name": "welcome"}}
    (item,) = of("track", event="Email Opened", shared=shared).items
    assert item["campaign"] == "welcome"
    (item,) = of("track", event="Email Opened", shared=shared, context={"campaign": {"name": "7"}}).items
    assert item["campaign"] == "7"


def _sizes(found: list[MessageChunk]) -> list[tuple[int, int, int]]:
    return [(len(one.links), len(one.changes), len(one.items)) for one in found]


def test_chunks_keep_the_order() -> None:
    """Within one, links come first, then changes, then items; a link that would overtake begins another."""
    track, identify, link = of("track", event="e"), of("identify"), of("alias", previousId="a")
    other = of("alias", previousId="b", userId="c")
    assert _sizes(split_into_chunks(enumerate([identify, track, track, other]))) == [(1, 1, 2)]
    assert _sizes(split_into_chunks(enumerate([link, identify, track]))) == [(1, 1, 1)]
    assert _sizes(split_into_chunks(enumerate([track, link, track, other]))) == [(0, 0, 1), (2, 0, 1)]
    assert _sizes(split_into_chunks(enumerate([track] * 2500))) == [(0, 0, 1000), (0, 0, 1000), (0, 0, 500)]
    assert _sizes(split_into_chunks(enumerate([identify] * 1001))) == [(0, 1000, 0), (0, 1, 0)]
    assert _sizes(split_into_chunks(enumerate([identify, track, of("identify", traits={"a": 1})]))) == [
        (0, 1, 1),
        (0, 1, 0),
    ]
    order = of("track", event="Order Completed", properties={"products": [{"sku": "a"}] * 400})
    assert _sizes(split_into_chunks(enumerate([order] * 3))) == [(0, 0, 800), (0, 0, 400)]


def test_a_repeated_change_begins_no_chunk() -> None:
    """A link or a description that is sent again and again, as some SDKs do, changes nothing wherever it stands."""
    track, identify, link = of("track", event="e"), of("identify", traits={"a": 1}), of("alias", previousId="a")
    assert _sizes(split_into_chunks(enumerate([track, link] * 500))) == [(0, 0, 1), (500, 0, 499)]
    assert _sizes(split_into_chunks(enumerate([identify, track] * 500))) == [(0, 500, 500)]
    other = of("identify", traits={"a": 2})
    assert _sizes(split_into_chunks(enumerate([identify, track, other, track, identify]))) == [
        (0, 1, 1),
        (0, 1, 1),
        (0, 1, 0),
    ]


def test_what_an_item_tells_stands_by_its_place() -> None:
    """Also behind the several items of an order."""
    order = of("track", event="Order Completed", properties={"products": [{"sku": "a"}, {"sku": "b"}]})
    unsubscribed = of("track", event="Unsubscribed")
    (chunk,) = split_into_chunks(enumerate([order, unsubscribed]))
    assert chunk.changes_by_item == {2: UNSUBSCRIBED}


def test_order_does_not_cost_endlessly() -> None:
    """A user who is described anew before each of 1,250 acts: a hundred transactions and no more, and all is taken."""
    several = [one for n in range(1250) for one in (of("identify", traits={"n": n}), of("track", event="e"))]
    sizes = _sizes(split_into_chunks(enumerate(several)))
    assert len(sizes) <= MAX_ORDERED_CHUNKS + 2
    assert [sum(column) for column in zip(*sizes, strict=True)] == [0, 1250, 1250]
