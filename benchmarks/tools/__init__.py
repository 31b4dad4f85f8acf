"""Tools of the benchmark: hostsmith, its peers, and a shell script over ssh."""
