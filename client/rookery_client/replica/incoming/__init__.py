"""What comes from the server: batches applied, scopes refilled, comparisons set right."""
