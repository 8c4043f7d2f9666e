"""Pictures in, results out: sources, drawings, records, files."""
