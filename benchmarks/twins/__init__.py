"""The models of `models`, trained here and in PyTorch from the same weights on the same batches."""
