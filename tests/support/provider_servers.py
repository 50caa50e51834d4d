"""Servers that answer as Twilio and FCM do, a receiver of webhooks, and the settings that point to them."""

from __future__ import annotations

import base64
import hmac
import json
import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connector.settings.providers import Fcm, Twilio

ACCOUNT = "AC" + "1" * 32
SERVICE = "MG" + "2" * 32
KEY = "SK" + "3" * 32
AUTH_TOKEN = "12345" + "0" * 27
CALLBACK = "https://connector.test/webhooks/twilio"
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
OPERATION: dict[str, Any] = json.loads((Path(__file__).parent / "twilio_create_message.json").read_text())
PROJECT = "shop-1"
SEND = f"/v1/projects/{PROJECT}/messages:send"


def twilio(server: HTTPServer | str, **settings: Any) -> Twilio:
    """Return settings of Twilio that point to this server."""
    url = server if isinstance(server, str) else server.url_for("").rstrip("/")
    given = {"account_sid": ACCOUNT, "auth_token": AUTH_TOKEN, "sender": "+14155552345", "api_url": url}
    return Twilio(**{**given, **settings})


def check_operation(request: Request) -> dict[str, str]:
    """Check a request against the public API description, and return its form."""
    account = re.fullmatch(re.escape(OPERATION["path"]).replace(r"\{AccountSid\}", "(.+)"), request.path)
    assert request.method == OPERATION["method"]
    assert account is not None
    assert re.fullmatch(OPERATION["account_sid"], account[1])
    assert request.mimetype == OPERATION["media_type"]
    assert request.authorization is not None
    assert request.authorization.type == OPERATION["authentication"]
    pairs = parse_qsl(request.get_data(as_text=True), strict_parsing=True)
    form = dict(pairs)
    assert len(form) == len(pairs), "a parameter is given twice"
    assert form.keys() <= OPERATION["parameters"].keys()
    assert set(OPERATION["required"]) <= form.keys()
    assert all(set(names) & form.keys() for names in OPERATION["one_of_each"])
    assert len(form["Body"]) <= OPERATION["longest_body"]
    for name, value in form.items():
        _check_value(OPERATION["parameters"][name], value)
    return form


def _check_value(asked: dict[str, str], value: str) -> None:
    if "pattern" in asked:
        assert re.fullmatch(asked["pattern"], value)
    if asked.get("format") == "phone-number":
        assert re.fullmatch(r"\+[1-9][0-9]{1,14}", value)
    if asked.get("format") == "uri":
        assert urlsplit(value).scheme == "https"


class TwilioServer:
    """Accepts messages as Twilio does; every request is checked against the description."""

    def __init__(self, server: HTTPServer) -> None:
        self.forms: list[dict[str, str]] = []
        self.lose_answers = False
        server.expect_request(MESSAGES).respond_with_handler(self._take)

    def _take(self, request: Request) -> Response:
        self.forms.append(check_operation(request))
        if self.lose_answers:  # accepted, but the connection ends before the status
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        sid = f"SM{len(self.forms):032x}"
        body = {"sid": sid, "status": "queued", "error_code": None, "body": self.forms[-1]["Body"]}
        return Response(json.dumps(body), 201, content_type="application/json")


class FcmServer:
    """Grants access tokens and accepts messages as FCM does; `answers` has other answers by device token."""

    def __init__(self, server: HTTPServer, answers: dict[str, tuple[int, Any]] | None = None) -> None:
        self.answers = answers or {}
        self.granted: list[dict[str, str]] = []
        self.taken: list[dict[str, Any]] = []
        self.refused = 0
        self.expires_in, self.retry_after, self.asked = 3600, "7", 0
        server.expect_request("/token").respond_with_handler(self._grant)
        server.expect_request(SEND).respond_with_handler(self._send)

    def _grant(self, request: Request) -> Response:
        self.granted.append(dict(parse_qsl(request.get_data(as_text=True))))
        body = {"access_token": f"ya29.{len(self.granted)}", "expires_in": self.expires_in, "token_type": "Bearer"}
        return Response(json.dumps(body), content_type="application/json")

    def _send(self, request: Request) -> Response:
        if request.headers["Authorization"] != f"Bearer ya29.{len(self.granted)}" or self.refused > 0:
            self.refused -= 1
            return Response(json.dumps(fcm_error(401, "UNAUTHENTICATED")), 401)
        self.asked += 1
        message = request.get_json()["message"]
        status, body = self.answers.get(message["token"], (200, None))
        if status == 200:
            self.taken.append(message)
            body = {"name": f"projects/{PROJECT}/messages/{len(self.taken)}"}
        headers = {"Retry-After": self.retry_after} if status in (429, 503) else {}
        return Response(json.dumps(body), status, headers, content_type="application/json")


def fcm_error(status: int, code: str | None) -> dict[str, Any]:
    """Return an error in the form of FCM."""
    details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}] if code else []
    return {"error": {"code": status, "message": "refused +14155552671", "status": "NOT_FOUND", "details": details}}


def key_file(folder: Path, server: str) -> Path:
    """Write a service account's key file with a new key, and return its path."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    account = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "key-1",
        "private_key": private.decode(),
        "client_email": "push@shop-1.test",
        "token_uri": f"{server}/token",
    }
    (folder / "public.pem").write_bytes(public)
    path = folder / "account.json"
    path.write_text(json.dumps(account))
    return path


def fcm(path: Path, server: str, **settings: Any) -> Fcm:
    """Return settings of FCM that point to this server."""
    return Fcm(**{"credentials": path, "api_url": server, **settings})


class Providers:
    """Twilio, FCM and a receiver of webhooks on one server."""

    def __init__(self, server: HTTPServer, folder: Path, links: str) -> None:
        url = server.url_for("").rstrip("/")
        self._twilio, self._fcm = TwilioServer(server), FcmServer(server)
        self.twilio = twilio(url, status_callback=f"{links}/webhooks/twilio")
        self.fcm = fcm(key_file(folder, url), url)
        self.texts, self.pushes = self._twilio.forms, self._fcm.taken
        self.hooks: list[str] = []
        self.hook_url = server.url_for("/hook")
        server.expect_request("/hook", method="POST").respond_with_handler(self._receive)

    def report(self, status: str) -> tuple[str, dict[str, str], str]:
        """Return Twilio's status callback for the newest text message: URL, form and signature, as documented."""
        text = self.texts[-1]
        sid = f"SM{len(self.texts):032x}"
        form = {"AccountSid": ACCOUNT, "MessageSid": sid, "MessageStatus": status, "To": text["To"]}
        signed = text["StatusCallback"] + "".join(name + form[name] for name in sorted(form))
        signature = hmac.digest(AUTH_TOKEN.encode(), signed.encode(), "sha1")
        return text["StatusCallback"], form, base64.b64encode(signature).decode()

    def _receive(self, request: Request) -> Response:
        self.hooks.append(request.get_data(as_text=True))
        return Response(status=204)
