"""What all tests need of the process that they run in."""

from __future__ import annotations

import signal

# Whoever runs us in the background may have us ignore Ctrl-C, which programs that we start would inherit, and so never
# be interrupted by it.
signal.signal(signal.SIGINT, signal.default_int_handler)
