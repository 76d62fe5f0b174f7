"""docs/protocol/sealing.md is the law: its bytes are those of the code, and nothing is left out."""

import hashlib
import re
from pathlib import Path

import pytest

from alcove.client.keys import archive, lock, pairing, rooms, safety, sealing
from alcove.client.keys.envelope import Form
from alcove.client.keys.phrase import WORDS_HASH, write_phrase
from alcove.client.keys.suite import SUITE
from alcove.wire.signed import device_id
from tests.client.keys import stranger

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/protocol/sealing.md").read_text(encoding="utf-8")
SOURCES = sorted((ROOT / "src/alcove/client/keys").glob("*.py"))

KEY = rooms.room_key(bytes(32))
SIGNER = SUITE.signing_key(b"\1" * 32)
PLACE = sealing.Place(
    b"R" * 16, b"A" * 16, device_id(SIGNER.public), SIGNER.public, b"C" * 16, b"K" * 32
)
BODY = sealing.seal_kept(KEY, PLACE, SIGNER, b"hello", b"\2" * 32)
SIGNED = stranger.disclose(
    KEY.message,
    b"alcove kept 1",
    stranger.transcript(
        b"alcove kept 1",
        PLACE.room,
        PLACE.account,
        SIGNER.public,
        PLACE.content,
        PLACE.key_name,
        b"",
    ),
    BODY,
)
PEOPLE = (safety.Person("Ada", b"S" * 32, b"a" * 32), safety.Person("bob", b"S" * 32, b"b" * 32))


@pytest.mark.parametrize("value", [
    *(key.hex() for key in KEY[1:]),
    SIGNER.public.hex(),
    stranger.expand_with_label(KEY.message, b"alcove kept 1", b"\2" * 32).hex(),
    SIGNED[:64].hex(),
    f"the body of {len(BODY)} bytes | `{hashlib.sha256(BODY).hexdigest()}`",
    hashlib.sha256(archive.archive_key(bytes(32)).public).hexdigest(),
    lock.salt_of(bytes(32), "Ada", bytes(16)).hex(),
    *(key.hex() for key in lock.split(bytes(32))),
    f"{lock.ARGON2_MEMORY_KIB} KiB, {lock.ARGON2_PASSES} passes, {lock.ARGON2_LANES} lanes",
    f"1 to {lock.ARCHIVES_MAX}",
    WORDS_HASH,
    write_phrase(bytes(range(16))),
    safety.in_groups(safety.safety_number(*PEOPLE)),
    f"`{safety.CODE_PREFIX}`",
    f"at most {sealing.PLAIN_BYTES_MAX // 1024} KiB",
    f"at most {sealing.SIGNAL_BYTES_MAX} bytes",
    f"encapsulated key, {archive.ENCAPSULATED_BYTES} bytes",
])  # fmt: skip
def test_the_page_has_the_bytes_of_the_code(value: str) -> None:
    assert value in " ".join(PAGE.split())


def test_every_label_of_the_code_stands_on_the_page() -> None:
    modules = (archive, lock, pairing, sealing)
    forms = [form for module in modules for form in vars(module).values() if isinstance(form, Form)]
    assert len(forms) == 13
    assert len({form.label for form in forms}) == len(forms)
    assert [form.label for form in forms if form.label not in PAGE] == []
    labels = [lock.SALT_LABEL, rooms.EXPORT_LABEL, rooms.SIGNAL_LABEL, safety.LABEL.encode()]
    assert [label for label in labels if label.decode() not in PAGE] == []


def test_every_cause_of_a_refusal_is_told() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES)
    causes = sorted({*re.findall(r'"((?:bad|not|too|wrong)-[a-z-]+)"', text)})
    told = PAGE.partition("## What is refused")[2]
    assert len(causes) > 10
    assert [cause for cause in causes if f"`{cause}`" not in told] == []
