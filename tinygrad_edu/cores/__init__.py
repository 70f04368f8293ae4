"""The cores of this machine, shared: by the shards of a batch, and inside of one by the parts of an op."""
