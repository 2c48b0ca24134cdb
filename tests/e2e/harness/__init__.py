"""What the end-to-end tests stand on; each module is one thing a test holds in its hand."""
