"""nBP (Renner et al. 2024): a gated circuit that learns by backpropagation in twelve time steps."""
