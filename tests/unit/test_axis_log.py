"""What clients log in a command that starts roles: into a file beside the roles' logs, not into the view."""

import asyncio
import logging
from pathlib import Path

import pytest

from docaxis.commands.axis import Axis
from docaxis.settings import Settings


def test_lines_of_clients_go_to_a_file_while_the_axis_is_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = list(logging.getLogger().handlers)

    async def scenario() -> None:
        async with Axis(Settings(), tmp_path / "logs"):
            logging.getLogger("aiokafka.consumer.fetcher").error("not leader for %s", "axis.readings")

    asyncio.run(scenario())
    text = (tmp_path / "logs" / "command.log").read_text(encoding="utf-8")
    assert text.endswith("ERROR aiokafka.consumer.fetcher: not leader for axis.readings\n")
    assert capsys.readouterr().err == ""
    assert logging.getLogger().handlers == handlers


def test_nothing_logged_leaves_no_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Axis(Settings(), tmp_path / "logs"):
            pass

    asyncio.run(scenario())
    assert list((tmp_path / "logs").iterdir()) == []
