"""Days in, complete days out. Knows the client; knows nothing of files, ledgers or Dagster."""
