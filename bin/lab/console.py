"""``Wawel``: the console ``wawel`` as somebody runs it in a shell, with profiles of its own."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.daemon import module_argv
from lab.places import REPOSITORY, LabProblem, environment

PATIENCE_S = 300.0
ENVIRONMENT = """\
# For a shell: where the console is, and where it keeps its profiles.
export PATH={programs}:$PATH
export XDG_CONFIG_HOME={base}/config XDG_CACHE_HOME={base}/cache XDG_STATE_HOME={base}/state
"""


class Wawel:
    """
    Every call is a process of its own.

    :param base: where profiles, sessions and what else it keeps are to be.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.variables = {f"XDG_{name.upper()}_HOME": str(base / name) for name in ("config", "cache", "state")}

    def write_environment(self, path: Path) -> None:
        """A file that a shell reads, to be where we are."""
        path.write_text(
            ENVIRONMENT.format(programs=shlex.quote(str(Path(sys.executable).parent)), base=shlex.quote(str(self.base)))
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Run it; its output is to be read by ``end``."""
        return subprocess.Popen(
            module_argv("clm.console.main", *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, cwd="/",
            env=environment(PYTHONPATH=str(REPOSITORY), COLUMNS="110", **self.variables),
        )  # fmt: skip

    def run(self, *arguments: str, standard_input: str = "") -> subprocess.CompletedProcess[str]:
        """Run it to its end, whatever that is."""
        return self.finish(self.start(*arguments), standard_input)

    def finish(self, process: subprocess.Popen[str], standard_input: str = "") -> subprocess.CompletedProcess[str]:
        """Wait for one that was started, whatever its end is."""
        try:
            out, told = process.communicate(standard_input, PATIENCE_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return subprocess.CompletedProcess(process.args, process.returncode, out, told)

    def __call__(self, *arguments: str, standard_input: str = "") -> str:
        """
        Run it; what it printed.

        :raises LabProblem: it failed; carries what it said.
        """
        return self.end(self.start(*arguments), standard_input)

    def end(self, process: subprocess.Popen[str], standard_input: str = "") -> str:
        """Wait for one that was started; as above."""
        done = self.finish(process, standard_input)
        if done.returncode:
            words = " ".join(process.args[3:]) if isinstance(process.args, list) else ""
            raise LabProblem(f"wawel {words} failed ({done.returncode}): {done.stderr.strip()[-600:]}")
        return done.stdout

    def end_all(self, started: Mapping[str, subprocess.Popen[str]]) -> dict[str, str]:
        """Wait for several; what each printed. All have ended when one fails."""
        try:
            return {name: self.end(process) for name, process in started.items()}
        finally:
            for process in started.values():
                if process.poll() is None:
                    process.kill()
                    process.communicate()

    @staticmethod
    def first(answer: str) -> dict[str, Any]:
        """The first thing of a list in JSON."""
        told = json.loads(answer)
        first: dict[str, Any] = (told["items"] if isinstance(told, dict) else told)[0]
        return first

    def json(self, *arguments: str) -> Any:
        """Run it, and read its answer."""
        return json.loads(self(*arguments, "--output", "json"))
