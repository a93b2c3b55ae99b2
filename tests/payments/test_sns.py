from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deedbook.sandbox.circle_signing import CERTIFICATE, TOPIC, Signer
from payments import sns
from payments.sns import Certificates, NotSigned


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("circle")


@pytest.fixture(scope="module")
def signer(data_dir: Path) -> Signer:
    return Signer.open(data_dir)


async def _no_fetch(url: str) -> bytes:
    raise AssertionError(f"{url} must not be fetched")


@pytest.fixture
def certificates(signer: Signer, data_dir: Path) -> Certificates:
    return Certificates(_no_fetch, (data_dir / CERTIFICATE).read_bytes())


def test_the_signed_text_is_each_member_and_its_value_on_lines_of_their_own() -> None:
    envelope = sns.read(
        json.dumps(
            {
                "Type": "Notification",
                "MessageId": "id",
                "TopicArn": "arn",
                "Subject": "subject",
                "Message": "message",
                "Timestamp": "time",
                "SignatureVersion": "1",
                "Signature": "",
                "SigningCertURL": "",
                "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
            }
        ).encode()
    )
    expected = "Message\nmessage\nMessageId\nid\nSubject\nsubject\nTimestamp\ntime\nTopicArn\narn\nType\nNotification\n"
    assert sns.signed_text(envelope) == expected.encode()


@pytest.mark.parametrize("style", ["1", "2"])
async def test_what_circle_signed_is_taken(signer: Signer, certificates: Certificates, style: Any) -> None:
    raw, _ = signer.notification(str(uuid4()), "{}", style)
    await sns.verify(sns.read(raw), certificates)


@pytest.mark.parametrize("member", ["Message", "MessageId", "Timestamp", "TopicArn", "Type", "SignatureVersion"])
async def test_any_signed_member_changed_is_refused(signer: Signer, certificates: Certificates, member: str) -> None:
    raw, _ = signer.notification(str(uuid4()), "{}", "1")
    changed = json.loads(raw)
    changed[member] += "x"
    with pytest.raises(NotSigned):
        await sns.verify(sns.read(json.dumps(changed).encode()), certificates)


async def test_another_version_of_the_same_signature_is_refused(signer: Signer, certificates: Certificates) -> None:
    raw, _ = signer.notification(str(uuid4()), "{}", "1")
    with pytest.raises(NotSigned):
        await sns.verify(sns.read(json.dumps(json.loads(raw) | {"SignatureVersion": "2"}).encode()), certificates)


async def test_a_topic_that_is_not_circles_is_refused_however_well_it_is_signed(
    signer: Signer, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    for topic in (
        "arn:aws:sns:us-east-1:123456789012:sandbox_platform-notifications-topic",
        "arn:aws:sns:us-east-1:908968368384:sandbox_platform-notifications-topic2",
        "arn:aws:sns:us-east-1:908968368384:other",
    ):
        monkeypatch.setattr("deedbook.sandbox.circle_signing.TOPIC", topic)
        raw, _ = signer.notification(str(uuid4()), "{}", "1")
        with pytest.raises(NotSigned, match="topic"):
            await sns.verify(sns.read(raw), certificates)
    assert TOPIC.endswith(":sandbox_platform-notifications-topic")


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/a.pem",
        "https://evil.example#@sns.us-east-1.amazonaws.com/a.pem",
        "https://evil.example\\@sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com:8443/a.pem",
        "https://sns.us-east-1.amazonaws.com:x/a.pem",
        "https://sns.a.b.amazonaws.com/a.pem",
        "https://s3.us-east-1.amazonaws.com/a.pem",
        "https://xsns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.crt",
        "https://sns.us-east-1.amazonaws.com\n/a.pem",
        "https://[::1]/a.pem",
        "https://[/a.pem",
        "file:///etc/a.pem",
        "",
    ],
)
async def test_a_certificate_is_fetched_from_sns_only(url: str) -> None:
    with pytest.raises(NotSigned):
        await Certificates(_no_fetch).key(url)


async def test_a_certificate_of_sns_is_fetched_once(signer: Signer, data_dir: Path) -> None:
    fetched = []

    async def fetch(url: str) -> bytes:
        fetched.append(url)
        return (data_dir / CERTIFICATE).read_bytes()

    certificates = Certificates(fetch)
    for _ in range(3):
        raw, _ = signer.notification(str(uuid4()), "{}", "2")
        await sns.verify(sns.read(raw), certificates)
    assert fetched == [f"https://sns.us-east-1.amazonaws.com/{CERTIFICATE}"]


async def test_what_is_no_certificate_signs_nothing() -> None:
    async def fetch(_url: str) -> bytes:
        return b"<html>"

    with pytest.raises(NotSigned):
        await Certificates(fetch).key("https://sns.us-east-1.amazonaws.com/a.pem")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"Type": 1}', b"\xff", b"[" * 100_000])
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(NotSigned):
        sns.read(raw)


async def test_a_signature_that_is_not_base64_is_refused(signer: Signer, certificates: Certificates) -> None:
    raw, _ = signer.notification(str(uuid4()), "{}", "1")
    for signature in ("*", "", base64.b64encode(bytes(256)).decode()):
        forged = json.dumps(json.loads(raw) | {"Signature": signature}).encode()
        with pytest.raises(NotSigned):
            await sns.verify(sns.read(forged), certificates)
