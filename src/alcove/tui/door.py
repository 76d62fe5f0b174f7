"""The door: accounts of this machine, registering, signing in, each with what the server asks."""

from collections.abc import Iterator
from typing import ClassVar, TypeVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from alcove.client import ClientError
from alcove.desk import door, profile, shown
from alcove.desk.calls import Call
from alcove.tui import look
from alcove.tui.choosing import ShowText
from alcove.tui.guard import Steady
from alcove.tui.lines import Lines, hanging, stacked
from alcove.tui.look import styled
from alcove.tui.shell import NEXT_FIELD, Box, Field, Form, Keys, Rows, Tick, TopBar, app_of

R = TypeVar("R")
BITS = 64.0
METER_CELLS = 30
NAME_NOTE = "3 to 30: letters, digits . _ -"


FORGOTTEN = (
    "Your recovery phrase opens everything, in place of the password.",
    "Your host can issue a reset link. Others then see you as ▲ changed: look.",
)


def _meter(bits: float, word: Content, more: str, ink: str) -> Lines:
    """Return how strong a password is, and why that matters."""

    def draw(width: int) -> Content:
        cells = min(METER_CELLS, max(6, width - word.cell_length - 11))
        full = round(min(1.0, bits / BITS) * cells)
        first = styled(
            ("━" * full, ink), ("─" * (cells - full), "$hint"), (f"  {bits:.0f} bits ", "bold"),
            word,
        )  # fmt: skip
        return stacked(first, *styled((more, "$soft")).wrap(width)) if more else first

    return Lines(draw)


def _account(one: shown.Account, where: str) -> Content:
    """Return an account of this machine."""
    sign = (f"{look.UNKNOWN} ", "$soft")
    asks = "   its passphrase opens it" if one.asks_passphrase else "   enter opens it"
    return styled(
        " ", sign, (one.name, f"{look.colour(one.name)} bold"), ("  on ", "$soft"), where, "\n",
        (asks, "$soft"),
    )  # fmt: skip


def _forgotten(width: int) -> Content:
    """Return the ways back, in their order."""
    ways = enumerate(FORGOTTEN, 1)
    return stacked(
        styled(("Password forgotten?", "$ink bold")),
        *(hanging(styled(f"{number}  "), styled(way), width) for number, way in ways),
    )


