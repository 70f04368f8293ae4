"""The models of `models/` beside the same models in PyTorch: from the same weights, on the same batches."""
