"""What must outlive a process: the journal and its sequencer, snapshots, the database, projections and streams."""
