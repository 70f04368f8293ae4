"""Use of several cores: by the shards of a batch, and by the parts of an op inside of a shard."""
