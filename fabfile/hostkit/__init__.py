"""What resources stand on, on the host: Linux, programs, virtualenvs, the files of an app. It travels to the host."""
