"""The steps of a release on a host: prepared, made live, settled, restarted, restored."""
