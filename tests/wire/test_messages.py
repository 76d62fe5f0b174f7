"""Messages: each has a name of its own, says what its fields mean, and arrives as it was sent."""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct, inspect, json

from alcove import wire
from alcove.wire import codec
from alcove.wire.base import Done, Push, Reply, Request
from alcove.wire.devices import Certificate, DeviceList
from alcove.wire.entries import HandshakeHeader, MessageHeader
from alcove.wire.errors import Refusal
from alcove.wire.rooms import GetSlots
from tests.wire import MODULES, common_fields, drawn, structs, told

MESSAGES = (*wire.REQUESTS, *wire.REPLIES, *wire.PUSHES)
QUICK = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def tag_of(kind: type[Struct]) -> str:
    tag = kind.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def ids_of(kind: object) -> str:
    assert isinstance(kind, type)
    return kind.__name__


# ---- Names ----


def test_no_two_messages_have_the_same_tag() -> None:
    tags = [tag_of(kind) for kind in MESSAGES]
    assert sorted(tags) == sorted(set(tags))


@pytest.mark.parametrize("kind", MESSAGES, ids=ids_of)
def test_a_tag_can_stand_in_a_path(kind: type[Struct]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", tag_of(kind))


def test_every_message_of_every_noun_is_in_the_lists_once() -> None:
    here = [kind for module in MODULES for kind in structs(module)]
    tagged = [kind for kind in here if kind.__struct_config__.tag is not None]
    headers = [MessageHeader, HandshakeHeader]
    assert sorted(map(ids_of, tagged)) == sorted(map(ids_of, [*MESSAGES, *headers]))


def test_requests_replies_and_pushes_are_told_apart_by_their_class() -> None:
    assert all(issubclass(kind, Request) for kind in wire.REQUESTS)
    assert all(issubclass(kind, Reply) or kind is Refusal for kind in wire.REPLIES)
    assert all(issubclass(kind, Push) for kind in wire.PUSHES)
    assert Done in wire.REPLIES


def test_every_struct_is_frozen_and_takes_what_it_does_not_know() -> None:
    configs = [kind.__struct_config__ for module in MODULES for kind in structs(module)]
    assert [config for config in configs if not config.frozen] == []
    assert [config for config in configs if config.forbid_unknown_fields] == []


# ---- Words ----


def test_every_message_says_what_it_is_for() -> None:
    silent = [
        kind.__name__
        for module in MODULES
        for kind in structs(module)
        if not (kind.__doc__ or "").partition("\n")[0].endswith(".")
    ]
    assert silent == []


def test_every_field_says_what_it_means_or_means_the_same_everywhere() -> None:
    fields = [
        (f"{kind.__name__}.{field}", field, told(module)[f"{kind.__name__}.{field}"].doc)
        for module in MODULES
        for kind in structs(module)
        for field in kind.__struct_fields__
        if f"{kind.__name__}.{field}" in told(module)
    ]
    common = common_fields()
    assert [full for full, field, doc in fields if not doc and field not in common] == []
    assert [full for full, _, doc in fields if doc and not doc.endswith(".")] == []
    assert [
        name for name in common if name not in [field for _, field, doc in fields if not doc]
    ] == []


# ---- The way there and back ----


@pytest.mark.parametrize("kind", wire.REQUESTS, ids=ids_of)
@given(data=st.data())
@QUICK
def test_a_request_arrives_as_it_was_sent(kind: type[Struct], data: st.DataObject) -> None:
    request = data.draw(drawn(kind))
    assert codec.decode_requests(codec.encode_frame([request])) == [request]
    assert json.decode(json.encode(request), type=kind) == request


@pytest.mark.parametrize("kind", [*wire.REPLIES, *wire.PUSHES], ids=ids_of)
@given(data=st.data())
@QUICK
def test_an_answer_arrives_as_it_was_sent(kind: type[Struct], data: st.DataObject) -> None:
    answer = data.draw(drawn(kind))
    assert codec.decode_answers(codec.encode_frame([answer])) == [answer]
    assert codec.decode_answer(codec.encode(answer)) == answer
    assert json.decode(json.encode(answer), type=kind) == answer


@given(st.lists(st.one_of([drawn(kind) for kind in wire.REQUESTS]), min_size=1, max_size=9))
@QUICK
def test_requests_of_one_frame_arrive_in_their_order(requests: list[Any]) -> None:
    assert codec.decode_requests(codec.encode_frame(requests)) == requests


@pytest.mark.parametrize("kind", [MessageHeader, HandshakeHeader], ids=ids_of)
@given(data=st.data())
@QUICK
def test_a_header_is_read_as_it_was_written(kind: type[Struct], data: st.DataObject) -> None:
    header = data.draw(drawn(kind))
    assert codec.decode_header(codec.encode(header)) == header


@pytest.mark.parametrize("kind", [Certificate, DeviceList], ids=ids_of)
@given(data=st.data())
@QUICK
def test_what_is_signed_is_read_as_it_was_written(kind: type[Struct], data: st.DataObject) -> None:
    signed = data.draw(drawn(kind))
    assert json.decode(json.encode(signed), type=kind) == signed


# ---- What other programs may count on ----


def test_over_http_a_request_may_leave_out_its_type() -> None:
    for kind in wire.REQUESTS:
        shape = inspect.type_info(kind)
        assert isinstance(shape, inspect.StructType)
        if not any(field.required for field in shape.fields):
            assert json.decode(b"{}", type=kind) == kind()


def test_bytes_are_base64_with_padding_in_json() -> None:
    text = b'{"type":"get_slots","room":"AAECAwQFBgcICQoLDA0ODw==","id":0}'
    assert json.encode(GetSlots(room=bytes(range(16)))) == text
