"""The portal's pages, as its own sources declare them: a page that is new is in every test over them by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "clm" / "portal" / "web" / "src" / "model" / "routes.ts"
NODE = Path(sys.prefix) / "bin" / "node"


@dataclass(frozen=True)
class Route:
    """:ivar path: below ``/ui``; its parts that begin with a colon are to be filled in."""

    page: str
    path: str
    audience: str


def read_routes() -> list[Route]:
    """All of them; none where there is no Node.js."""
    if not NODE.exists():
        return []
    asked = f"import({json.dumps(str(SOURCE))}).then(({{ROUTES}}) => console.log(JSON.stringify(ROUTES)))"
    told = subprocess.run([NODE, "-e", asked], capture_output=True, text=True, timeout=60, check=True).stdout
    return [Route(each["page"], each["path"], each["audience"]) for each in json.loads(told)]
