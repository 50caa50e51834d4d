"""What stands for Twilio and Google on this machine: their documented requests and answers, over real HTTP."""

from __future__ import annotations

import base64
import hmac
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connector.settings.providers import Fcm, Twilio

ACCOUNT = "AC" + "0" * 32
TOKEN = "the auth token of the tests"


class Providers:
    """Remembers what it was given: text messages as forms, pushes as JSON, webhooks' bodies as they came."""

    def __init__(self, server: HTTPServer, folder: Path, links: str) -> None:
        self.texts: list[dict[str, str]] = []
        self.pushes: list[dict[str, Any]] = []
        self.hooks: list[str] = []
        self.hook_url = server.url_for("/hook")
        self.twilio = Twilio(
            account_sid=ACCOUNT,
            auth_token=TOKEN,
            sender="+15005550006",
            status_callback=f"{links}/webhooks/twilio",
            api_url=server.url_for("").rstrip("/"),
        )
        self.fcm = Fcm(credentials=_service_account(folder, server), api_url=server.url_for("").rstrip("/"))
        messages = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        server.expect_request(messages, method="POST").respond_with_handler(self._text)
        server.expect_request("/token", method="POST").respond_with_json({"access_token": "t", "expires_in": 3600})
        server.expect_request("/v1/projects/shop/messages:send", method="POST").respond_with_handler(self._push)
        server.expect_request("/hook", method="POST").respond_with_handler(self._hook)

    def report(self, status: str) -> tuple[str, dict[str, str], str]:
        """Twilio's status callback about the newest text message: address, form and signature, as it documents them."""
        text = self.texts[-1]
        form = {"AccountSid": ACCOUNT, "MessageSid": "SM" + "1" * 32, "MessageStatus": status, "To": text["To"]}
        signed = text["StatusCallback"] + "".join(name + form[name] for name in sorted(form))
        made = hmac.digest(TOKEN.encode(), signed.encode(), "sha1")
        return text["StatusCallback"], form, base64.b64encode(made).decode()

    def _text(self, request: Request) -> Response:
        self.texts.append(request.form.to_dict())
        return _json({"sid": "SM" + "1" * 32, "status": "queued"}, 201)

    def _push(self, request: Request) -> Response:
        self.pushes.append(request.get_json()["message"])
        return _json({"name": "projects/shop/messages/1"}, 200)

    def _hook(self, request: Request) -> Response:
        self.hooks.append(request.get_data(as_text=True))
        return Response(status=204)


def _json(told: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(told), status, content_type="application/json")


def _service_account(folder: Path, server: HTTPServer) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    path = folder / "service-account.json"
    told = {"client_email": "push@shop.test", "private_key": pem, "project_id": "shop"}
    path.write_text(json.dumps({**told, "token_uri": server.url_for("/token")}))
    return path
