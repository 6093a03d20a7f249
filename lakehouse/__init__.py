"""What every job stands on: session, tables, runner, ledger, gate, SQL, report, command line."""
