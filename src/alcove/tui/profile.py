"""The fifth place: who is here, how the session stands, quick ways on, and the way out."""

from collections.abc import Sequence
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from alcove.client import ClientError
from alcove.desk import door, files, preferences, profile, security
from alcove.desk.news import (
    Alert,
    AskingChanged,
    ChatsChanged,
    ConnectionChanged,
    News,
    PeopleChanged,
)
from alcove.tui import look, pictures
from alcove.tui.choosing import Choice, Chooser
from alcove.tui.lines import Lines, facts, hanging, row, stacked
from alcove.tui.look import keyed, styled
from alcove.tui.place import Place
from alcove.tui.shell import Box, Field, Form, Question, Rows, app_of, connection, main_of

TOLD = (Alert, AskingChanged, ConnectionChanged, ChatsChanged, PeopleChanged)
"""What changes something that is shown here."""
WIDE = 110
FILES_COUNTED = 200
IDLE = {0: "never", 5: "5 minutes", 15: "15 minutes", 30: "30 minutes", 60: "an hour"}
"""After how many minutes without a key the account may be closed."""
FACE = (8, 3)
"""How many cells the picture of oneself has."""
SUITE = ("MLS, MLKEM768-X25519", "AES-256-GCM, Ed25519")


def _count(files: int) -> str:
    return f"{files}+" if files == FILES_COUNTED else f"{files}"


def _new(asking: int, unread: int, *, is_wide: bool) -> str:
    """Return what waits in the chats; requests are left out where there is no room."""
    requests = "1 request" if asking == 1 else f"{asking} requests"
    parts = [requests if asking and is_wide else "", f"{unread} new" if unread else ""]
    return ", ".join(part for part in parts if part) or "nothing new"


