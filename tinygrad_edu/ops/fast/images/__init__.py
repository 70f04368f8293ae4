"""Fast sliding windows: blocks of columns, channels last, and buffers that stay in the cache."""
