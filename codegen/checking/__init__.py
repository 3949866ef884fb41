"""What is wrong with a document that is well formed: names, order, references."""
