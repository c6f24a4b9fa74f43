"""What the person did: recorded, kept until it was answered, and dropped when it has come back."""
