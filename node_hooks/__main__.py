"""``python3 -m node_hooks`` is ``wawel-node``."""

import sys

from node_hooks.main import main

sys.exit(main())
