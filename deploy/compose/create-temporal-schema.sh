#!/bin/sh
# Creates Temporal's two databases with their tables, and upgrades them; safe to repeat.
set -eu
for name in temporal temporal_visibility; do
  tool="temporal-sql-tool --plugin postgres12 --ep postgresql -p 5432 -u temporal --db $name"
  $tool create || true # it is there already
  $tool setup-schema -v 0.0 || true
  $tool update-schema -d "/etc/temporal/schema/postgresql/v12/${name#temporal_}/versioned"
done
