#!/usr/bin/env bash
# Runs a test of this project on an emulated CPU with AVX-512 and AMX (Bochs, Sapphire Rapids) under Linux.
#
#   tools/emulate/run.sh [arguments of `cargo test` that choose one test binary] [-- arguments of that binary]
#
# Without arguments: every kernel, the tests of homonym-kernels one after the other. The exit code is the test's. See README.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
if (($# == 0)); then
    for test in each_isa layers nearest; do "$here/run.sh" -p homonym-kernels --test $test; done
    exit
fi
work=$PWD/target/emulate
target=x86_64-unknown-linux-gnu
mkdir -p "$work"
log() { printf '== %s\n' "$*" >&2; }

choose=() arguments=()
while (($#)) && [[ $1 != -- ]]; do choose+=("$1"); shift; done
(($# < 2)) || arguments=("${@:2}")

missing=()
for tool in g++ make patch xorriso cpio; do command -v "$tool" >/dev/null || missing+=("$tool"); done
if ((${#missing[@]})); then
    ((EUID == 0)) || { echo "run.sh: please run: apt-get install ${missing[*]}" >&2; exit 1; }
    apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"
fi

# The packages of Debian 13, through an apt of our own that leaves the system's alone.
apt() {
    local command=$1; shift
    "$command" -qq -o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User= "$@"
}
if [[ ! -e $work/packages ]]; then
    log "packages"
    mkdir -p "$work"/apt/lists/partial "$work"/apt/cache/archives/partial "$work"/debs
    mirror=$(command apt-cache policy | grep -om1 'http[^ ]*/debian ') || { echo "run.sh: apt has no mirror of Debian" >&2; exit 1; }
    debian="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main"
    printf '%s\n' "deb $debian" "deb-src $debian" >"$work/apt/sources.list"
    apt apt-get update
    kernel=$(apt apt-cache depends linux-image-cloud-amd64 | grep -o 'linux-image-[0-9].*')
    (cd "$work/debs" && apt apt-get download bochsbios vgabios isolinux syslinux-common busybox-static "$kernel")
    for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
    # Only the original sources are needed; a mirror without the rest of the source package will do.
    (cd "$work" && { apt apt-get source --download-only bochs || true; } && ls bochs_3.0*.orig.tar.xz >/dev/null)
    touch "$work/packages"
fi

bochs=$work/bochs/bochs
if [[ ! -x $bochs ]]; then
    log "Bochs"
    rm -rf "$work/bochs" && mkdir "$work/bochs" && cd "$work/bochs"
    tar xf ../bochs_3.0*.orig.tar.xz --strip-components=1
    patch -p1 <"$here/bochs-3.0-amx.patch"
    { ./configure --with-nogui --disable-docbook --disable-gameport --enable-all-optimizations --enable-x86-64 \
        --enable-avx --enable-evex --enable-amx --enable-cet --enable-uintr --enable-protection-keys \
        --enable-memtype --enable-vmx=2 && make -j "$(nproc)"; } >build.log 2>&1 || { tail build.log >&2; exit 1; }
    cd "$here/../.."
fi

log "test"
built=$(RUSTFLAGS="-C target-feature=+crt-static" cargo test --release --target $target --target-dir "$work/cargo" \
    --no-run --message-format=json-render-diagnostics "${choose[@]}" | grep '"executable":"')
executables() { grep "$@" <<<"$built" | grep -o '"executable":"[^"]*"' | cut -d'"' -f4 || true; }
as_test='"overflow_checks":[a-z]*,"test":true'
test=$(executables "$as_test")
[[ -n $test && $test != *$'\n'* ]] || { printf 'run.sh: choose one test binary, found:\n%s\n' "$test" >&2; exit 1; }

log "boot"
rm -rf "$work/init" "$work/iso" && mkdir -p "$work"/init/{bin,dev,proc,tmp} "$work/iso"
cp "$work/root/usr/bin/busybox" "$work/init/bin/"
strip -o "$work/init/test" "$test"
# A test of the command line finds the command where it was built.
for command in $(executables -v "$as_test"); do
    mkdir -p "$work/init$(dirname "$command")" && strip -o "$work/init$command" "$command"
done
cat >"$work/init/init" <<END
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
exec >/dev/ttyS0 2>&1
HOMONYM_REQUIRE_ISA=1 /test --nocapture ${arguments[*]@Q}
echo "exit code \$?"
/bin/busybox sleep 1
/bin/busybox poweroff -f
END
chmod +x "$work/init/init"
(cd "$work/init" && find . | cpio -o -H newc --quiet) | gzip >"$work/iso/initrd.gz"
cp "$work"/root/boot/vmlinuz-* "$work/iso/vmlinuz"
cp "$work/root/usr/lib/ISOLINUX/isolinux.bin" "$work/root/usr/lib/syslinux/modules/bios/ldlinux.c32" "$work/iso/"
# no5lvl: Bochs's BIOS cannot return from system management mode with five-level page tables.
cat >"$work/iso/isolinux.cfg" <<END
DEFAULT linux
LABEL linux
KERNEL vmlinuz
APPEND initrd=initrd.gz console=ttyS0 quiet no5lvl mitigations=off panic=-1
END
xorriso -as mkisofs -quiet -o "$work/boot.iso" -b isolinux.bin -no-emul-boot -boot-load-size 4 -boot-info-table \
    "$work/iso" 2>/dev/null
cat >"$work/bochsrc" <<END
display_library: nogui
romimage: file=$work/root/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=$work/root/usr/share/vgabios/vgabios.bin
cpu: model=sapphire_rapids, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=1024, host=1024
ata0-master: type=cdrom, path=$work/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=/dev/stdout
log: $work/bochs.log
panic: action=fatal
END
"$bochs" -q -f "$work/bochsrc" </dev/null 2>/dev/null | tee "$work/serial.txt" || true # it ends by a "panic": power off
code=$(tr -d '\r' <"$work/serial.txt" | sed -n 's/^exit code //p')
[[ -n $code ]] || { echo "run.sh: the emulated machine ended before the test; see $work/bochs.log" >&2; exit 1; }
exit "$code"
