"""The Circle sandbox's keys: an RSA certificate that signs as Amazon SNS does, and a P-256 key for newer messages."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal
from uuid import UUID, uuid4, uuid5

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from payments import sns
from persistence.whole_file import write_whole

CERTIFICATE: Final = "circle-webhook.pem"  # in the data directory, for whoever verifies
TOPIC: Final = "arn:aws:sns:us-east-1:908968368384:sandbox_platform-notifications-topic"
VALID: Final = timedelta(days=3650)
_NAMESPACE: Final = UUID("8b3c7e52-5f0e-4c7b-9a55-0c3b7f2f2a61")
Style = Literal["1", "2", "newer"]  # SNS's signature versions, or Circle's own


class Signer:
    """Makes the same messages as Circle does; the keys are made once and kept in the data directory."""

    def __init__(self, rsa: RSAPrivateKey, ec: EllipticCurvePrivateKey) -> None:
        self._rsa = rsa
        self._ec = ec
        der = ec.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public_key = base64.b64encode(der).decode()
        self.key_id = uuid5(_NAMESPACE, self.public_key)

    @classmethod
    def open(cls, data_dir: Path) -> Signer:
        directory = data_dir / "sandbox"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        rsa = _key(directory / "circle-sns.key", lambda: generate_rsa_key(65_537, 2_048))
        ec = _key(directory / "circle-p256.key", lambda: generate_ec_key(SECP256R1()))
        assert isinstance(rsa, RSAPrivateKey)
        assert isinstance(ec, EllipticCurvePrivateKey)
        certificate = data_dir / CERTIFICATE
        if not certificate.exists():
            write_whole(certificate, _certificate(rsa))
        return cls(rsa, ec)

    def notification(self, event_id: str, message: str, style: Style = "1") -> tuple[bytes, dict[str, str]]:
        """The body and headers of one notification; the same event may be signed again."""
        if style == "newer":
            return self._newer(event_id, message)
        members = {"Type": sns.NOTIFICATION, "MessageId": event_id, "TopicArn": TOPIC, "Message": message}
        return self._envelope(members, style), _headers(sns.NOTIFICATION)

    def subscription(self, url: str, token: str) -> tuple[bytes, dict[str, str]]:
        """The message that asks for a visit to `url`."""
        members = {
            "Type": sns.SUBSCRIPTION,
            "MessageId": str(uuid4()),
            "Token": token,
            "TopicArn": TOPIC,
            "Message": f"You have chosen to subscribe to the topic {TOPIC}.",
            "SubscribeURL": url,
        }
        return self._envelope(members, "1"), _headers(sns.SUBSCRIPTION)

    def _envelope(self, members: dict[str, str], version: Style) -> bytes:
        members |= {
            "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}",
            "SignatureVersion": version,
            "SigningCertURL": f"https://sns.us-east-1.amazonaws.com/{CERTIFICATE}",
            "Signature": "",
        }
        text = sns.signed_text(sns.read(json.dumps(members).encode()))
        signature = self._rsa.sign(text, PKCS1v15(), SHA1() if version == "1" else SHA256())  # noqa: S303
        return json.dumps(members | {"Signature": base64.b64encode(signature).decode()}).encode()

    def _newer(self, event_id: str, message: str) -> tuple[bytes, dict[str, str]]:
        older = json.loads(message)
        topic = older["notificationType"]
        body = {
            "subscriptionId": str(self.key_id),
            "notificationId": event_id,
            "notificationType": f"mint.{topic}",
            "notification": older[topic.removesuffix("s")],
            "timestamp": datetime.now(UTC).isoformat(),
            "version": 2,
        }
        raw = json.dumps(body).encode()
        signature = base64.b64encode(self._ec.sign(raw, ECDSA(SHA256()))).decode()
        return raw, {"X-Circle-Signature": signature, "X-Circle-Key-Id": str(self.key_id)}


def _headers(kind: str) -> dict[str, str]:
    return {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": kind}


def _key(path: Path, make: object) -> object:
    if not path.exists():
        assert callable(make)
        pem = make().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    return load_pem_private_key(path.read_bytes(), None)


def _certificate(key: RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Circle sandbox")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + VALID)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
