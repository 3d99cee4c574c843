#!/bin/bash
# setup-peers.sh [--haraka]: makes ready what the system tests and ./dev bench relay need besides relaisd: a
# DNS server (knot), next MTAs (Postfix, Exim, OpenSMTPD; with --haraka also Haraka, by npm), HAProxy, Dovecot
# (its login and LMTP services), and the clients: swaks, msmtp, curl, openssl, s-nail,
# Perl's Net::SMTP, nodemailer, Jakarta Mail. Debian 12; as root or through sudo; safe to repeat.
#
# What would start or enable a service of the machine, or conflicts with an installed MTA, is not
# installed but unpacked below ${RELAIS_PEERS:-/opt/relais-peers}: the tests run it from private
# directories. Installed by apt are only shared libraries, clients, and the users that the MTAs insist on.
set -euo pipefail

peers=${RELAIS_PEERS:-/opt/relais-peers}
unpacked=(postfix exim4-base exim4-config exim4-daemon-light    # directory: first word before "4-"
  opensmtpd haproxy s-nail dovecot-core dovecot-lmtpd node-nodemailer libmail-java)
commands=(python3 swaks msmtp curl openssl perl)              # each is also the name of its package
perl_modules=(libauthen-sasl-perl libdigest-hmac-perl libio-socket-ssl-perl)   # of swaks and Net::SMTP
with_haraka=no
case ${1:-} in
  --haraka) with_haraka=yes ;;   # Debian's npm is hundreds of packages: only who asks for it gets it
  '') ;;
  *) echo "setup-peers: only --haraka can be asked for" >&2; exit 64 ;;
esac
apt_options=(-qq -o DPkg::Lock::Timeout=300)

say() { printf 'setup-peers: %s\n' "$*"; }

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { say "neither root nor sudo: cannot install the peers" >&2; exit 77; }
  as_root=(sudo)
fi
root() { "${as_root[@]}" "$@"; }

indexes_fresh=no
refresh_indexes() {
  [ "$indexes_fresh" = yes ] && return
  say "apt-get update"
  root apt-get "${apt_options[@]}" update
  indexes_fresh=yes
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_missing() {
  local package missing=()
  for package in "$@"; do
    installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  refresh_indexes
  say "apt-get install ${missing[*]}"
  root env DEBIAN_FRONTEND=noninteractive apt-get "${apt_options[@]}" install -y --no-install-recommends \
    "${missing[@]}" >/dev/null
}

# The shared libraries that a package which is only unpacked would have pulled in.
libraries_of() {
  apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces "$1" |
    sed -n 's/^ *Depends: \(lib[a-z0-9.+-]*\)$/\1/p'
}

unpack() {   # unpack PACKAGE INTO
  local package=$1 into=$2 work
  [ -e "$into/.unpacked-$package" ] && return
  refresh_indexes
  say "unpacking $package into $into"
  work=$(mktemp -d)
  ( cd "$work" && apt-get "${apt_options[@]}" -o APT::Sandbox::User=root download "$package" )
  root mkdir -p "$into"
  root dpkg -x "$work"/"$package"_*.deb "$into"
  # shellcheck disable=SC2046  # a list of words on purpose
  install_missing $(libraries_of "$package")
  root touch "$into/.unpacked-$package"
  rm -rf "$work"
}

system_user() {
  getent passwd "$1" >/dev/null && return
  say "adding the system user $1"
  root useradd --system --user-group --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin "$1"
}

unpack_haraka() {   # without the registry there is no Haraka: who wants it says so
  local version=3.3.4 into=$peers/haraka work
  [ -e "$into/.unpacked-$version" ] && return
  command -v npm >/dev/null || install_missing npm
  say "npm install Haraka@$version into $into"
  work=$(mktemp -d)
  echo '{"name": "peer", "private": true}' >"$work/package.json"
  if ! ( cd "$work" && npm install --silent --no-audit --no-fund --omit=optional --ignore-scripts \
      --before=2026-10-15 "Haraka@$version" >/dev/null ); then   # a date: the dependencies of that day
    say "npm could not install Haraka@$version: there will be none" >&2
    rm -rf "$work"
    return
  fi
  root rm -rf "$into"
  root cp -r "$work" "$into"
  root chmod 755 "$into"
  root touch "$into/.unpacked-$version"
  rm -rf "$work"
}

for command in "${commands[@]}"; do
  command -v "$command" >/dev/null || install_missing "$command"
done
install_missing "${perl_modules[@]}"
# From wherever the machine has it. Java is too large to be installed for one client: it is used where it is.
command -v node >/dev/null || install_missing nodejs
for package in "${unpacked[@]}"; do unpack "$package" "$peers/${package%%4-*}"; done
if ! PATH=$PATH:/usr/sbin command -v knotd nsd >/dev/null; then unpack knot "$peers/knot"; fi

if [ "$with_haraka" = yes ]; then unpack_haraka; fi

for user in postfix Debian-exim opensmtpd opensmtpq; do system_user "$user"; done
if ! getent group postdrop >/dev/null; then
  say "adding the system group postdrop"
  root groupadd --system postdrop
fi

say "ready: $peers"
