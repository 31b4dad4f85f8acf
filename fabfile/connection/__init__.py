"""The way to a host: SSH, host keys, the program that is sent, and the session with it."""
