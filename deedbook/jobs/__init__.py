"""Jobs that several rooms have a part in, one file a flow."""
