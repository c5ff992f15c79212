"""The command line: streams and signals, and the commands."""
