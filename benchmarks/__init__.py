"""What hostsmith costs beside other tools, on hosts of the sandbox; `make bench`."""
