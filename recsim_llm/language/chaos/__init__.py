"""A model server of one's own on loopback that answers as slowly and as badly as it is told."""
