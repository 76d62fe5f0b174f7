"""Key packages: made in time, replaced when they are old, and deleted when they were used."""

from typing import Any

import pytest

from alcove.client import packages
from alcove.client.keys.suite import SUITE
from alcove.mls import KeyPackageBundle, Welcome, decode_key_package
from alcove.mls.welcome import SealedSecrets
from alcove.wire.devices import Claim, GetDevices, PackagesLow, PutPackages
from alcove.wire.errors import Code, Refusal
from tests.client.world import PACKAGES, Peer, World


def left(peer: Peer) -> int:
    """Return how many single-use packages the server has of a device."""
    there: Any = peer.world.ask(peer, GetDevices())
    (count,) = [one.packages for one in there.devices if one.device == peer.me.device]
    return int(count)


def claim(asker: Peer, peer: Peer, number: int) -> list[tuple[bytes, bool]]:
    reply = asker.world.ask(asker, Claim(id=number, account=peer.me.account))
    return [
        (decode_key_package(one.package).reference(SUITE), one.last_resort)
        for one in reply.packages
    ]


def stored(peer: Peer) -> list[bytes]:
    return [one for (one,) in peer.db.all("SELECT reference FROM package ORDER BY reference")]


def welcome(*references: bytes) -> Welcome:
    nothing: Any = None
    return Welcome(SUITE.id, tuple(SealedSecrets(one, nothing) for one in references), b"")


def test_a_device_that_has_come_has_all_its_packages_on_the_server() -> None:
    ada = World().register("ada")
    assert left(ada) == PACKAGES


def test_a_store_is_filled_up_to_what_servers_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "WANTED", 3 * PACKAGES)
    ada = World().register("ada")
    assert left(ada) == 3 * PACKAGES


@pytest.mark.parametrize("most", [1, 3, 6])
def test_a_host_who_lets_devices_keep_fewer_is_obeyed(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(packages, "WANTED", 100)
    ada = World(account_packages_max=most).register("ada")
    assert left(ada) == most
    # What the server did not take is not kept either: the rest and two last resorts are here.
    assert len(stored(ada)) == most + 2
    assert ada.db.one("SELECT 1 FROM request") is None


def test_what_others_take_is_made_anew() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    for number in range(1001, 1004):
        ((reference, is_last_resort),) = claim(bob, ada, number)
        assert not is_last_resort
        assert reference in stored(ada)
    world.run()
    assert left(ada) >= PACKAGES


def test_two_calls_for_more_make_one_batch() -> None:
    world = World()
    ada = world.register("ada")
    before = len(stored(ada))
    for _ in range(2):
        ada.engine.receive(PackagesLow(count=0, last_resort_used=False), world.now)
    assert len(stored(ada)) == before + PACKAGES


def test_with_enough_left_nothing_is_made() -> None:
    world = World()
    ada = world.register("ada")
    before = stored(ada)
    ada.engine.receive(PackagesLow(count=PACKAGES, last_resort_used=False), world.now)
    assert stored(ada) == before


def test_a_package_opens_its_welcome_until_it_was_used() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ((reference, _),) = claim(bob, ada, 1001)
    message = welcome(bytes(48), reference)
    bundle = ada.do(packages.bundle_for, message)
    assert isinstance(bundle, KeyPackageBundle)
    assert bundle.package.reference(SUITE) == reference
    assert bundle.package.leaf.credential.data == ada.me.certificate
    ada.do(packages.spent, reference)
    assert ada.do(packages.bundle_for, message) is None


def test_a_last_resort_is_replaced_after_use_and_still_opens_what_waits() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ada.hang_up()
    taken = [claim(bob, ada, number)[0] for number in range(1001, 1002 + PACKAGES)]
    reference, is_last_resort = taken[-1]
    assert is_last_resort
    ada.connect()
    world.run()
    ada.do(packages.spent, reference)
    ada.do(packages.spent, reference)
    assert ada.do(packages.bundle_for, welcome(reference)) is not None
    world.pass_time(packages.LAST_RESORT_MS)
    newest = world.server.connection.one(
        "SELECT body FROM package WHERE device = ? AND number = 0", ada.me.device
    )
    assert newest is not None
    assert decode_key_package(newest[0]).reference(SUITE) != reference
    assert ada.db.one("SELECT COUNT(*) FROM package WHERE is_spent = 1") == (1,)


def test_a_last_resort_that_was_handed_out_is_replaced_once_an_hour() -> None:
    world = World()
    ada = world.register("ada")

    def last_resorts() -> int:
        (count,) = ada.db.one("SELECT COUNT(*) FROM package WHERE is_last_resort = 1") or (0,)
        return int(count)

    assert last_resorts() == 2  # One came with the registration.
    for _ in range(3):
        ada.engine.receive(PackagesLow(count=PACKAGES, last_resort_used=True), world.now)
    world.run()
    assert last_resorts() == 2
    world.pass_time(packages.LAST_RESORT_MS)
    assert last_resorts() == 3
    world.pass_time(packages.LAST_RESORT_MS)
    ada.engine.receive(PackagesLow(count=PACKAGES, last_resort_used=True), world.now)
    world.run()
    assert last_resorts() == 4


def test_packages_that_have_become_old_are_replaced_and_very_old_ones_forgotten() -> None:
    world = World()
    ada = world.register("ada")
    first = stored(ada)
    world.pass_time(packages.RENEW_MS + 1_000)
    assert left(ada) == PACKAGES
    assert len(stored(ada)) == len(first) + PACKAGES + 1
    world.now += packages.KEPT_MS
    ada.do(packages.replace_all)
    assert not set(first) & set(stored(ada))


def test_refused_for_another_reason_they_are_not_kept() -> None:
    world = World()
    ada = world.register("ada")
    before = stored(ada)
    messages = ada.do(packages.make, 2)
    refusal = Refusal(1, Code.MALFORMED, "")
    ada.do(packages.put, PutPackages(packages=messages), refusal, b"")
    assert stored(ada) == before


def test_a_package_of_ones_own_need_not_be_published() -> None:
    ada = World().register("ada")
    before = stored(ada)
    bundle = ada.do(packages.own_bundle)
    bundle.check()
    assert stored(ada) == before
