"""What each cause means: a sentence for people, which docs/causes.md has too.

A code of a family carries what it is about behind it, as in `lost: the-rule`: the family ends with
`…` here.  Codes of rules (`room-`, `note-`, and those of MLS) share one sentence.
"""

from typing import Final

RULE: Final = "It breaks a rule of groups, so it counts for nobody."
"""Of codes that name such a rule: docs/protocol/groups.md and docs/mls-rules.md list them."""

SENTENCES: Final = {
    # ---- In a room ----
    "founded": "The room was made.",
    "joined": "Somebody came in.",
    "left": "Somebody is no longer here: they left, or were removed.",
    "leave-notice": "Somebody leaves; whoever commits next takes their device out.",
    "you-joined": "You came in here.",
    "you-left": "You left; what was said stays on this device.",
    "you-were-removed": "Somebody removed you; what was said before stays on this device.",
    "shut-out": (
        "The server says that you are not in this room any more; if you do not know why, ask "
        "the others."
    ),
    "accepted": "Somebody who was asked has accepted, as the server says.",
    "waits-to-accept": (
        "Somebody was asked whether they want to chat; they read it once they accept."
    ),
    "server-restored": (
        "The server lost its newest entries and came back from a backup; your devices give "
        "back what they have, so wait until all have been online."
    ),
    "waits-for-admin": (
        "The server came back from before somebody was removed here, or lost a role: what you say "
        "waits until it is done again, so ask an admin or owner of this room to go online."
    ),
    "lost": (
        "A commit could not be followed by this device, though it counts for others; it asks "
        "to be added again, so only wait. Who made it is named: if it happens again, an admin "
        "should remove them."
    ),
    "altered": (
        "A commit was altered on its way, by the server or whoever carries for it, so that no "
        "device could follow it; this one asks to be added again, so only wait. Nobody in the "
        "room is to blame: if it happens again, ask the host."
    ),
    "lost: …": "The same, with the rule by which it could not be followed.",
    "lost-notice": (
        "Somebody's device could not follow a commit and asks to be added again; others do it."
    ),
    "found": "This device follows again; nothing is to be done.",
    "bad-group-info": (
        "Somebody's commit would have locked out who joins; it was renewed at once. If it "
        "happens again, an admin should remove them."
    ),
    "restored": (
        "This device's disk was set back to an older copy; it comes into each room anew. If "
        "you did not restore it, look who has a copy."
    ),
    "said-before-restore": (
        "This device said something here before its disk was set back, and cannot open it "
        "again; others have it."
    ),
    "somebody-has-your-device": (
        "A commit in your device's name was not made by it: somebody has its keys. Take the "
        "device off your list, and add it again."
    ),
    "revoke-this-device": (
        "It happened again, so this device has stopped here: take it off your list with "
        "another one."
    ),
    "another-log": (
        "Somebody has read other entries here than you: the server may tell two stories. Ask "
        "them what they see; you can go on after that."
    ),
    "own-log-differs": (
        "Another device of yours has read other entries here: the server may tell two "
        "stories. Compare the two devices before you go on."
    ),
    "not-healed": (
        "For two days the server has refused the commits that renew this device's keys here: "
        "who may have copied the old ones could still read. Ask its host; `alcove room hold` "
        "keeps what you write here back until it ends."
    ),
    "past-in-vain": (
        "Some of what was said here before you came cannot be shown: what the server gives of it "
        "does not lead to where you came in. It is asked again; if it stays so, ask its host."
    ),
    "fork": (
        "The server's own account of this log contradicts itself; ask its host, and look at "
        "the room with others before you go on."
    ),
    # ---- What could not be opened ----
    "no-key": "The key of this message has not come yet; other devices are asked for it.",
    "before-you-joined": ("It was said before you came, and this room keeps that from newcomers."),
    "while-lost": (
        "It was said while this device could not follow the room, which keeps nothing; ask "
        "its writer to say it again."
    ),
    "deleted": "Its writer, an admin or the room's time limit took it away.",
    "twice": "The same message stands in the log twice, and counts once.",
    "old-key": "It was sealed with a key that was too old; its writer's app should be updated.",
    "closed": ("It was sealed before somebody was removed or settings changed, and came after it."),
    "key-does-not-renew": "It names a key that is none; its writer's app is wrong.",
    "may-not-post": "Its writer was not allowed to post here.",
    "not-a-member": "Its writer was not in this room then.",
    "not-its-writer": (
        "It was not made by who is named as its writer; the server or a member lies."
    ),
    "not-a-message": "It is not a message.",
    "not-readable": (
        "It does not have the form that it should have; its writer's app is wrong or newer."
    ),
    "not-sealed": "It could not be opened with its key: it was damaged or made wrong.",
    "not-padded": "The same: what was sealed is not filled up as it must be.",
    "not-signed": "A signature does not fit: somebody has changed it.",
    "too-large": "It is larger than anything that may be sealed.",
    "bad-header": "The entry's header cannot be read.",
    "bad-notice": "A notice does not have the form that it should have.",
    # ---- Handshakes that do not count ----
    "handshake-body": "It does not hold a commit and a GroupInfo.",
    "handshake-order": (
        "It does not follow the newest handshake; the server should have refused it."
    ),
    "not-a-commit": "It holds something else than a commit.",
    "group-info-signer": "Its GroupInfo was signed by somebody else than its maker.",
    "group-of-another-room": "The state that the server handed out is that of another room.",
    "bad-certificate": ("A device's certificate cannot be read or was not signed by its account."),
    "wrong-account": "A list or certificate is about another account than it says.",
    "wrong-server": "It is from another server.",
    "bad-list": "A device list breaks the rules of device lists.",
    # ---- Coming in and adding others ----
    "not-a-welcome": "A letter that should let this device in is none; it comes in by itself.",
    "welcome-for-another": (
        "A letter was for keys that this device has not any more; it comes in by itself."
    ),
    "welcome-for-another-room": (
        "A letter was for another room than it said; it comes in by itself."
    ),
    "welcome-not-in-log": (
        "A letter tells of a commit that the log has not; this device comes in by itself."
    ),
    "no-right-to-join": (
        "The server lists a room into which this device may not come by itself; ask a member "
        "to add you."
    ),
    "link-ended": "The link has ended, was used up or was withdrawn: ask for a new one.",
    "link-elsewhere": (
        "The server leads the link to another room than it names: ask who gave it to you."
    ),
    "link-older-state": (
        "The server showed a state of the room from before the link was made: ask who gave it "
        "to you."
    ),
    "link-other-inviter": (
        "The link's key stands in the room in another name than the link says: ask who gave "
        "it to you."
    ),
    "not-joined: …": (
        "The server refused this device's way into a room; it tries again where that can help."
    ),
    "not-added: …": (
        "Somebody could not be added; the rest says why. Try again later, or ask them."
    ),
    "not-possible: …": "What you wished for in a room is not allowed there any more.",
    "link-refused: …": (
        "The server did not take a link that you made, so it lets nobody in; make another one."
    ),
    "list-…": (
        "Somebody's device list is not what it must be, so they were not added; compare "
        "safety numbers."
    ),
    "list-of-another": "The server sent another account's list.",
    "no-key-packages": (
        "A device has no keys left to be added with; it makes new ones when it is online."
    ),
    "package-of-another": "The server sent another device's keys; nobody was added.",
    "room-refused": "The server would not make the room; try again later.",
    "room-not-restored: …": (
        "A room that a restored server has lost could not be made again; make a new one."
    ),
    "not-published: …": "The room could not be listed for others.",
    "block-refused": "Somebody could not be blocked; try again.",
    # ---- Accounts and devices ----
    "device-added": (
        "A device was added to your account; if it is not yours, remove it and change the password."
    ),
    "device-removed": "A device was taken off your account.",
    "revoked": "This device was taken off its account's list; it can still show what it has.",
    "device-revoked": (
        "A device stands in a room that its account has taken off its list; it is taken out, "
        "so only wait."
    ),
    "keys-…": (
        "Somebody's keys have changed (rotated, reset) or there are two lists of one version "
        "(forked): compare safety numbers before you go on."
    ),
    "locks-changed": ("The password or the phrase of your account was changed by another device."),
    "archive-of-before": (
        "A new device of your account has begun an archive key of before again: the server "
        "showed it an older box."
    ),
    "archive-closed": (
        "The archive of your account was renewed before this device had read it: change the "
        "password here, or set the same again, or wait until another device of yours is online."
    ),
    "box-older": (
        "A server that was restored has an older copy of what your password opens: change the "
        "password, or set the same again, so that new devices read everything."
    ),
    "lists-lost": "The server had lost newer device lists of yours; they were given back.",
    "bad-counter": (
        "The server says that this device has sent far more than any device can: it lies or "
        "is broken, and is not believed; ask its host."
    ),
    "pairing-false": (
        "Somebody else has answered to the code that this new device showed; it was given up."
    ),
    "suspicious": (
        "The server noted sign-ins to your account that may not be yours; look at your devices."
    ),
    "archive: …": "Keys could not be put into your archive; it is tried again each hour.",
    "bad-archive-row": "A row of the archive cannot be read.",
    "bad-chain-row": "A row of a room's chain of keys cannot be read; others mend it.",
    "bad-box": "Your recovery box cannot be read.",
    "bad-key": "A key does not have the form of one.",
    # ---- Files ----
    "file_chunk": (
        "A piece of a file was damaged or exchanged; load it again, or ask for it again."
    ),
    "file_hash": "The file is not the one that was sent.",
    "file_header": "The file's beginning is not one.",
    "file_long": "There is more than the file should have.",
    "file_padding": "What fills the file up is not what it must be.",
    "file_short": "The file's end is missing.",
    "file_size": "The file does not have the size that was said.",
}
"""Code, or family with `…`, and what happened and what to do."""

