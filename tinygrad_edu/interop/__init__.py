"""Other libraries: ONNX, scikit-learn, einops and Hypothesis."""
