"""Training: options, the loop over epochs, and one file for each system."""
