"""The control plane: supervisor, prober, log pump, sampler, config watch, store, API."""
