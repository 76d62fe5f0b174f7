"""What this device shows of its rooms: steps that the log and the outbox call, and queries.

taking   what comes in          rows     the table's columns, numbers and search
effects  edits, removals, mutes  ending   what vanishes at its time
marks    delivered and read      reading, finding, results   what a face asks
spam     a guess about strangers
"""

from alcove.client.timeline.ending import expire, expire_due
from alcove.client.timeline.finding import Found, Topic, files, search, topics
from alcove.client.timeline.marks import delivered, read_by, readers
from alcove.client.timeline.reading import (
    Edited,
    Line,
    Unread,
    edits,
    line,
    line_at,
    line_of,
    lines,
    lines_from,
    unread,
)
from alcove.client.timeline.restoring import Again, rewound
from alcove.client.timeline.results import (
    Option,
    Reaction,
    Results,
    muted,
    pins,
    poll,
    reactions,
)
from alcove.client.timeline.rows import settle_index
from alcove.client.timeline.taking import (
    Opened,
    Rights,
    cancelled,
    completed,
    dropped,
    explain,
    failed,
    note,
    retell,
    retried,
    show_own,
    stored,
    take,
)

__all__ = [
    "Again",
    "Edited",
    "Found",
    "Line",
    "Opened",
    "Option",
    "Reaction",
    "Results",
    "Rights",
    "Topic",
    "Unread",
    "cancelled",
    "completed",
    "delivered",
    "dropped",
    "edits",
    "expire",
    "expire_due",
    "explain",
    "failed",
    "files",
    "line",
    "line_at",
    "line_of",
    "lines",
    "lines_from",
    "muted",
    "note",
    "pins",
    "poll",
    "reactions",
    "read_by",
    "readers",
    "retell",
    "retried",
    "rewound",
    "search",
    "settle_index",
    "show_own",
    "stored",
    "take",
    "topics",
    "unread",
]
