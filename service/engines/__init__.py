"""onnxruntime: sessions, execution providers, graph rewrites, CUDA graphs; arrays in and out."""
