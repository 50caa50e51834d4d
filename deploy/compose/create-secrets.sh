#!/bin/sh
# Writes new random secrets into deploy/secrets and deploy/.env, once; it never overwrites one.
set -eu
cd "$(dirname "$0")/.."
umask 022 # the containers read them as a user of their own: keep the folder above to yourself instead
mkdir -p -m 0700 secrets
random() { openssl rand -hex 24; }
write() { [ -e "$1" ] || printf '%s\n' "$2" > "$1"; }
write .env "TEMPORAL_DB_PASSWORD=$(random)"
write secrets/postgres-password "$(random)"
write secrets/connector-db-password "$(random)"
write secrets/database-url "postgresql://connector:$(cat secrets/connector-db-password)@postgresql/connector"
write secrets/erasure-secret "$(random)"
write secrets/api-keys "[{\"name\": \"operator\", \"key\": \"$(random)\", \"scopes\": [\"ingest\", \"read\", \"manage\"]}]"
