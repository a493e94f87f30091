"""From one store to another, or to a file and back, with every chain, hash, position and generation."""
