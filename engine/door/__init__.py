"""The data plane: HTTP workers that carry tenants' traffic."""
