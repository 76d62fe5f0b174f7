"""The one cipher suite of the product."""

from alcove.mls import DEFAULT_SUITE, standard_suites

SUITE = standard_suites()[DEFAULT_SUITE]
"""X-Wing, AES-256-GCM, HKDF-SHA384, Ed25519.  Whoever offers another one is refused."""
