"""Where images come from: folders, archives, arrays, the Hugging Face Hub, MNIST."""
