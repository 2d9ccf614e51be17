"""What machine this is, and how fast it trains."""
