"""Training of the models of `models/`, compared with PyTorch, from equal weights and on equal batches."""
