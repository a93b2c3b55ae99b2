"""The web's way into the exchange: orders of signed-in users, holdings, API keys, and what to sign to move funds."""
