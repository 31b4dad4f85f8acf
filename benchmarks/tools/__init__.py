"""hostsmith, its peers, and a script over one ssh: each does the same jobs in its own best way."""