_FAMILIES: Final = tuple(code[:-1] for code in SENTENCES if code.endswith("…"))


def sentence_of(code: str) -> str:
    """Return what a cause means; empty for none."""
    if not code:
        return ""
    known = SENTENCES.get(code)
    if known is not None:
        return known
    family = next((one for one in _FAMILIES if code.startswith(one)), None)
    return RULE if family is None else SENTENCES[f"{family}…"]


_TOLD: Final = {
    "founded": ("you made this room", "{name} made this room"),
    "joined": ("you came in", "{name} came in"),
    "left": ("you left", "{name} is no longer here"),
    "leave-notice": ("you leave", "{name} leaves"),
    "you-joined": ("you are in this room now", "you are in this room now"),
    "you-left": ("you left; what was said stays here", "you left; what was said stays here"),
    "you-were-removed": ("you were removed", "{name} removed you; what was said before stays here"),
    "waits-to-accept": ("", "{name} has not accepted yet: what you say here is shown when they do"),
    "accepted": (
        "you have accepted: session established",
        "{name} has accepted: session established",
    ),
}
"""What is told in fewer words than docs/causes.md has: of oneself, and of somebody else."""


def told_of(code: str, name: str, *, is_mine: bool) -> str:
    """Return what happened as a line of a room tells it, with the name of whom it is about."""
    told = _TOLD.get(code, ("", ""))[not is_mine]
    if told and (name or code.startswith("you-")):
        return told.format(name=name or "somebody")
    about = f"{name}: " if name else ""
    return f"{about}{sentence_of(code)}"
