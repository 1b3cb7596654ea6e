#!/bin/sh
# Makes the secrets that docker-compose.yml reads, each in a file of its own below ./secrets. What is there is kept.
#
#   sh ops/docker/secrets.sh            then write the vendor's key into secrets/api_key
#
# The folder is for its owner alone; the files in it can be read by anybody who gets into it, because containers run as
# users of their own, and compose hands out files with the modes that they have here.
set -eu

folder=${1:-secrets}
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

# 192 bits, in letters that need no quoting in a URL, a shell or an ACL file.
random() { od -An -tx1 -N24 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "$1" ] || printf '%s\n' "$2" >"$1"; chmod 444 "$1"; }

for user in admin worker producer flower viewer; do
    keep "redis_${user}_password" "$(random)"
done
for user in worker producer flower viewer; do
    keep "redis_${user}_url" "redis://swapline-$user:$(cat "redis_${user}_password")@redis:6379/0"
done
keep s3_access_key "$(random)"
keep s3_secret_key "$(random)"
keep board_password "$(random)"
keep metrics_password "$(random)"
keep grafana_password "$(random)"
keep flower_auth "swapline:$(random)"
keep webhook_secrets "whsec_$(head -c 32 /dev/urandom | base64 | tr -d '\n')"
keep alerts_page_url http://127.0.0.1:9/  # whom Alertmanager calls; nobody until you write an address here
keep alerts_ticket_url http://127.0.0.1:9/
keep api_key sim-key  # what the simulated vendor asks for

echo "The secrets are in $(pwd). Write the vendor's key into $(pwd)/api_key (chmod u+w it first), and into alerts_*_url whom"
echo "alerts reach."
