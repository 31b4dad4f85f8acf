"""The transaction of a deploy: all hosts get a release, or none."""
