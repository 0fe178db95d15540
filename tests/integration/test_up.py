"""`docaxis up`: the whole axis at a chosen pace with its live page, until Ctrl-C."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from docaxis.kafka.topics import Topics
from docaxis.settings import KafkaSettings
from tests.support.pictures import until_shown
from tests.support.workloads import options_of


@pytest.mark.timeout(300)
def test_it_runs_shows_itself_and_ends_in_order(kafka: KafkaSettings, topics: Topics, tmp_path: Path) -> None:
    on = options_of(kafka, topics.prefix)
    log = tmp_path / "log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "docaxis", "up", "--rate", "30", "--lang", "vi", *on]
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=tmp_path)
    try:
        picture = until_shown(log, lambda one: one.get("totals", {}).get("received", 0) > 20)
        assert picture["totals"]["sent"] > 0
        told = log.read_text(encoding="utf-8")
        for role in ("hub", "stream", "fleet"):
            url = re.search(rf"^{role} +(http://127\.0\.0\.1:\d+)/metrics$", told, re.MULTILINE)
            assert url is not None, told
            assert urllib.request.urlopen(f"{url[1]}/healthz", timeout=30).read() == b"ok\n"
            assert urllib.request.urlopen(f"{url[1]}/readyz", timeout=30).status == 200
            assert b"docaxis_build_info" in urllib.request.urlopen(f"{url[1]}/metrics", timeout=30).read()
        process.send_signal(signal.SIGINT)
        assert process.wait(100) == 0, log.read_text(encoding="utf-8")
        assert "Đang kết thúc: các tiến trình" in log.read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait()
