"""What people are told: notifications on the pages, and mails."""
