"""docs/figures.md names every figure that a server gives, and is made from a running one.

`python -m tests.test_figures_page --write` makes its tables anew: that of `/metrics` from what a
server answers there, that of `/status.json` from the struct, whose fields say what they are.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from alcove.server import pages
from alcove.server.pages import Outside, Status
from tests.server.io.live import Live, served, serving
from tests.test_docs import read
from tests.wire import told

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "figures.md"


async def measured(live: Live) -> str:
    """Return what a server says to Prometheus."""
    async with live.web.get(f"{live.address}/metrics") as response:
        assert response.status == 200
        return await response.text()


def metrics(text: str) -> list[str]:
    """Return a row for each figure, by the name under which Prometheus finds it."""
    rows = []
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert family.documentation.endswith("."), f"{name} has no sentence"
        rows.append(f"| `{name}` | {family.type} | {family.documentation} |")
    return rows


def fields() -> list[str]:
    """Return a row for each field of `/status.json`."""
    sentences = told(pages)
    rows = []
    for name in Status.__struct_fields__:
        sentence = sentences[f"Status.{name}"].doc
        assert sentence.endswith("."), f"{name} has no sentence"
        who = "anybody" if name in Outside.__struct_fields__ else "this machine"
        rows.append(f"| `{name}` | {sentence} | {who} |")
    return rows


def filled(text: str, mark: str, head: list[str], rows: list[str]) -> str:
    """Return a page with these rows between the marks of this name."""
    before, begin, rest = text.partition(f"<!-- {mark} -->\n")
    _, end, after = rest.partition(f"\n<!-- /{mark} -->")
    assert end, f"the page has no place for {mark}"
    return f"{before}{begin}\n" + "\n".join([*head, *rows]) + f"\n{end}{after}"


def page(text: str, measured_text: str) -> str:
    """Return the page as it should be."""
    head = ["| figure | kind | what it is |", "|---|---|---|"]
    text = filled(text, "metrics", head, metrics(measured_text))
    head = ["| field | what it is | who is told |", "|---|---|---|"]
    return filled(text, "status", head, fields())


@served()
async def test_the_page_names_every_figure_that_a_server_gives(live: Live) -> None:
    text = await measured(live)
    assert "`alcove_connected_devices`" in "".join(metrics(text))
    assert read(PAGE) == page(read(PAGE), text)


def test_a_figure_that_the_page_forgot_is_found() -> None:
    more = (
        "# HELP alcove_new_total One more.\n# TYPE alcove_new_total counter\nalcove_new_total 1.0\n"
    )
    assert metrics(more) == ["| `alcove_new_total` | counter | One more. |"]
    assert read(PAGE) != page(read(PAGE), more)


def test_a_figure_without_a_sentence_is_found() -> None:
    with pytest.raises(AssertionError, match="alcove_new_total has no sentence"):
        metrics(
            "# HELP alcove_new_total more\n# TYPE alcove_new_total counter\nalcove_new_total 1.0\n"
        )


def test_a_page_without_a_place_for_its_table_is_found() -> None:
    with pytest.raises(AssertionError, match="no place for metrics"):
        page("# Figures\n", "")


def test_what_anybody_is_told_is_among_what_this_machine_is_told() -> None:
    assert set(Outside.__struct_fields__) < set(Status.__struct_fields__)


async def _write(folder: Path) -> None:
    async with serving(folder) as live:
        PAGE.write_text(page(read(PAGE), await measured(live)), encoding="utf-8")


if __name__ == "__main__":
    assert sys.argv[1:] == ["--write"]
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(_write(Path(temporary)))
