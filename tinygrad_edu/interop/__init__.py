"""Other libraries: ONNX, scikit-learn and einops."""
