#!/bin/sh
# Build the Debian packages of this tree into packages/.
#   packaging/deb.sh             for the Debian release that it runs on; installs the build dependencies
#   packaging/deb.sh trixie      for another release, in a chroot that the first run creates (as root)
# The chroots are kept in ~/.cache/fleetroute-chroots.
set -eu
cd "$(dirname "$0")/.."
top=$PWD
version=$(sed -n 's/^AC_INIT(\[fleetroute\], \[\([^]]*\)\].*/\1/p' configure.ac)
chroots=${FR_CHROOTS:-$HOME/.cache/fleetroute-chroots}
mirror=${FR_MIRROR:-http://deb.debian.org/debian}

# The files of the tree: tracked, or untracked and not ignored; in a source package, all files.
list_files() {
    if [ -e .git ]; then
        git ls-files -co --exclude-standard
    else
        find . -type f ! -path './debian/*' ! -path './packages/*' | sed 's|^\./||'
    fi | LC_ALL=C sort
}

build_here() {
    packaging/need.sh debhelper dpkg-dev build-essential check libc6-dev protobuf-compiler xz-utils
    epoch=$(dpkg-parsechangelog -l packaging/debian/changelog -S Timestamp)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/fleetroute-$version"
    list_files | tar -c --mtime="@$epoch" --mode=u=rwX,go=rX -T - |
        tar -x -C "$work/fleetroute-$version"
    cp -r packaging/debian "$work/fleetroute-$version/debian"
    (cd "$work/fleetroute-$version" && dpkg-buildpackage -us -uc -F >"$work/build.log" 2>&1) || {
        tail -n 40 "$work/build.log"
        exit 1
    }
    mkdir -p packages
    find packages -maxdepth 1 -type f -delete
    cp "$work"/fleetroute*_* packages/
    ls -l packages/*.deb
}

build_in() {
    root=$chroots/$1
    if [ ! -e "$root/ready" ]; then
        packaging/need.sh debootstrap
        rm -rf "$root"
        mkdir -p "$root"
        # tests/packages.sh stores clean systems in the same folder.
        if [ -e "$root.tar" ]; then
            tar -x -C "$root" -f "$root.tar"
        else
            debootstrap --variant=minbase --include=ca-certificates "$1" "$root" "$mirror" \
                >"$root.log" 2>&1
        fi
        touch "$root/ready"
    fi
    cp /etc/resolv.conf "$root/etc/"
    cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
    rm -rf "$root/src"
    mkdir "$root/src"
    list_files | tar -c -T - | tar -x -C "$root/src"
    mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
    status=0
    chroot "$root" /src/packaging/deb.sh || status=$?
    umount "$root/proc"
    [ $status = 0 ] || exit $status
    mkdir -p "packages/$1"
    rm -f "packages/$1"/*
    cp "$root"/src/packages/* "packages/$1/"
    echo "in packages/$1"
}

if [ $# = 0 ]; then build_here; else build_in "$1"; fi
