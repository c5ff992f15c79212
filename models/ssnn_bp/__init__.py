"""SSNN-BP (Biswas et al. 2022): stochastic neurons that carry activations and gradients at the same time."""
