"""Host-side foundation of resources: Linux, programs, virtualenvs, an app's files."""
