#!/bin/sh
# Runs once, at the end of mmdebstrap, with the new root as $1: adds what a plain installation cannot give.
set -eu
root=$1
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
work=$(mktemp -d "$root/tmp/lab.XXXXXX")
cd "$work"

# The kernel, by the name that its metapackage depends on today. Unpacked, not installed: its installation would build an initramfs that nothing here reads.
# strongswan-charon conflicts with charon-systemd, but the one file wanted from it, the plain `charon` that scripts start, disturbs nobody.
kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)/\1/p' | head -n 1)
# So does libreswan; what is wanted of it lies in a directory that strongSwan has nothing in.
apt-get download "$kernel" strongswan-charon strongswan-starter libreswan
mkdir kernel charon libreswan
dpkg-deb -x "$kernel"_*.deb kernel
dpkg-deb -x libreswan_*.deb libreswan
for package in strongswan-charon_*.deb strongswan-starter_*.deb; do dpkg-deb -x "$package" charon; done

cp kernel/boot/vmlinuz-* "$root/boot/vmlinuz"
mkdir -p "$root/usr/lib/modules"
if [ -d kernel/usr/lib/modules ]; then cp -r kernel/usr/lib/modules/. "$root/usr/lib/modules/"; else cp -r kernel/lib/modules/. "$root/usr/lib/modules/"; fi
version=$(ls "$root/usr/lib/modules")
for useless in drivers/gpu drivers/media drivers/infiniband drivers/scsi fs/btrfs fs/xfs fs/ocfs2 fs/smb sound; do
    rm -rf "$root/usr/lib/modules/$version/kernel/$useless"
done
chroot "$root" depmod "$version"

# cp -n: what is already installed stays as it is.
cp -n -r charon/. "$root/" 2>/dev/null || cp -r --update=none charon/. "$root/"
ln -sf /usr/lib/ipsec/charon "$root/usr/local/bin/charon"
# This plugin takes ESP out of the kernel's hands, and charon crashes at start with it.
rm -f "$root/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so"

cp -r libreswan/usr/libexec/ipsec "$root/usr/libexec/"
# pluto keeps its keys in a database of NSS and starts with none but this. Each one in the lab gets a copy.
mkdir -p "$root/var/lib/ipsec/nss"
chroot "$root" certutil -N -d sql:/var/lib/ipsec/nss --empty-password

cat > "$root/sbin/lab-init" <<'INIT'
#!/bin/sh
# The first process of the guest: finds the job's disk and hands over.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
modprobe virtio_blk
for disk in /sys/block/vd*; do ln -s "${disk##*/}" "/dev/lab-$(cat "$disk/serial")"; done
mount -t ext4 -o ro /dev/lab-job /lab
exec /lab/bin/lab-guest init
INIT
chmod 755 "$root/sbin/lab-init"
mkdir -p "$root/lab" "$root/out"
echo lab > "$root/etc/hostname"
cd /
rm -rf "$work"
