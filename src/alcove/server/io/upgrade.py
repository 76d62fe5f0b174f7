"""Upgrading: what a newer program would do to the database, and doing it, after a backup."""

import shutil
from pathlib import Path

from msgspec import Struct

from alcove.server.audit import Audit
from alcove.server.io.backup import SPARE_BYTES, BackupError, automatic_backup
from alcove.server.io.places import Places, connect, held, places_of
from alcove.server.settings import Settings
from alcove.server.store.database import Database, DatabaseRefused
from alcove.server.store.migrations import known
from alcove.server.store.opening import bring_up_to_date, missing


class Plan(Struct, frozen=True):
    """What an upgrade would do."""

    database: str
    """Its kind."""
    schema_from: int
    """0 for a database that is not there yet."""
    schema_to: int
    steps: tuple[str, ...]
    """The migrations by name."""
    database_bytes: int
    needed_bytes: int
    """For the backup that is made first; 0 when there is nothing to back up."""
    free_bytes: int
    """Where the backup would be."""

    @property
    def has_room(self) -> bool:
        """Whether there is room for the backup."""
        return self.needed_bytes <= self.free_bytes

    def lines(self) -> list[str]:
        """Return the plan as sentences for people."""
        if not self.steps:
            return [f"The {self.database} database is of schema {self.schema_to}: nothing to do."]
        if not self.schema_from:
            return [f"The {self.database} database is empty: its tables will be made."]
        mib = 2**20
        needed, free = self.needed_bytes // mib, self.free_bytes // mib
        change = f"of schema {self.schema_from} and would become {self.schema_to}"
        lines = [
            f"The {self.database} database is {change}: {', '.join(self.steps)}.",
            f"A backup is made first: it needs up to {needed} MiB, and {free} MiB are free.",
        ]
        if not self.has_room:
            lines.append("Make room first: without a backup nothing is changed.")
        return lines


class Upgraded(Struct, frozen=True):
    """What an upgrade has done."""

    steps: tuple[str, ...]
    """The migrations by name."""
    backup: Path | None
    """The backup that was made first."""


def check(settings: Settings) -> Plan:
    """Say what an upgrade would do, and change nothing; a server may be running."""
    places = places_of(settings)
    if not settings.database_url and not places.database.exists():
        steps = tuple(step.title for step in known())
        return Plan("SQLite", 0, len(known()), steps, 0, 0, _free_bytes(places))
    return plan_for(connect(settings, places), places)


def plan_for(database: Database, places: Places) -> Plan:
    """Say what an upgrade of this database would do."""
    steps = missing(database)
    schema_from = len(known()) - len(steps)
    size = database.size_bytes()
    needed = size + SPARE_BYTES if steps and schema_from else 0
    titles = tuple(step.title for step in steps)
    return Plan(database.kind, schema_from, len(known()), titles, size, needed, _free_bytes(places))


def _free_bytes(places: Places) -> int:
    """Return how much room there is where the data folder is, or will be."""
    folder = places.backups.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def upgrade(settings: Settings, now: int, software: str) -> Upgraded:
    """Bring the database up to date, while no server is running."""
    with held(settings) as places:
        return bring_up(connect(settings, places), settings, places, now, software)


def bring_up(
    database: Database, settings: Settings, places: Places, now: int, software: str
) -> Upgraded:
    """Bring a database up to date that is held already; what it holds is backed up first."""
    plan = plan_for(database, places)
    backup = None
    if plan.needed_bytes:
        try:
            backup = automatic_backup(
                database,
                places.backups,
                settings.backup_keep,
                now,
                software,
                f"schema-{plan.schema_from}",
            )
        except BackupError as error:
            raise DatabaseRefused(f"{error} Nothing was changed.") from error
    taken = tuple(step.title for step in bring_up_to_date(database, now))
    if backup is not None:
        _note(database, now, plan)
    return Upgraded(taken, backup)


def _note(database: Database, now: int, plan: Plan) -> None:
    """Write the upgrade into the audit log."""
    connection = database.writer()
    try:
        connection.begin()
        audit = Audit()
        detail: dict[str, str | int] = {"from": plan.schema_from, "to": plan.schema_to}
        audit.add(now, "server_upgraded", None, b"", "", detail, False)  # noqa: FBT003
        audit.write(connection)
        connection.commit()
    finally:
        connection.close()