class Door(Steady, Screen[None]):
    """Nobody is signed in: choose an account of this machine, make one, or bring one."""

    AUTO_FOCUS = ""

    BINDINGS: ClassVar = [
        Binding("ctrl+n", "new_words", "new words", priority=True, show=False),
        Binding("ctrl+e", "own_words", "my own words", priority=True, show=False),
        Binding("ctrl+s", "other_way", "the other way in", priority=True, show=False),
        Binding("escape", "accounts", "accounts", show=False),
        *NEXT_FIELD,
    ]

    def __init__(self, accounts: tuple[shown.Account, ...]) -> None:
        super().__init__()
        self._accounts = accounts
        self._mode = "accounts" if accounts else "register"
        self._is_generated = True
        self._server: shown.Server | None = None
        self._keeper = ""
        self._words = ""
        self._is_busy = False

    def compose(self) -> ComposeResult:
        """Make what everybody sees; the fields come for whoever has no account here."""
        yield TopBar()
        with VerticalScroll(id="door"), Box("", classes="doorbox", id="box"):
            yield Rows(classes="rows -picks", id="accounts")
            yield Static(id="why", classes="h bad")
        yield Keys(has_palette=False)

    def _fields(self) -> Iterator[Widget]:
        """Make all fields; only what the chosen way in needs is shown."""
        yield Field(
            "Server, or the link of an invite",
            id="server",
            value=app_of(self).server,
            hint="chat.example.org",
        )
        yield Static(id="about", classes="h")
        yield Field("User name", id="name", note=NAME_NOTE)
        yield Field("Password", id="password")
        yield Static(id="meter", classes="h")
        yield Field("Password of the server", id="server_password", is_secret=True)
        yield Field(
            "Passphrase for this machine",
            id="passphrase",
            is_secret=True,
            note="encrypts what is kept here",
        )
        yield Static(id="held", classes="h")
        yield Tick("I have written the five words down", id="written")
        yield Button("", id="do")

    async def _make_fields(self) -> None:
        box = self.query_one("#box")
        await box.mount_all(self._fields(), before="#why")
        await box.mount(Static(Lines(_forgotten), id="forgotten", classes="h"))
        self._keeper = await app_of(self).ask(door.GetKeeper())
        await self._new_words()
        if app_of(self).server:
            self._look(app_of(self).server)

    async def on_mount(self) -> None:
        """Show the first way in."""
        options = self.query_one("#accounts", OptionList)
        for one in self._accounts:
            where = one.server.partition("://")[2]
            options.add_option(Option(_account(one, where), id=one.profile))
        options.add_option(Option(styled(" ", ("+ ", "$accent bold"), "another account"), id=""))
        self.query_one("#accounts", OptionList).highlighted = 0
        await self._show()
        self.call_after_refresh(self._prepare)

    @work(group="prepare")
    async def _prepare(self) -> None:
        """Use the time in which somebody looks at this."""
        await app_of(self).ask(door.Prepare())

    # ---- Which way in ----

    async def _show(self) -> None:
        mode = self._mode
        if mode != "accounts" and not self.query("#name"):
            await self._make_fields()
        asks_server = self._server is not None and self._server.registration == "password"
        is_invited = self._server is not None and self._server.invite == "open"
        visible = {
            "#accounts": mode == "accounts",
            "#server": mode != "accounts",
            "#about": mode != "accounts",
            "#name": mode != "accounts",
            "#password": mode != "accounts",
            "#meter": mode == "register",
            "#server_password": mode == "register" and asks_server and not is_invited,
            "#passphrase": mode != "accounts" and self._keeper == "passphrase",
            "#held": mode != "accounts" and bool(self._value("passphrase")),
            "#written": mode == "register" and self._is_generated,
            "#do": mode != "accounts",
            "#forgotten": mode == "sign-in",
        }
        for name, is_visible in visible.items():
            for one in self.query(name):
                one.display = is_visible
        titles = {"accounts": "Welcome back", "register": "Create account", "sign-in": "Sign in"}
        self.query_one("#box", Box).name_it(titles[mode])
        if mode != "accounts":
            self._name_fields()
        keys = {
            "accounts": (("↑ ↓", "choose"), ("enter", "open"), ("^q", "quit")),
            "register": (
                ("tab", "next field"),
                ("enter", "do it"),
                ("^n", "new words"),
                ("^e", "my own words"),
                ("^s", "sign in instead"),
            ),
            "sign-in": (
                ("tab", "next field"),
                ("enter", "do it"),
                ("^s", "create an account instead"),
            ),
        }[mode]
        self.query_one(Keys).tell(
            keys if not self._accounts or mode == "accounts" else (*keys, ("esc", "accounts"))
        )
        first = "#accounts"
        if mode != "accounts":
            first = "#name" if self.query_one("#server", Field).value else "#server"
        self.query_one(first).focus()

    def _name_fields(self) -> None:
        """Say in the fields what is wanted there, and on the button what it does."""
        is_new = self._mode == "register"
        self.query_one("#do", Button).label = "Create account" if is_new else "Sign in"
        password = self.query_one("#password", Field)
        password.password = not (is_new and self._is_generated)
        password.label = {
            (True, True): "Your password: five words, made on this computer",
            (True, False): "Your own password",
        }.get((is_new, self._is_generated), "Password, or recovery phrase")
        password.border_title = password.label
        self.query_one("#name", Field).border_subtitle = NAME_NOTE if is_new else ""

    async def action_other_way(self) -> None:
        """Sign in instead of making an account, or the other way round."""
        self._mode = "register" if self._mode == "sign-in" else "sign-in"
        await self._show()
        self.query_one("#password", Field).value = ""
        if self._mode == "register" and self._is_generated:
            self._fill_words()

    async def action_accounts(self) -> None:
        """Go back to the accounts of this machine."""
        if self._accounts and not self._is_busy:
            self._mode = "accounts"
            await self._show()

    # ---- What the server asks ----

    def on_input_blurred(self, event: Input.Blurred) -> None:
        """Look at the server as soon as its name stands there."""
        if event.input.id == "server" and event.value.strip():
            self._look(event.value.strip())

    @work(exclusive=True, group="look")
    async def _look(self, server: str) -> None:
        about = self.query_one("#about", Static)
        try:
            self._server = found = await app_of(self).ask(door.LookAt(server=server))
        except ClientError as error:
            self._server = None
            about.update(styled(("▲ ", "$bad bold"), (str(error), "$bad")))
            return
        asks = {
            "open": "Anyone may register here.",
            "password": "Registering here asks for the server's password.",
            "invite": "Registering here takes an invite link.",
            "closed": "Nobody can register here now; sign in with ^s.",
        }.get(found.registration, "")
        if found.invite == "open":
            who = f"@{found.inviter}" if found.inviter else "The host"
            about.update(
                styled((who, "bold"), " invites you to ", (found.name or found.address, "bold"))
            )
        elif found.invite:
            said = {
                "used": "This invite was used already",
                "ended": "The time of this invite is over",
            }.get(found.invite, "The server does not know this invite")
            about.update(styled(("▲ ", "$bad bold"), (f"{said}: ask for a new one.", "$bad")))
        else:
            about.update(styled(("✓ ", "$good"), (asks, "$soft")))
        self.query_one("#server_password").display = (
            self._mode == "register" and found.registration == "password" and found.invite != "open"
        )

    # ---- A new password ----

    async def _new_words(self) -> None:
        self._words = await app_of(self).ask(door.NewPassword())
        self._fill_words()

    def _fill_words(self) -> None:
        password = self.query_one("#password", Field)
        password.value = self._words if self._mode == "register" else ""
        password.cursor_position = len(password.value)

    async def action_new_words(self) -> None:
        """Take five other words."""
        if self._mode == "register":
            self._is_generated = True
            await self._new_words()
            await self._show()

    async def action_own_words(self) -> None:
        """Type a password of one's own."""
        if self._mode == "register":
            self._is_generated = False
            self.query_one("#password", Field).value = ""
            await self._show()
            self.query_one("#password").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Judge what is typed."""
        if event.input.id == "password" and self._mode == "register":
            self._judge(event.value)
        if event.input.id == "passphrase":
            self._judge_passphrase(event.value)

    @work(exclusive=True, group="judge")
    async def _judge(self, password: str) -> None:
        meter = self.query_one("#meter", Static)
        if self._is_generated and password == self._words:
            meter.update(
                _meter(
                    BITS,
                    styled(("very strong", "$good")),
                    (
                        "Opens everything on a new device. Never sent to the server:"
                        " nobody there can read it or send it back."
                    ),
                    "$good",
                )
            )
            return
        if not password:
            meter.update("")
            return
        name = self.query_one("#name", Field).value
        found = await app_of(self).ask(door.Judge(password=password, name=name))
        word = (
            "strong enough for a new device"
            if found.opens_the_box
            else "weak"
            if found.is_allowed
            else "not enough"
        )
        ink = "$good" if found.opens_the_box else "$accent" if found.is_allowed else "$bad"
        meter.update(_meter(found.guesses_log2, styled((word, ink)), found.warning, ink))

    @work(exclusive=True, group="judge-passphrase")
    async def _judge_passphrase(self, passphrase: str) -> None:
        """Say how hard it is to guess; a weak one is taken too."""
        held = self.query_one("#held", Static)
        held.display = bool(passphrase)
        if not passphrase:
            return
        call = door.JudgePassphrase(passphrase=passphrase, name=self._value("name"))
        found = await app_of(self).ask(call)
        ink = {"weak": "$bad", "fair": "$accent"}.get(found.word, "$good")
        held.update(_meter(found.guesses_log2, styled((found.word, ink)), found.warning, ink))

    # ---- Going in ----

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the next field, or in."""
        event.stop()
        fields = [one for one in self.query(Field) if one.display]
        if event.input not in fields:  # Another key has put it away.
            return
        place = fields.index(event.input)
        if place + 1 < len(fields):
            fields[place + 1].focus()
        elif self.query_one("#written").display and not self.query_one("#written", Tick).value:
            self.query_one("#written").focus()
        else:
            self._enter()

    def on_button_pressed(self) -> None:
        """Go in."""
        self._enter()

    async def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open an account of this machine, or bring another."""
        if event.option.id:
            self._open(event.option.id)
        else:
            self._mode = "sign-in"
            await self._show()

    def _value(self, name: str) -> str:
        return self.query_one(f"#{name}", Field).value

    def _say(self, text: str) -> None:
        self.query_one("#why", Static).update(
            styled(("▲ ", "$bad bold"), (text, "$bad")) if text else ""
        )

    @work(group="enter")  # Not exclusive: what is under way is not ended by one more key.
    async def _open(self, name: str) -> None:
        if self._is_busy:
            return
        account = next(one for one in self._accounts if one.profile == name)
        if not account.asks_passphrase:
            await self._try(door.Open(profile=name, connects=False))
            return
        why = ""
        while True:  # Whoever has mistyped it types it again, where it was asked for.
            field = Field("Passphrase", is_secret=True, id="passphrase")
            form = Form(f"Open {account.name}", [field], "open", why=why)
            asked = await self.app.push_screen_wait(form)
            if asked is None:
                return
            self._is_busy = True
            try:
                await app_of(self).ask(
                    door.Open(profile=name, passphrase=asked["passphrase"], connects=False)
                )
            except ClientError as error:
                why = str(error)
            else:
                app_of(self).enter()
                return
            finally:
                self._is_busy = False

    @work(group="enter")
    async def _enter(self) -> None:
        if self._is_busy:
            return
        if self.query_one("#written").display and not self.query_one("#written", Tick).value:
            self._say("Write the five words down first: nobody can send them to you again.")
            return
        passphrase = self._value("passphrase") if self._keeper == "passphrase" else None
        if passphrase == "":
            self._say("Choose a passphrase: what is kept on this machine is encrypted with it.")
            return
        if self._mode == "register":
            phrase = await self._try(
                door.Register(
                    server=self._value("server"),
                    name=self._value("name"),
                    password=self._value("password"),
                    passphrase=passphrase,
                    server_password=self._value("server_password") or None,
                ),
                enters=False,
            )
            if phrase is not None:
                await self._show_phrase(phrase)
                app_of(self).enter()
        else:
            await self._sign_in(passphrase)

    async def _sign_in(self, passphrase: str | None, code: str | None = None) -> None:
        done = await self._try(
            door.SignIn(
                server=self._value("server"),
                name=self._value("name"),
                password=self._value("password"),
                passphrase=passphrase,
                code=code,
            ),
            enters=False,
        )
        if done:
            app_of(self).enter()
        elif done is False:
            asked = await self.app.push_screen_wait(
                Form("Code", [Field("Code of your authenticator app", id="code")], "sign in")
            )
            if asked is not None:
                await self._sign_in(passphrase, asked["code"])

    async def _try(self, call: "Call[R]", *, enters: bool = True) -> R | None:
        self._is_busy = True
        self._say("")
        buttons = [(one, one.label) for one in self.query("#do").results(Button)]
        for button, _ in buttons:
            button.disabled, button.label = True, "One moment…"
        try:
            answer = await app_of(self).ask(call)
        except ClientError as error:
            self._say(str(error))
            return None
        finally:
            self._is_busy = False
            for button, before in buttons:
                button.disabled, button.label = False, before
        if enters:
            app_of(self).enter()
        return answer

    async def _show_phrase(self, phrase: str) -> None:
        """With a weak password the recovery phrase has to be written down."""
        me = await app_of(self).ask(profile.GetMe())
        if me.must_save_phrase:
            words = styled(
                "These words open your account on a new device when this one is lost.\n"
                "Your password alone is not strong enough for that.\n\n", (phrase, "bold"),
                ("\n\nWrite them on paper. Security shows them again when you ask.", "$soft"),
            )  # fmt: skip
            await self.app.push_screen_wait(ShowText("Your recovery phrase", words))
