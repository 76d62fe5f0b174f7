"""The HTTP door's description, made from the structs and the table of handlers."""

from typing import Any, get_type_hints

import msgspec

from alcove.server.handlers import TABLE
from alcove.server.handlers.access import Handler
from alcove.wire.errors import Refusal

STATUSES: dict[str, int] = {
    "sign_in_first": 401, "revoked": 401, "wrong_login": 403, "code_needed": 403, "wrong_code": 403,
    "socket_only": 403, "host_only": 403, "not_allowed": 403, "not_a_member": 403, "disabled": 403,
    "not_invited": 403, "not_signed": 403, "unknown": 404, "link_ended": 410, "too_large": 413,
    "too_many": 429, "too_soon": 429, "busy": 429, "limit": 409, "quota": 507, "malformed": 400,
    "bad_header": 400, "bad_list": 400, "version": 426, "full": 503, "stopping": 503,
    "storage": 503, "internal": 500,
}  # fmt: skip
"""The status of each refusal; what is not named is a conflict."""
CONFLICT = 409
LATE = 408
"""The status of a request whose body did not come in time."""


def tag_of(kind: type) -> str:
    """Return the name of a message as it stands on the wire."""
    config = kind.__struct_config__  # type: ignore[attr-defined]
    return str(config.tag)


def verbs() -> dict[str, type]:
    """Return what may be posted to `/v1/…`, by name."""
    return {tag_of(kind): kind for kind, handler in TABLE.items() if handler.access != "socket"}


def describe(software: str) -> bytes:
    """Return the OpenAPI document of the HTTP door, as JSON."""
    offered = verbs()
    replies = {tag: get_type_hints(TABLE[kind].function)["return"] for tag, kind in offered.items()}
    kinds = [*offered.values(), *replies.values(), Refusal]
    _, components = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}"
    )
    paths = {
        f"/v1/{tag}": {"post": _operation(tag, kind, replies[tag], TABLE[kind])}
        for tag, kind in offered.items()
    }
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Alcove",
            "version": software,
            "description": "The HTTP door of an Alcove server.  Bytes are base64.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    # JSON Schema's patterns are those of JavaScript, which has other words for start and end.
    return msgspec.json.encode(document).replace(b"\\\\A", b"^").replace(b"\\\\Z", b"$")


def _operation(tag: str, kind: type, reply: type, handler: Handler) -> dict[str, Any]:
    summary = (handler.function.__doc__ or "").partition("\n")[0]
    refused = {"description": "Refused: nothing has changed.", "content": _json(Refusal)}
    operation: dict[str, Any] = {
        "operationId": tag,
        "summary": summary,
        "requestBody": {"required": True, "content": _json(kind)},
        "responses": {
            "200": {"description": "Carried out.", "content": _json(reply)},
            **{str(status): refused for status in sorted({CONFLICT, LATE, *STATUSES.values()})},
        },
    }
    if handler.access != "anyone":
        operation["security"] = [{"token": []}]
    return operation


def _json(kind: type) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}
