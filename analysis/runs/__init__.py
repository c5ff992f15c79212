"""Run directories and sweep directories: their format, read and written in one place."""
