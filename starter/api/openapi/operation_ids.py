"""The operation ids of the OpenAPI document, which generated clients use as the names of their methods.

A route is known here by its key, its tag and its name. Where the name alone would not say what a method does, it has
another one in this table.
"""

from __future__ import annotations

from collections.abc import Mapping

METHOD_NAMES: Mapping[str, str] = {
    "operation-alive": "check_liveness",
    "operation-ready": "check_readiness",
    "tracking-open_email": "record_email_open",
    "tracking-click_email": "follow_email_link",
    "tracking-click_sms_link": "follow_sms_link",
    "tracking-show_unsubscribe": "show_unsubscribe_page",
    "tracking-do_unsubscribe": "unsubscribe",
    "interactions-take_interactions": "record_interactions",
    "segment-track": "segment_track",
    "segment-identify": "segment_identify",
    "segment-page": "segment_page",
    "segment-screen": "segment_screen",
    "segment-group": "segment_group",
    "segment-alias": "segment_alias",
    "segment-batch": "segment_batch",
    "segment-import_history": "segment_import",
    "users-change_user": "update_user",
    "users-erase": "erase_user",
    "users-split": "split_user",
    "users-explain": "explain_user",
    "inbox-view": "view_inbox_message",
    "inbox-click": "click_inbox_message",
    "inbox-dismiss": "dismiss_inbox_message",
    "inbox-mint_token": "create_inbox_token",
    "inbox-mint_user_token": "create_user_token",
    "pushes-click": "click_push",
    "campaigns-publish": "publish_campaign",
    "campaigns-stop": "stop_campaign",
    "campaigns-resume": "resume_campaign",
    "campaigns-archive": "archive_campaign",
    "campaigns-read_results": "read_campaign_results",
    "campaigns-order": "place_order",
    "campaigns-backtest": "backtest_campaign",
    "definitions-apply": "apply_definitions",
    "definitions-plan": "plan_definitions",
    "definitions-validate": "validate_definitions",
    "definitions-simulate": "simulate_definitions",
    "campaigns-preview": "preview_campaign",
    "follow-ups-read_follow_ups": "list_follow_ups",
    "follow-ups-resend_messages": "resend_follow_up",
    "follow-ups-resend_many": "resend_follow_ups",
    "follow-ups-resolve_many": "resolve_follow_ups",
    "follow-ups-send_many_now": "send_follow_ups_now",
    "follow-ups-postpone_many": "postpone_follow_ups",
    "follow-ups-cancel_many": "cancel_follow_ups",
    "follow-ups-send_one_now": "send_follow_up_now",
    "follow-ups-postpone_one": "postpone_follow_up",
    "follow-ups-cancel_one": "cancel_follow_up",
    "users-read_timeline": "read_user_timeline",
    "users-read_history": "read_user_history",
    "provider-events-list_events": "list_provider_events",
    "provider-events-match_events": "match_provider_events",
    "audit-read_entries": "list_audit_entries",
    "webhooks-take_events": "receive_provider_events",
}
"""By the key of a route."""


def published_id(key: str) -> str:
    """Return the operation id that the document has for a route's key."""
    return METHOD_NAMES.get(key, key.rpartition("-")[2])
