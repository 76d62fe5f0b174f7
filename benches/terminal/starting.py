"""The app, started: `python -m benches.terminal.starting HOME BEGUN_S RESULT`.

BEGUN_S is the monotonic time at which the process was begun, so that loading Python counts.  The
account of the home is opened as soon as it is offered; as soon as its first screen is drawn, key 1
is pressed.  When its rooms stand there, the times go into the file RESULT and the program ends.
"""

import json
import sys
import time
from pathlib import Path

from textual.events import Key
from textual.widgets import OptionList

from alcove.tui.app import Alcove
from alcove.tui.door import Door
from alcove.tui.main import Main


class Started(Alcove):
    """The app, which opens the first account that it is offered."""

    def __init__(self, home: Path, begun_s: float, result: Path) -> None:
        super().__init__(home)
        self._begun_s, self._result = begun_s, result
        self._found: dict[str, float] = {}
        self._is_there = self._is_asked = False

    # The style sheet is found beside the class that names it.
    CSS_PATH = str(Path(sys.modules[Alcove.__module__].__file__ or "").with_name("alcove.tcss"))

    def on_ready(self) -> None:
        """Wait for the door, and go through it."""
        self.set_interval(0.005, self._look)

    def _look(self) -> None:
        since_s = time.monotonic() - self._begun_s
        if isinstance(self.screen, Door) and "tui_door_s" not in self._found:
            accounts = self.screen.query_one("#accounts", OptionList)
            if accounts.option_count and accounts.has_focus:
                self._found["tui_door_s"] = since_s
                accounts.action_select()
        elif isinstance(self.screen, Main) and self.screen.is_attached and not self._is_there:
            self._is_there = True
            self.screen.call_after_refresh(self._begin)
        elif self._is_asked and any(one.has_focus for one in self.screen.query("#chats")):
            self._is_asked = False
            self.screen.call_after_refresh(self._done)

    def _begin(self) -> None:
        self._found["tui_start_s"] = time.monotonic() - self._begun_s
        self._found["tui_start_cpu_s"] = time.process_time()
        self._is_asked = True
        self.post_message(Key("1", "1"))

    def _done(self) -> None:
        self._found["tui_rooms_s"] = time.monotonic() - self._begun_s
        self._found["rooms"] = self.screen.query_one("#chats", OptionList).option_count
        self._result.write_text(json.dumps(self._found), encoding="utf-8")
        self.exit()


if __name__ == "__main__":
    Started(Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])).run()
