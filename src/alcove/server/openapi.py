"""The HTTP door's description, made from the structs and the table of handlers."""

import inspect
from typing import Any, get_type_hints

import msgspec

from alcove.server.blobs import CONTENT_TYPE, DIGITS_MAX, ID_HEX, OVERRIDE, TUS_VERSION
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
    for kind in offered.values():
        # The path says it: a request may leave it out.  Replies always have it.
        components[kind.__name__]["required"].remove("type")
    paths: dict[str, Any] = {
        f"/v1/{tag}": {"post": _operation(tag, kind, replies[tag], TABLE[kind])}
        for tag, kind in offered.items()
    }
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Alcove",
            "version": software,
            "description": "The HTTP door of an Alcove server. Bytes are base64.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths | blob_paths(),
        "components": {
            "schemas": _tidied(components),
            "responses": {
                "refused": {
                    "description": "Refused: nothing has changed.",
                    "content": _json(Refusal),
                }
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    # JSON Schema's patterns are those of JavaScript, which has other words for start and end.
    return msgspec.json.encode(document).replace(b"\\\\A", b"^").replace(b"\\\\Z", b"$")


def _tidied(node: Any) -> Any:
    """Return a description whose texts are not indented as they are in the source."""
    if isinstance(node, dict):
        return {
            key: _plain(value)
            if key == "description" and isinstance(value, str)
            else _tidied(value)
            for key, value in node.items()
            # What asks for nothing need not be said.
            if not (key == "required" and value == [])
        }
    return [_tidied(value) for value in node] if isinstance(node, list) else node


def _plain(text: str) -> str:
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in paragraphs)


def _operation(tag: str, kind: type, reply: type, handler: Handler) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": tag,
        "tags": [kind.__module__.rpartition(".")[2]],
        "summary": _plain((handler.function.__doc__ or "").partition("\n\n")[0]),
        "requestBody": {"required": True, "content": _json(kind)},
        "responses": {
            "200": {"description": "Carried out.", "content": _json(reply)},
            **refusals(),
        },
    }
    if handler.access != "anyone":
        operation["security"] = [{"token": []}]
    return operation


def refusals() -> dict[str, Any]:
    """Return the answers of every way in which a request is refused."""
    refused = {"$ref": "#/components/responses/refused"}
    return {str(status): refused for status in sorted({CONFLICT, LATE, *STATUSES.values()})}


def _json(kind: type) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}


# ---- Files: they have no structs, because their bytes come as they are ----

WRONG_VERSION = 412
OTHER_TYPE = 415
"""The status of a PATCH whose bytes are said to be something else."""
WRONG_METHOD = 405
REPLACED = 423
NOT_THERE = 416
"""The status of a range that a file does not have."""

_TUS = {
    "name": "Tus-Resumable",
    "in": "header",
    "required": True,
    "schema": {"const": TUS_VERSION},
}
_BLOB = {
    "name": "blob",
    "in": "path",
    "required": True,
    "description": "The id that `Location` named.",
    "schema": {"type": "string", "pattern": f"^[0-9a-f]{{{ID_HEX}}}$"},
}


def blob_paths() -> dict[str, Any]:
    """Return the paths of files."""
    return {
        "/v1/blobs": {
            "options": _options("blob_options"),
            "post": _on_blob(
                "blob_create",
                "Announce an upload, whose bytes PATCH brings.",
                {
                    "201": _answered("Location", "Upload-Offset", "Upload-Expires"),
                    **refusals(),
                },
                [
                    _TUS,
                    _header("Upload-Length", "How many bytes there will be, as padded.", least=1),
                    _METADATA,
                ],
            ),
        },
        "/v1/blobs/{blob}": {"parameters": [_BLOB], **_blob_operations()},
    }


_METADATA = {
    "name": "Upload-Metadata",
    "in": "header",
    "description": "When the file goes: `expiry` and never, day or week in base64.",
    "schema": {"enum": ["expiry bmV2ZXI=", "expiry ZGF5", "expiry d2Vlaw=="]},
}


def _blob_operations() -> dict[str, Any]:
    bytes_ = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    whole = {"description": "The bytes.", "content": bytes_}
    broken = {"description": "The upload goes on from its offset: HEAD tells it."}
    return {
        "get": _on_blob(
            "blob_download",
            "Send a file, or the part of it that `Range` asks for.",
            {
                "200": whole,
                "206": {"description": "The part of it.", "content": bytes_},
                **refusals(),
                str(NOT_THERE): {"description": "The file has no such part."},
            },
        ),
        "head": _on_blob(
            "blob_offset",
            "Say how much of an upload is here.",
            {
                "200": _answered(
                    "Upload-Offset", "Upload-Length", "Upload-Metadata", "Upload-Expires"
                ),
                # An answer to HEAD has no body.
                **{status: {"description": "Refused."} for status in refusals()},
            },
            [_TUS],
        ),
        "patch": _on_blob(
            "blob_upload",
            "Add bytes to an upload, from where it stands.",
            {
                "204": _answered("Upload-Offset", "Upload-Expires"),
                **refusals(),
                **{str(status): broken for status in (LATE, CONFLICT, REPLACED)},
                str(OTHER_TYPE): {"description": "The Content-Type is another."},
            },
            [_TUS, _header("Upload-Offset", "Where it stands.")],
            {"required": True, "content": {CONTENT_TYPE: bytes_["application/octet-stream"]}},
        ),
        "options": _options("blob_options_of_one"),
        "post": _instead(),
        "delete": _on_blob(
            "blob_drop",
            "End an upload, or delete a file of one's own.",
            {"204": _answered(), **refusals()},
            [_TUS],
        ),
    }


def _options(name: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "tags": ["blobs"],
        "summary": "Say what uploads here can do, by the tus 1.0 protocol.",
        "responses": {
            "204": _answered("Tus-Version", "Tus-Extension", "Tus-Max-Size"),
            **refusals(),
        },
    }


def _instead() -> dict[str, Any]:
    """Return the operation that stands in for others, which is answered as they are."""
    statuses = (200, 204, 206, LATE, CONFLICT, REPLACED, OTHER_TYPE, NOT_THERE, WRONG_METHOD)
    as_there = {"description": "As it is answered to the method that is meant."}
    return _on_blob(
        "blob_by_post",
        "Do what another method does, for clients that have only POST.",
        {**refusals(), **{str(status): as_there for status in statuses}},
        [
            _TUS,
            {
                "name": OVERRIDE,
                "in": "header",
                "required": True,
                "description": "The method that is meant.",
                "schema": {"enum": ["PATCH", "DELETE", "HEAD", "GET"]},
            },
        ],
    )


def _on_blob(
    name: str,
    summary: str,
    responses: dict[str, Any],
    parameters: list[Any] | None = None,
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    if parameters:  # Whoever names the version of tus may name a wrong one.
        wrong = {"description": "Tus-Resumable is another version than there is here."}
        responses = {**responses, str(WRONG_VERSION): wrong}
    return {
        "operationId": name,
        "tags": ["blobs"],
        "summary": summary,
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": body} if body else {}),
        "responses": responses,
        "security": [{"token": []}],
    }


def _header(name: str, meaning: str, least: int = 0) -> dict[str, Any]:
    number = {"type": "integer", "minimum": least, "maximum": 10**DIGITS_MAX - 1}
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": meaning,
        "schema": number,
    }


def _answered(*headers: str) -> dict[str, Any]:
    names = ("Tus-Resumable", *headers)
    return {
        "description": "Carried out.",
        "headers": {name: {"schema": {"type": "string"}} for name in names},
    }
