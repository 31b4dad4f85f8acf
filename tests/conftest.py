"""What all tests stand on, however they were started."""

from __future__ import annotations

import os
import signal

# Who is started in the background, as CI may do, ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# ssh asks for a password on the terminal, where there is one, and would wait for whoever runs the tests.
os.environ.update(SSH_ASKPASS="false", SSH_ASKPASS_REQUIRE="force")
