"""Where nodes are, how long vectors are, and the labelled functions of a cipher suite."""

from __future__ import annotations

from alcove.mls import Suite
from alcove.mls import tree_math as math
from alcove.mls.codec import Reader, decode, u32, varint
from tests.vectors.fields import Fields, same


def tree_math(vector: Fields) -> None:
    """Compare every node's neighbours; leaves have no children, the root nothing beside it."""
    width = math.width_for(vector.number("n_leaves"))
    root = math.root(width)
    nodes = range(width)
    vector.expect("n_nodes", width)
    vector.expect("root", root)
    found = {
        "left": [math.left(at) if at & 1 else None for at in nodes],
        "right": [math.right(at) if at & 1 else None for at in nodes],
        "parent": [None if at == root else math.parent(at) for at in nodes],
        "sibling": [None if at == root else math.sibling(at) for at in nodes],
    }
    for name, column in found.items():
        same(name, column, vector.optional_numbers(name))


def deserialization(vector: Fields) -> None:
    """Read the length prefix of a vector, and write it."""
    header = vector.hex("vlbytes_header")
    vector.expect("length", decode(header, Reader.varint))
    vector.expect("vlbytes_header", varint(vector.number("length")))


def crypto_basics(vector: Fields) -> None:
    """Hash, expand and derive; verify and sign; decrypt and encrypt."""
    suite = vector.suite()
    part = vector.part("ref_hash")
    part.expect("out", suite.reference(part.text("label"), part.hex("value")))
    part = vector.part("expand_with_label")
    part.expect(
        "out",
        suite.expand_label(
            part.hex("secret"), part.text("label"), part.hex("context"), part.number("length")
        ),
    )
    part = vector.part("derive_secret")
    part.expect("out", suite.derive(part.hex("secret"), part.text("label")))
    part = vector.part("derive_tree_secret")
    part.expect(
        "out",
        suite.expand_label(
            part.hex("secret"),
            part.text("label"),
            u32(part.number("generation")),
            part.number("length"),
        ),
    )
    _signing(vector.part("sign_with_label"), suite)
    _encryption(vector.part("encrypt_with_label"), suite)


def _signing(part: Fields, suite: Suite) -> None:
    public, label, content = part.hex("pub"), part.text("label"), part.hex("content")
    suite.verify(public, label, content, part.hex("signature"))
    key = suite.signing_key(part.hex("priv"))
    part.expect("pub", key.public)
    suite.verify(public, label, content, suite.sign(key, label, content))


def _encryption(part: Fields, suite: Suite) -> None:
    key = part.kem_key("priv", suite)
    part.expect("pub", key.public)
    label, context = part.text("label"), part.hex("context")
    sealed = part.hex("kem_output"), part.hex("ciphertext")
    part.expect("plaintext", suite.open(key, label, context, *sealed))
    ours = suite.seal(part.hex("pub"), label, context, part.hex("plaintext"))
    part.expect("plaintext", suite.open(key, label, context, *ours))
