"""Upgrading: what would happen is said, what was there is kept, and only then is it done."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from alcove.server.io import backup
from alcove.server.io import upgrade as upgrading
from alcove.server.io.backup import verify
from alcove.server.io.places import places_of
from alcove.server.io.restore import restore
from alcove.server.io.upgrade import Plan, check, upgrade
from alcove.server.settings import Settings
from alcove.server.store.database import DatabaseRefused
from tests.store.conftest import NOW, Place
from tests.store.kit import SOFTWARE, files_below, fill, look, settings_at, storage_at

Grow = Callable[[], None]


@pytest.fixture
def settings(place: Place) -> Settings:
    return settings_at(place)


def test_a_new_server_has_nothing_to_lose(settings: Settings) -> None:
    plan = check(settings)
    assert (plan.schema_from, plan.needed_bytes, plan.has_room) == (0, 0, True)
    assert plan.lines() == [f"The {plan.database} database is empty: its tables will be made."]
    assert not Path(settings.data).exists()
    done = upgrade(settings, NOW, SOFTWARE)
    assert (done.steps, done.backup) == (plan.steps, None)


def test_a_database_that_is_up_to_date_is_left_alone(settings: Settings) -> None:
    upgrade(settings, NOW, SOFTWARE)
    plan = check(settings)
    assert (plan.steps, plan.needed_bytes) == ((), 0)
    assert plan.lines() == [f"The {plan.database} database is of schema 1: nothing to do."]
    assert upgrade(settings, NOW, SOFTWARE).steps == ()
    assert files_below(places_of(settings).backups) == []


def test_an_old_database_is_backed_up_and_then_brought_up_to_date(
    settings: Settings, second_step: Grow
) -> None:
    with storage_at(settings) as storage:
        fill(storage)
        before = look(storage)
    second_step()
    plan = check(settings)
    assert (plan.schema_from, plan.schema_to, plan.steps) == (1, 2, ("0002_second",))
    assert plan.database_bytes > 0
    assert "is of schema 1 and would become 2: 0002_second." in plan.lines()[0]
    assert len(plan.lines()) == 2
    with storage_at(settings, NOW + 5) as storage:
        done = storage.upgraded
        after = look(storage)
    assert done.steps == plan.steps
    assert done.backup is not None
    assert verify(done.backup).tables["entry"].lines == len(before["entry"])
    assert after["second"] == [(1, "new")]
    assert {table for table in before if before[table] != after[table]} == {"event", "migration"}
    (event,) = [line for line in after["event"] if line[2] == "server_upgraded"]
    assert msgspec.json.decode(event[6]) == {"from": 1, "to": 2}


@pytest.mark.parametrize("keep", [1, 3])
def test_as_many_backups_stay_as_is_set(settings: Settings, second_step: Grow, keep: int) -> None:
    settings = msgspec.structs.replace(settings, backup_keep=keep)
    with storage_at(settings):
        pass
    folder = places_of(settings).backups
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    older = [folder / f"automatic-2020010{day}-000000-000-schema-1.tar" for day in (1, 2, 3)]
    for file in older:
        file.write_bytes(b"old")
    (folder / "mine.tar").write_bytes(b"by hand")
    second_step()
    made = upgrade(settings, NOW, SOFTWARE).backup
    assert made is not None
    stays = [*older, made][-keep:]
    assert sorted(folder.iterdir()) == sorted([*stays, folder / "mine.tar"])


def test_the_backup_of_before_the_upgrade_can_be_restored(
    settings: Settings, second_step: Grow
) -> None:
    with storage_at(settings) as storage:
        fill(storage)
        entries = look(storage)["entry"]
    second_step()
    kept = upgrade(settings, NOW, SOFTWARE).backup
    assert kept is not None
    restore(kept, settings, NOW + 5, SOFTWARE, replaces=True)
    with storage_at(settings) as storage:
        assert look(storage)["entry"] == entries


def test_without_a_backup_nothing_is_changed(
    settings: Settings, second_step: Grow, monkeypatch: pytest.MonkeyPatch
) -> None:
    with storage_at(settings):
        pass
    second_step()
    for module in (backup, upgrading):
        monkeypatch.setattr(module, "SPARE_BYTES", 2**60)
    assert not check(settings).has_room
    assert check(settings).lines()[-1].startswith("Make room first")
    with pytest.raises(DatabaseRefused, match=r"make room.*Nothing was changed\."):
        upgrade(settings, NOW, SOFTWARE)
    assert check(settings).schema_from == 1


def test_a_server_may_be_running_while_it_is_asked_but_not_while_it_is_done(
    settings: Settings,
) -> None:
    with storage_at(settings):
        assert check(settings).steps == ()
        with pytest.raises(DatabaseRefused, match="Another Alcove server"):
            upgrade(settings, NOW, SOFTWARE)


def test_a_plan_is_told_in_whole_sentences() -> None:
    plan = Plan("SQLite", 1, 3, ("0002_b", "0003_c"), 5 << 20, 70 << 20, 60 << 20)
    assert plan.lines() == [
        "The SQLite database is of schema 1 and would become 3: 0002_b, 0003_c.",
        "A backup is made first: it needs up to 70 MiB, and 60 MiB are free.",
        "Make room first: without a backup nothing is changed.",
    ]
