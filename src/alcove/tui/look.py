"""Colours, signs, and how times and sizes are written: one sign, one meaning, in every view."""

from datetime import datetime
from typing import Final

from textual.content import Content
from textual.theme import Theme

from alcove.desk import shown

COLOURS: Final = {
    # name     dark       light
    "bg": ("#0d1015", "#f7f8fa"),
    "panel": ("#12161d", "#eceff4"),
    "card": ("#1b212b", "#ffffff"),
    "own": ("#2b3f58", "#d6e4f7"),
    "pick": ("#222a36", "#d9e0ea"),
    "rule": ("#2b3544", "#c3cbd8"),
    "ink": ("#e8ebf1", "#171c26"),
    "soft": ("#a3aec0", "#4d586b"),
    "hint": ("#77839a", "#67728a"),
    "accent": ("#e9b06a", "#8a4b00"),
    "chip": ("#e9b06a", "#8a4b00"),
    "onchip": ("#14181f", "#ffffff"),
    "good": ("#7fd1a8", "#176a43"),
    "bad": ("#ff8f86", "#a81e16"),
    "link": ("#8ab8f0", "#1c5aa8"),
}
"""bg is the room, panel bars and lists, card what others wrote, own what I wrote, pick the row that
keys act on; soft and hint are quiet, chip is a count, and bad means: look at this."""
PEOPLE: Final = (
    ("#e0a458", "#8a5a00"), ("#6ec1e4", "#0f6488"), ("#c792ea", "#7a3aa6"), ("#8bd49c", "#23703a"),
    ("#f28b82", "#ab3227"), ("#78d5c9", "#0d6b60"), ("#b0b8ff", "#4450b8"), ("#f4b6d2", "#9c2c66"),
)  # fmt: skip
"""A person keeps one colour everywhere; it is never the only sign."""


def _theme(name: str, place: int) -> Theme:
    variables = {key: pair[place] for key, pair in COLOURS.items()}
    variables |= {f"person{number}": pair[place] for number, pair in enumerate(PEOPLE)}
    return Theme(
        name=name,
        dark=place == 0,
        primary=variables["accent"],
        accent=variables["accent"],
        foreground=variables["ink"],
        background=variables["bg"],
        surface=variables["card"],
        panel=variables["panel"],
        success=variables["good"],
        error=variables["bad"],
        warning=variables["accent"],
        variables=variables,
    )


DARK: Final = _theme("alcove-dark", 0)
LIGHT: Final = _theme("alcove-light", 1)

# Each is one cell wide, and none has an emoji form.
BRAND: Final = "∩"
ONLINE, OFFLINE, UNKNOWN = "●", "○", "·"
GROUP, COMMONS = "#", "\N{ASTERISK OPERATOR}"
TRUST: Final = {"checked": "◆", "unchecked": "◇", "changed": "▲"}
STATES: Final = {
    "waiting": "⋯ waiting", "stored": "✓ stored", "delivered": "✓✓ delivered", "read": "✓✓ read",
    "failed": "▲ failed",
}  # fmt: skip
EXPIRES, FILE, IMAGE, SOUND, REPLY, DRAFT = "◔", "▤", "▦", "►", "↳", "✎"
CONNECTED, BROKEN, AGAIN = "⇄", "✕", "↻"
PICK, EDGE = "▸", "▌"

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
KILO: Final = 1_000
LATEST_MS: Final = 253_370_764_800_000
"""The first day of the year 9999: Python has no times much later."""


# ---- People ----


def colour(name: str) -> str:
    """Return the variable that holds somebody's colour."""
    return f"$person{sum(name.lower().encode()) % len(PEOPLE)}"


def dot(person: shown.Person) -> tuple[str, str]:
    """Return the sign of somebody's presence, and its colour."""
    if person.presence == "unknown":
        return UNKNOWN, "$soft"
    return (ONLINE, "$good") if person.presence in ("online", "away") else (OFFLINE, "$soft")


def trust(person: shown.Person) -> tuple[str, str]:
    """Return the sign of what is known of somebody's keys, and its colour."""
    colours = {"checked": "$good", "unchecked": "$soft", "changed": "$bad"}
    return TRUST[person.trust], colours[person.trust]


