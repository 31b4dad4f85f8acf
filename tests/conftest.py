"""What all tests stand on, however they were started."""

from __future__ import annotations

import signal

# Who is started in the background, as CI may do, ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
