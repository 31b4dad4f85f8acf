"""Benchmark of hostsmith beside other tools on sandbox hosts; `make bench`."""
