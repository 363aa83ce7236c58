"""What every other room needs: errors, paths, users, times, texts."""
