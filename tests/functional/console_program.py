"""``Wawel``: the console as a program, with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab.credentials import Account

PROGRAM = [sys.executable, "-m", "clm.console.main"]
REPOSITORY = Path(__file__).resolve().parents[2]


class Wawel:
    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "WAWEL_"))}
        self.environment = {**kept, "HOME": str(home), "PYTHONPATH": str(REPOSITORY)}

    def log_in(self, url: str, profile: str, account: Account) -> None:
        self.run("login", "--use", "--url", url, "--profile", profile, "--login", account.login, "--password-file", "-",
                 standard_input=account.password + "\n")  # fmt: skip

    def run(self, *words: str, code: int = 0, standard_input: str = "") -> str:
        """What it prints; what it says besides, too, where it is to fail."""
        done = subprocess.run([*PROGRAM, *words], input=standard_input, capture_output=True, text=True, timeout=240,
                              env=self.environment)  # fmt: skip
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout if not code else done.stdout + done.stderr

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "-o", "json"))

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.environment)  # fmt: skip
