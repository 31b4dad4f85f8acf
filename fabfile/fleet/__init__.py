"""Many hosts at once: a session with each, steps that all have taken before the next begins, and the summary."""
