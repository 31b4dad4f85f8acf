"""supervisord: configuration, socket and processes."""
