# Shared by the scripts of this folder. Sourced, not run.
#
# Everything built or fetched lives outside the checkout:
#   $SUPERCHARGER_CACHE/src/            verified source archives
#   $SUPERCHARGER_CACHE/php/<key>/      one finished PHP build per version + options + toolchain
set -euo pipefail

pin_dir="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=pin.conf
. "$pin_dir/pin.conf"

cache_dir="${SUPERCHARGER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/supercharger}"
src_cache="$cache_dir/src"

say()  { printf '[php] %s\n' "$*" >&2; }
warn() { printf '[php] WARNING: %s\n' "$*" >&2; }
die()  { printf '[php] ERROR: %s\n' "$*" >&2; exit 1; }

list_of() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$1"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "installing packages needs root: run as root or install sudo"; fi
}

# Installs the named Debian packages that are not there yet.
ensure_packages() {
  command -v dpkg-query >/dev/null || { warn "not a Debian system: build dependencies must be installed by hand"; return 0; }
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ "${#missing[@]}" -eq 0 ] && return 0
  say "installing ${#missing[@]} packages: ${missing[*]}"
  local log; log="$(mktemp)"
  if ! { as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
         as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2; rm -f "$log"
    die "the packages could not be installed; what apt said is above"
  fi
  rm -f "$log"
}

# The machine's own Debian mirror, as apt itself resolves its configuration.
own_mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null \
    | grep -E '/debian/?$' | sort -u | head -n1 || true
}

# private_apt DIR deb|deb-src SUITE...: apt lists and caches of our own under DIR, so that the machine's configuration is
# neither read for packages nor changed. Afterwards apt_private uses them.
private_apt() {
  local dir="$1" types="$2" mirror; shift 2
  # Set in every subshell that calls this; the lists are fetched once.
  apt_options=(-q -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any -o Dir::Etc::SourceList=/dev/null
    -o "Dir::Etc::SourceParts=$dir/parts" -o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir/cache")
  [ ! -f "$dir/ready" ] || return 0
  command -v apt-get >/dev/null || return 1
  mirror="$(own_mirror)"
  [ -n "$mirror" ] || { warn "this machine's apt configuration names no Debian mirror"; return 1; }
  mkdir -p "$dir/parts" "$dir/lists/partial" "$dir/cache/archives/partial"
  printf 'Types: %s\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
    "$types" "$mirror" "$*" /usr/share/keyrings/debian-archive-keyring.gpg > "$dir/parts/private.sources"
  apt_private update >"$dir/update.log" 2>&1 || { cat "$dir/update.log" >&2; return 1; }
  touch "$dir/ready"
}
apt_private() { apt-get "${apt_options[@]}" "$@"; }

verify_sha256() { # file expected
  [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]
}

# The version that a fetch really brought: the pin, unless the loud fallback was taken.
fetched_version() {
  if [ -f "$src_cache/php-fallback-version" ] && [ ! -f "$src_cache/php-$PHP_VERSION.tar.xz" ]; then
    cat "$src_cache/php-fallback-version"
  else
    echo "$PHP_VERSION"
  fi
}

# release: what users run. asan: debug ZTS build under AddressSanitizer.
build_variant="${SUPERCHARGER_PHP_VARIANT:-release}"
case "$build_variant" in
  release)
    build_cflags='-O3 -fno-pic -fno-pie -fvisibility=hidden -fno-semantic-interposition -pipe -g1'
    build_ldflags='-no-pie' ; variant_options=() ;;
  asan)
    build_cflags='-O1 -g -fno-pic -fno-pie -fvisibility=hidden -fno-omit-frame-pointer -fsanitize=address -DZEND_TRACK_ARENA_ALLOC'
    build_ldflags='-no-pie -fsanitize=address' ; variant_options=(--enable-debug --disable-opcache-jit) ;;
  *) die "SUPERCHARGER_PHP_VARIANT is '$build_variant'; allowed: release, asan" ;;
esac

# Raised whenever `build` itself changes what it leaves in the prefix.
build_recipe=2

build_key() {
  local version; version="$(fetched_version)"
  local toolchain
  toolchain="$(${CC:-cc} --version 2>/dev/null | head -n1) $(${CXX:-c++} --version 2>/dev/null | head -n1) $(${CC:-cc} -dumpmachine 2>/dev/null)"
  local digest
  digest="$( { echo "$build_recipe $version $PHP_SHA256 $APCU_SHA256 $REDIS_SHA256 $toolchain $build_cflags $build_ldflags ${variant_options[*]:-}"
               list_of "$pin_dir/configure-options"; cat "$pin_dir"/patch-source; } | sha256sum | cut -c1-12 )"
  echo "$version-zts-$build_variant-$digest"
}

build_prefix() { echo "$cache_dir/php/$(build_key)"; }
