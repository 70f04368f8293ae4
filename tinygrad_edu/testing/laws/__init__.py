"""Laws of ops and modules that need no numeric derivative, such as linearity in the cotangent."""
