"""Network files: what they need and give (card), where they come from (catalog, store), and how
their raw outputs become boxes and depth (decoders, network)."""