def called(person: shown.Person) -> str:
    """Return what somebody is called."""
    return "You" if person.is_me else person.called or person.name


def named(person: shown.Person) -> Content:
    """Return what somebody is called, and the name that counts."""
    if not person.called:
        return styled((person.name, f"{colour(person.name)} bold"))
    return styled((person.called, f"{colour(person.name)} bold"), (f" @{person.name}", "$soft"))


def file_sign(file: shown.Attached) -> str:
    """Return the sign of what kind of file it is."""
    if file.type.startswith("image/"):
        return IMAGE
    return SOUND if file.length_ms else FILE


# ---- Times and sizes ----


def local(at_ms: int) -> datetime:
    """Return a time in the place where this program runs; others may claim any."""
    return datetime.fromtimestamp(min(at_ms, LATEST_MS) / 1000).astimezone()


def clock(at_ms: int) -> str:
    """Return the time of the day."""
    return f"{local(at_ms):%H:%M}"


def day(at_ms: int, now_ms: int) -> str:
    """Return a day, as it stands between messages."""
    at = local(at_ms)
    said = f"{at:%A} {at.day} {at:%B}"
    return said if at.year == local(now_ms).year else f"{said} {at.year}"


def date(at_ms: int, now_ms: int) -> str:
    """Return a day in few words; of another year with it."""
    at = local(at_ms)
    said = f"{at.day} {at:%B}"
    return said if at.year == local(now_ms).year else f"{said} {at.year}"


def short(at_ms: int | None, now_ms: int) -> str:
    """Return when something was, in five cells: the time, the weekday, or the date."""
    if at_ms is None:
        return ""
    at, now = local(at_ms), local(now_ms)
    if at.date() == now.date():
        return f"{at:%H:%M}"
    if 0 <= now_ms - at_ms < 6 * DAY_MS:
        return f"{at:%a}"
    return f"{at.day} {at:%b}" if at.year == now.year else f"{at:%Y}"


def ago(at_ms: int, now_ms: int) -> str:
    """Return how long ago something was."""
    span = now_ms - at_ms
    if span < MINUTE_MS:
        return "just now"
    return f"{lasting(span)} ago"


def lasting(span_ms: int) -> str:
    """Return how long something lasts."""
    for unit_ms, name in ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min")):
        if span_ms >= unit_ms:
            return f"{span_ms // unit_ms} {name}"
    return f"{max(0, span_ms) // 1000} s"


def size(count: int) -> str:
    """Return a size as people read it."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB"):
        if amount < KILO:
            return (
                f"{amount:.0f} {unit}"
                if unit == "bytes" or amount >= 10
                else f"{amount:.1f} {unit}"
            )
        amount /= KILO
    return f"{amount:.1f} GB"


def grouped(digits: str) -> str:
    """Return digits of a key in groups of four."""
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def length(span_ms: int) -> str:
    """Return how long a sound lasts: 0:42."""
    return f"{span_ms // MINUTE_MS}:{span_ms // 1000 % 60:02}"


# ---- Lines of cells ----


def styled(*parts: str | tuple[str, str] | Content) -> Content:
    """Return parts one after the other; a pair is a text and its style, never markup."""
    return Content.assemble(*parts)


def spread(left: Content, right: Content, width: int) -> Content:
    """Return one line, left and right, with blanks between; what is too long on the left is cut."""
    room = width - right.cell_length
    if left.cell_length >= room:
        left = left.truncate(max(0, room - 1), ellipsis=True)
    return styled(left, " " * max(0, room - left.cell_length), right)


def padded(content: Content, width: int) -> Content:
    """Return a line of exactly this width."""
    if content.cell_length > width:
        return content.truncate(width, ellipsis=True)
    return content.pad_right(width - content.cell_length)


def bar(done: float, width: int) -> Content:
    """Return progress: thick is done, thin is the rest."""
    full = round(min(1.0, max(0.0, done)) * width)
    return styled(("━" * full, "$accent"), ("─" * (width - full), "$hint"))


def keyed(key: str, label: str) -> Content:
    """Return a key and what it does."""
    return styled((key, "$accent bold"), " ", (label, "$soft"))


def chip(text: str) -> Content:
    """Return something that stands out: a count, or my name."""
    return styled((f" {text} ", "$onchip on $chip bold"))
