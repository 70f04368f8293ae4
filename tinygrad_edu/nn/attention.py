"""MultiheadAttention: each query asks all keys, in several ways at once."""

__all__: list[str] = []
