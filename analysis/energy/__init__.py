"""Energy and latency on Loihi, modelled from recorded spikes."""
