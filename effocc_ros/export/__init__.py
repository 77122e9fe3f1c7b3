"""Networks as ONNX: the dense halves, checked against torch."""
