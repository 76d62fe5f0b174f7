"""A place: one of the five that the bar leads to."""

from collections.abc import Sequence

from textual.containers import Container

from alcove.desk.news import News
from alcove.tui.guard import Steady
from alcove.tui.shell import app_of


class Place(Steady, Container):
    """What all five can do."""

    def entered(self) -> None:
        """It is shown now: look again, and take the focus."""

    def take_focus(self, name: str) -> None:
        """Give the focus to a part at once: the next key may be on its way already."""
        self.screen.set_focus(self.query_one(name))

    def told(self, news: News) -> None:
        """Something is other than before; also while another place is shown."""

    def tick(self) -> None:
        """A second has passed: draw anew what shows a time."""

    def keys(self) -> Sequence[tuple[str, str]]:
        """Return the keys that do something here, the most useful first."""
        return ()

    @property
    def is_shown(self) -> bool:
        """Whether it is the one that is shown."""
        return self.display and app_of(self).me is not None
