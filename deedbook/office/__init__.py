"""The back office put together: what each flow offers over HTTP, does as jobs, and does by itself."""
