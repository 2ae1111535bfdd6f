"""What all tests need of the process that they run in."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

# Whoever runs us in the background may have us ignore Ctrl-C, which programs that we start would inherit, and so never
# be interrupted by it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A landing is judged by the same examples as the run before it; new ones are drawn where somebody looks at what they
# find: WAWEL_FRESH=1 bin/test unit.
settings.register_profile("fixed", derandomize=True)
settings.register_profile("fresh")
settings.load_profile("fresh" if os.environ.get("WAWEL_FRESH") else "fixed")
