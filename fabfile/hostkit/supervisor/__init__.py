"""supervisord: its configuration, its socket, and the processes that it keeps."""
