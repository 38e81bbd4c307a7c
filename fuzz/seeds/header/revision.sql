-- revision: 002
-- parents: [001, ab12]
-- message: "v2.1: features"
-- labels: orders
-- depends_on: 003
-- created: 2025-11-20T09:30:00Z
-- transaction: false
-- lock_timeout: 2s

-- migrate:upgrade
SELECT 1;
