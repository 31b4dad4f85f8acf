"""Worker that does jobs until a stop signal."""

import os
import signal
import socket
import threading

import jobs

stop = threading.Event()
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: stop.set())
jobs.work(f"{socket.gethostname()}-{os.getpid()}", stop.is_set)
