#!/bin/sh
# Makes what docker-compose.yml mounts as secrets, once: passwords, the URLs that carry them, and the two keys.
#
#   sh deploy/secrets.sh
#
# The folder is open to its owner only. A bind mount keeps owner and mode of a file, so the keys, which Curfew refuses to
# read when others can, belong to the user of the containers: whoever runs this (noted in .env), or, for root, the image's
# own user.
set -eu
umask 077
cd "$(dirname "$0")/.."

if [ -e secrets ]; then
  printf 'secrets/ is there already: nothing was changed. What is sealed under its keys opens with no others.\n' >&2
  exit 1
fi
rm -rf secrets.new
mkdir secrets.new
trap 'rm -rf secrets.new' EXIT

# 192 random bits that need no escaping in a URL.
password() {
  head -c 24 /dev/urandom | base64 | tr '+/' '-_'
}

# write <name> <value>
write() {
  printf '%s\n' "$2" >"secrets.new/$1"
}

owner=$(password)
write owner_password "$owner"
write owner_database_url "postgres://postgres:$owner@postgres:5432/curfew"
for process in api worker timekeeper; do
  secret=$(password)
  write "${process}_database_password" "$secret"
  write "${process}_database_url" "postgres://curfew_$process:$secret@postgres:5432/curfew"
done

queue=$(password)
write redis_users "user default on >$queue ~* &* +@all"
write redis_url "redis://:$queue@redis:6379"

# PostgreSQL and Redis read theirs as users of their own; the folder keeps everybody else out.
chmod 0444 secrets.new/*

for key in sealing proof; do
  head -c 32 /dev/urandom | base64 >"secrets.new/${key}_key"
done

printf '*\n' >secrets.new/.gitignore
if [ "$(id -u)" = 0 ]; then
  chown 10001:10001 secrets.new/sealing_key secrets.new/proof_key
elif ! grep -q '^CURFEW_UID=' .env 2>/dev/null; then
  printf 'CURFEW_UID=%s\nCURFEW_GID=%s\n' "$(id -u)" "$(id -g)" >>.env
fi
mv secrets.new secrets
trap - EXIT
printf 'secrets/ is made. Keep a copy of secrets/sealing_key and secrets/proof_key apart from the backups of the database.\n'
