"""Data sets, how they are found and downloaded, and how they become spikes."""
