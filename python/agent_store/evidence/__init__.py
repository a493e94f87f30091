"""What shows others that a store is whole: signed checkpoints, receipts, witnesses. docs/format.md has the formats."""
