"""What every other room needs: settings, records, errors, files, the audit."""
