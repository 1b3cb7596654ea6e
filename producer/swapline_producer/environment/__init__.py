"""Where settings come from: variables, `.env`, files."""
