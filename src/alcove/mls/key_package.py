"""Key packages: what a device publishes so that others can add it while it is away (section 10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from alcove.mls.codec import MAX_MESSAGE_BYTES, Reader, decode, opaque, u16
from alcove.mls.credentials import Credential
from alcove.mls.errors import CryptoError, DecodeError, RuleBroken, UsageError
from alcove.mls.extensions import (
    GREASE,
    LAST_RESORT,
    Extension,
    Extensions,
    encode_extensions,
    find_extension,
    read_extensions,
)
from alcove.mls.leaf import (
    FROM_KEY_PACKAGE,
    MLS_1_0,
    Capabilities,
    LeafNode,
    LeafTemplate,
    Lifetime,
    check_encryption_key,
    read_leaf,
)
from alcove.mls.provider import KemKey, SigningKey
from alcove.mls.suites import Suite, Suites, standard_suites

Entropy = Callable[[int], bytes]
"""Where randomness comes from: `os.urandom`, `secrets.token_bytes`, or a seeded one in tests."""


def draw(entropy: Entropy, count: int) -> bytes:
    """Return `count` random bytes, and make sure that they are that many."""
    drawn = entropy(count)
    if len(drawn) != count:
        raise UsageError(f"the source of entropy gave {len(drawn)} bytes where {count} were wanted")
    return drawn


_BUNDLE_VERSION: Final = 1
_WIRE_KEY_PACKAGE: Final = 5


@dataclass(frozen=True, slots=True)
class KeyPackage:
    """A key package as it came: well formed, not yet checked.  `raw` is the whole struct."""

    suite_id: int
    init_key: bytes
    leaf: LeafNode
    extensions: Extensions
    signature: bytes
    raw: bytes
    signed_bytes: int

    @property
    def last_resort(self) -> bool:
        """Whether it may be used again when no other is left."""
        return find_extension(self.extensions, LAST_RESORT) is not None

    def reference(self, suite: Suite) -> bytes:
        """Return the hash by which a Welcome names it (section 5.2)."""
        return suite.reference(b"MLS 1.0 KeyPackage Reference", self.raw)

    def message(self) -> bytes:
        """Return it as an MLSMessage."""
        return u16(MLS_1_0) + u16(_WIRE_KEY_PACKAGE) + self.raw


def read_key_package(reader: Reader) -> KeyPackage:
    """Read a KeyPackage."""
    start = reader.at
    if reader.u16() != MLS_1_0:
        raise DecodeError("kp-version")
    suite_id = reader.u16()
    init_key = reader.opaque()
    leaf = read_leaf(reader)
    extensions = read_extensions(reader)
    signed = reader.at - start
    signature = reader.opaque()
    return KeyPackage(suite_id, init_key, leaf, extensions, signature, reader.since(start), signed)


def decode_key_package(message: bytes, limit: int = MAX_MESSAGE_BYTES) -> KeyPackage:
    """Read a key package that came as an MLSMessage.  Check it before use: `check_key_package`."""

    def read(reader: Reader) -> KeyPackage:
        if reader.u16() != MLS_1_0:
            raise DecodeError("kp-message-version")
        if reader.u16() != _WIRE_KEY_PACKAGE:
            raise DecodeError("frame-wire-format")
        return read_key_package(reader)

    return decode(message, read, limit)


def check_key_package(package: KeyPackage, suite: Suite) -> None:
    """Section 10.1, but for what only the group can tell.

    Time is not looked at here: whether a commit counts may not depend on a clock.  Who is about to
    add somebody asks `check_lifetime` first.
    """
    if package.suite_id != suite.id:
        raise RuleBroken("kp-suite-matches-group")
    if package.leaf.source != FROM_KEY_PACKAGE:
        raise RuleBroken("leaf-source-key-package")
    if package.init_key == package.leaf.encryption_key:
        raise RuleBroken("kp-init-key-distinct")
    check_encryption_key(package.init_key, suite, "kp-init-key-valid")
    content = package.raw[: package.signed_bytes]
    try:
        suite.verify(package.leaf.signature_key, b"KeyPackageTBS", content, package.signature)
    except CryptoError:
        raise RuleBroken("kp-signature") from None


def check_lifetime(leaf: LeafNode, now: int, longest: int) -> None:
    """Refuse a leaf that is not valid at `now`, or valid for more than `longest` seconds in all.

    Called by who adds, with its own clock, before the commit is made.  Leaves that did not come
    from a key package have no lifetime and pass.
    """
    if leaf.lifetime is None:
        return
    if not leaf.lifetime.not_before <= now <= leaf.lifetime.not_after:
        raise RuleBroken("leaf-lifetime-current")
    if leaf.lifetime.not_after - leaf.lifetime.not_before > longest:
        raise RuleBroken("leaf-lifetime-max-total")


@dataclass(frozen=True, slots=True)
class KeyPackageBundle:
    """A key package of our own with its three private keys."""

    package: KeyPackage
    init_key: KemKey = field(repr=False)
    leaf_key: KemKey = field(repr=False)
    signing_key: SigningKey = field(repr=False)

    def check(self) -> None:
        """Raise unless the private keys are those of the public part."""
        leaf = self.package.leaf
        theirs = (self.package.init_key, leaf.encryption_key, leaf.signature_key)
        if (self.init_key.public, self.leaf_key.public, self.signing_key.public) != theirs:
            raise UsageError("the private keys of this key package are not its own")

    def message(self) -> bytes:
        """Return the public part as an MLSMessage, ready to publish."""
        return self.package.message()

    def save(self) -> bytes:
        """Return everything as bytes, private keys included.  Store them sealed."""
        return (
            u16(_BUNDLE_VERSION)
            + self.package.raw
            + opaque(self.init_key.private)
            + opaque(self.leaf_key.private)
            + opaque(self.signing_key.private)
        )

    @classmethod
    def load(cls, saved: bytes, suites: Suites | None = None) -> KeyPackageBundle:
        """Return the bundle that `save` wrote."""

        def read(reader: Reader) -> KeyPackageBundle:
            if reader.u16() != _BUNDLE_VERSION:
                raise UsageError("this key package was saved by a newer version of this library")
            package = read_key_package(reader)
            suite = suite_of(package.suite_id, suites)
            return cls(
                package,
                suite.kem_key(reader.opaque()),
                suite.kem_key(reader.opaque()),
                suite.signing_key(reader.opaque()),
            )

        return decode(saved, read)


def suite_of(suite_id: int, suites: Suites | None) -> Suite:
    """Return a cipher suite by its number, or say that it is not known here."""
    suite = (standard_suites() if suites is None else suites).get(suite_id)
    if suite is None:
        raise RuleBroken("suite-known")
    return suite


def new_key_package(
    suite: Suite,
    credential: Credential,
    signing_key: SigningKey,
    lifetime: Lifetime,
    entropy: Entropy,
    *,
    capabilities: Capabilities | None = None,
    leaf_extensions: Extensions = (),
    extensions: Extensions = (),
    last_resort: bool = False,
    grease: bool = True,
) -> KeyPackageBundle:
    """Make a key package for a device.

    `capabilities` lists what the device's program supports; by default its suite and credential
    type.  With `grease`, values that mean nothing are mixed in, so that nobody comes to rely on a
    closed list (section 13.5).
    """
    wanted = capabilities or Capabilities(suites=(suite.id,), credentials=(credential.type,))
    if last_resort:
        extensions = (*extensions, Extension(LAST_RESORT, b""))
    if grease:
        wanted = _with_grease(wanted, entropy)
    used = {extension.type for extension in (*extensions, *leaf_extensions)}
    listed = tuple(sorted(used.difference(wanted.extensions, range(1, 6))))
    wanted = wanted._replace(extensions=wanted.extensions + listed)
    init_key = suite.kem_derive(draw(entropy, suite.secret_bytes))
    leaf_key = suite.kem_derive(draw(entropy, suite.secret_bytes))
    leaf = LeafTemplate(signing_key.public, credential, wanted, leaf_extensions).for_key_package(
        suite, signing_key, leaf_key.public, lifetime
    )
    content = (
        u16(MLS_1_0)
        + u16(suite.id)
        + opaque(init_key.public)
        + leaf.raw
        + encode_extensions(extensions)
    )
    signature = suite.sign(signing_key, b"KeyPackageTBS", content)
    package = decode(content + opaque(signature), read_key_package)
    return KeyPackageBundle(package, init_key, leaf_key, signing_key)


def _with_grease(wanted: Capabilities, entropy: Entropy) -> Capabilities:
    """Add one meaningless value to every list of capabilities, which a correct reader ignores.

    Section 13.5 would have extensions carried too; a widely used library refuses key packages that
    do, and being understood comes first.
    """
    suites, extensions, proposals, credentials = (GREASE[dice % 15] for dice in draw(entropy, 4))
    return Capabilities(
        wanted.versions,
        (*wanted.suites, suites),
        (*wanted.extensions, extensions),
        (*wanted.proposals, proposals),
        (*wanted.credentials, credentials),
    )
