"""A process without a page; a real one would take jobs from a queue."""

import time

while True:
    time.sleep(1)
