"""What docs/operations and the runbook promise: links that lead somewhere, a unit that is hemmed in, a health check."""

import configparser
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from plimsoll.keeper.alerts import Limits
from plimsoll.keeper.metrics import Metrics
from plimsoll.keeper.status import LoopStatus, StatusBoard
from plimsoll.keeper.web import OperationsServer

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
RUNBOOK = (DOCS / "KEEPER.md").read_text()
UNIT = (DOCS / "operations" / "plimsoll-keeper.service").read_text()
IMAGE = (DOCS / "operations" / "Containerfile").read_text()


def anchor(heading):
    """As the forge makes one of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_link_of_the_runbook_leads_somewhere():
    headings = {anchor(found) for found in re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)}
    links = re.findall(r"\]\(([^)]+)\)", RUNBOOK)
    assert len(links) > 10
    for link in links:
        path, _, place = link.partition("#")
        assert (DOCS / path).exists() if path else place in headings, link


def test_every_command_of_the_runbook_is_one():
    from plimsoll.cli import cli

    named = set(re.findall(r"`plimsoll ([a-z-]+)", RUNBOOK))
    assert named >= {"doctor", "keeper", "drill", "top", "journal", "solvency", "account"}
    assert named <= set(cli.commands)


@pytest.fixture
def unit():
    # systemd lets a key stand more than once; the last one is enough here
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(UNIT)
    return parser


def test_the_unit_may_do_little_and_comes_back(unit):
    service = unit["Service"]
    for key in (
        *("DynamicUser", "NoNewPrivileges", "PrivateDevices", "ProtectHome", "PrivateTmp", "ProtectKernelTunables"),
        *("ProtectControlGroups", "RestrictNamespaces", "RestrictSUIDSGID", "LockPersonality"),
    ):
        assert service[key] == "yes", key
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert (service["Type"], service["Restart"], service["StateDirectory"]) == ("notify", "always", "plimsoll")
    assert service["LoadCredential"].startswith("passphrase:")
    assert "%d/passphrase" in UNIT
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"


def test_the_watchdog_is_faster_than_the_alert_and_slower_than_a_look(unit):
    assert 10 < int(unit["Service"]["WatchdogSec"]) < Limits().hung


def test_the_image_runs_as_nobody_in_particular():
    lines = [line for line in IMAGE.splitlines() if not line.startswith("#")]
    last = max(k for k, line in enumerate(lines) if line.startswith("FROM "))
    assert [line for line in lines if line.startswith("FROM ")] == [
        "FROM python:3.11-slim AS build",
        "FROM python:3.11-slim",
    ]
    assert "USER plimsoll" in lines[last:]
    assert "--require-hashes" in IMAGE


def test_the_images_health_check_is_the_keepers():
    (command,) = re.findall(r"HEALTHCHECK [^\n]*\n\s+CMD \[(.+)\]", IMAGE)
    words = [word.strip(",") for word in shlex.split(command)]
    assert words[0] == "python"
    board = StatusBoard()
    server = OperationsServer(board, Metrics().registry)
    server.start()
    try:
        script = words[2].replace(":9464", f":{server.server_address[1]}")

        def healthy():
            return subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0

        assert healthy()
        board.update(loop=LoopStatus(halted="x"))
        assert not healthy()
    finally:
        server.shutdown()
        server.server_close()
