"""Wrong gradients and their right twins, written by someone who had not seen the checker."""
