"""Sources of images: folders, ZIP archives, arrays, the Hugging Face Hub, MNIST."""
