"""The store: publishing, releasing, listing and removing versions of models in one folder."""