class Profile(Place):
    """What one sees after signing in."""

    BINDINGS: ClassVar = [
        ("e", "edit", "Edit"), ("h", "hide", "Hide me"), ("d", "log_out", "Log out"),
        ("i", "invite", "Invite"), ("w", "password", "Password"), ("q", "quiet", "Quiet hours"),
        ("o", "idle", "Lock when idle"),
    ]  # fmt: skip

    def compose(self) -> ComposeResult:
        """Make the boxes."""
        with Vertical(classes="place"):
            yield Box("You", Static(id="me"), id="you")
            with Container(classes="sides auto"):
                with Vertical(classes="half first auto"):
                    yield Box("Quick actions", Rows(id="quick", classes="rows"), id="actions")
                    yield Box("Log out", Static(id="out"))
                with Vertical(classes="half auto"):
                    yield Box("This session", Static(id="session"))

    def on_mount(self) -> None:
        """Draw what is known already."""
        self._is_seen: bool | None = None
        self._files = self._device = ""
        self._draw()

    def entered(self) -> None:
        """Look again."""
        self.take_focus("#quick")
        self._look()

    def told(self, news: News) -> None:
        """Draw anew what is other."""
        if isinstance(news, TOLD) and self.is_shown:
            self._draw()

    def tick(self) -> None:
        """The session has become a second older."""
        self._draw_session()

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        app = app_of(self)
        app.me = await app.ask(profile.GetMe())
        sent = await app.ask(files.GetFiles(limit=FILES_COUNTED))
        self._files = "1 file" if len(sent) == 1 else f"{_count(len(sent))} files"
        moving = await app.ask(files.GetTransfers())
        if moving and app.size.width >= WIDE:
            self._files += f", {len(moving)} on their way"
        devices = await app.ask(security.GetDevices())
        self._device = next((one.id[:8] for one in devices if one.is_this), "")
        if app.me.connection.state == "online":
            self._is_seen = await app.ask(profile.AmISeen())
        self._draw()

    def _draw(self) -> None:
        app = app_of(self)
        if app.me is None:
            return
        me = app.me.person
        seen = {True: "others see it", False: "nobody sees it", None: ""}[self._is_seen]
        name = me.called or me.name
        initials = "".join(word[0] for word in name.replace(".", " ").split()[:2]).upper()
        face = (f"  {initials:^4}  ", f"$onchip on {look.colour(me.name)} bold")
        blank = ("        ", f"on {look.colour(me.name)}")
        sign = (
            (look.ONLINE, "$good")
            if app.me.connection.state == "online"
            else (look.UNKNOWN, "$soft")
        )
        word = "online" if app.me.connection.state == "online" else "no connection"
        status = styled(
            (f"“{me.status}”" if me.status else "no status line", "" if me.status else "$soft")
        )
        edit, picture = styled("  ", keyed("e", "edit")), app.me.picture
        named = styled((name, f"{look.colour(me.name)} bold"), (f"  @{me.name}", "$soft"))
        there = styled(sign, f" {word}", (f" · {seen}" if seen else "", "$soft"))

        def draw(width: int) -> Content:
            room = width - 10 - edit.cell_length
            about = styled(status.truncate(room, ellipsis=True), edit)
            drawn = pictures.blocks(picture, *FACE) if picture else ()
            left = drawn if len(drawn) == FACE[1] else (styled(blank), styled(face), styled(blank))
            rows = zip(left, (named, there, about), strict=True)
            return stacked(
                *(styled(left, "  ", right).truncate(width, ellipsis=True) for left, right in rows)
            )

        self.query_one("#me", Static).update(Lines(draw))
        if app.me.is_host:
            self.query_one("#you", Box).border_subtitle = "host of this server"
        self._draw_quick()
        self.query_one("#out", Static).update(
            styled(
                ("Clears keys and messages here; your password or phrase", "$soft"),
                (" brings them back.\n", "$soft"),
                (" Log out ", "$ink on $rule bold"), (" d", "$accent bold"),
            )
        )  # fmt: skip
        self._draw_session()

    def _draw_quick(self) -> None:
        app = app_of(self)
        groups = sum(1 for one in app.chats.values() if one.kind in ("group", "channel", "commons"))
        count = app.to_look_at
        alerts = styled((f"▲ {count} to look at", "$bad") if count else ("all is well", "$soft"))
        counted = "1 group" if groups == 1 else f"{groups} groups"
        rows = [
            (
                "1",
                "Start chatting",
                styled((_new(app.asking, app.unread, is_wide=app.size.width >= WIDE), "$soft")),
            ),
            ("2", "Groups", styled((counted, "$soft"))),
            ("3", "Files", styled((self._files, "$soft"))),
            ("4", "Security", alerts),
        ]
        quick = self.query_one("#quick", OptionList)
        picked = quick.highlighted or 0
        quick.clear_options()
        quick.add_options(
            [
                Option(
                    row(styled((f" {key}  ", "$accent bold"), (label, "bold")), styled(right, " ")),
                    id=key,
                )
                for key, label, right in rows
            ]
        )
        quick.highlighted = picked

    def _draw_session(self) -> None:
        app, session = app_of(self), self.query_one("#session", Static)
        if app.me is None:
            return
        sign, words, ink = connection(app.me.connection, app.now())
        since = app.me.since
        took = app.me.connection.answered_ms
        connected = styled((f"{sign} {words}", ink), "" if took is None else f", {took} ms")
        said = [
            ("Connection", connected),
            ("Server", styled(app.me.server.partition("://")[2])),
            ("Server key, pinned", styled(look.grouped(app.me.server_key))),
            (
                "Opened",
                styled(
                    f"today, {look.clock(since)}"
                    if look.local(since).date() == look.local(app.now()).date()
                    else look.day(since, app.now())
                ),
            ),
            ("Lasts", styled(f"{look.lasting(app.now() - since)} so far")),
            ("Kept on this machine as", styled(app.me.profile)),
            ("This device", styled(self._device)),
            ("Encryption", styled(SUITE[0])),
            ("", styled(SUITE[1])),
            ("Quiet hours", styled(str(app.preferences.quiet or "none"))),
            ("Locks when idle", styled(self._idle())),
            ("Waiting to be sent", styled(str(app.me.waiting or "nothing"))),
        ]
        must_save = app.me.must_save_phrase

        def draw(width: int) -> Content:
            rows = [facts(said).draw(width)]
            if must_save:
                words = styled(("Write your recovery phrase down: Security, ^e", "$bad"))
                rows += [styled(""), hanging(styled(("▲ ", "$bad bold")), words, width)]
            return stacked(*rows)

        session.update(Lines(draw))

    def _idle(self) -> str:
        app = app_of(self)
        span_ms = app.locks_after_ms
        if not span_ms:
            return "never"
        policy = app.me is not None and app.me.lock_after_ms == span_ms
        return f"after {look.lasting(span_ms)}" + (", the host asks for it" if policy else "")

    # ---- Keys ----

    def keys(self) -> Sequence[tuple[str, str]]:
        """Return what can be done here."""
        return (
            ("e", "edit"),
            ("h", "hide me"),
            ("i", "invite somebody"),
            ("w", "change password"),
            ("q", "quiet hours"),
            ("o", "lock when idle"),
            ("d", "log out"),
        )

    async def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Go where the quick action leads."""
        await main_of(self).go(int(event.option.id or 1) - 1)

    @work
    async def action_edit(self) -> None:
        """Change what others see of me."""
        app = app_of(self)
        if app.me is None:
            return
        me = app.me.person
        asked = await app.push_screen_wait(
            Form(
                "How others see you",
                [
                    Field("Display name", value=me.called, id="name"),
                    Field("Status line", value=me.status, id="status"),
                    Field("Picture: its path; empty leaves it, - takes it away", id="picture"),
                ],
                "save",
            )
        )
        if asked is not None:
            path = asked["picture"].strip()
            call = profile.ShowMe(
                name=asked["name"], status=asked["status"],
                picture="" if path == "-" else path or None,
            )  # fmt: skip
            await app.tried(call)
            self._look()

    @work
    async def action_hide(self) -> None:
        """Show that one is online, or not."""
        seen = await app_of(self).tried(profile.AmISeen())
        if seen is not None:
            await app_of(self).tried(profile.SetVisibility(online=not seen))
            self._look()

    @work
    async def action_quiet(self) -> None:
        """Choose when nothing rings."""
        app = app_of(self)
        field = Field(
            "From-to, such as 22:00-07:00; empty for never",
            value=str(app.preferences.quiet or ""), id="span",
        )  # fmt: skip
        asked = await app.push_screen_wait(Form("Quiet hours on this machine", [field], "save"))
        if asked is not None:
            chosen = await app.tried(preferences.Prefer(quiet=asked["span"]))
            app.prefer(chosen)
            self._draw_session()

    @work
    async def action_idle(self) -> None:
        """Choose after how long without a key the account is closed."""
        choices = [Choice(str(minutes), words) for minutes, words in IDLE.items()]
        chosen = await app_of(self).push_screen_wait(Chooser("Lock when idle for", choices))
        if chosen is not None:
            call = preferences.Prefer(lock_minutes=int(chosen))
            kept = await app_of(self).tried(call)
            app_of(self).prefer(kept)
            self._draw_session()

    @work
    async def action_invite(self) -> None:
        """Make a link for somebody who has no account yet."""
        from alcove.tui.qr import code  # noqa: PLC0415 - It is asked for seldom.

        link = await app_of(self).tried(profile.MakeInvite())
        if link is not None:
            from alcove.tui.choosing import ShowText  # noqa: PLC0415

            app_of(self).copy_to_clipboard(link)
            words = styled(
                "For one person, for seven days; it is in your clipboard too.\n\n",
                (link, "bold"),
                "\n\n",
                code(link),
            )
            await app_of(self).push_screen_wait(ShowText("An invite to this server", words))

    @work
    async def action_password(self) -> None:
        """Take another password."""
        asked = await app_of(self).push_screen_wait(
            Form(
                "Change your password",
                [
                    Field("Password now", is_secret=True, id="old"),
                    Field("New password", is_secret=True, id="new"),
                    Field("New password again", is_secret=True, id="again"),
                    Field(
                        "Recovery phrase, if the old password is weak", is_secret=True, id="phrase"
                    ),
                ],
                "change it",
            )
        )
        if asked is None:
            return
        if asked["new"] != asked["again"]:
            app_of(self).tell("The new password was typed in two ways: do it again.")
            return
        call = profile.ChangePassword(
            password=asked["old"], new=asked["new"], phrase=asked["phrase"]
        )
        try:
            await app_of(self).ask(call)
        except ClientError as error:
            app_of(self).tell(str(error))
        else:
            app_of(self).tell("From now on the new password opens your account.", is_bad=False)

    @work
    async def action_log_out(self) -> None:
        """End the session, and clear this machine."""
        app = app_of(self)
        words = (
            "Log out? Keys and messages of this account are cleared from this machine;"
            " your password or phrase brings back what was kept."
        )
        if app.me is not None and app.me.must_save_phrase:
            words += (
                "\n\nYour recovery phrase is not written down yet,"
                " and your password alone does not bring everything back."
            )
        if await app.push_screen_wait(Question(words, "Log out")):
            try:
                await app.ask(door.LogOut())
            except ClientError as error:
                app.go_to_door(str(error))
            else:
                app.go_to_door()
