"""onnxruntime: sessions, execution providers, graph rewrites, CUDA graphs. Arrays in and out."""
