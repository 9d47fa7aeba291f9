/// How the guest starts and ends.
enum BootScripts {
  static var files: [GuestFile] {
    [
      GuestFile("etc/inittab", inittab), GuestFile("etc/init.d/rcS", mode: 0o755, start),
      GuestFile("etc/init.d/rcK", mode: 0o755, stop), GuestFile("usr/sbin/guest-late", mode: 0o755, late),
      GuestFile("etc/acpi/PWRF/00000080", mode: 0o755, powerButton),
    ]
  }

  /// `/init` of the initial RAM disk.
  static let ramdiskInit = #"""
    #!/bin/busybox sh
    # Runs from the initial RAM disk: finds the root disk, lets its partition fill the disk, and starts the system on it.
    /bin/busybox mount -t devtmpfs dev /dev
    /bin/busybox mount -t proc proc /proc
    /bin/busybox mount -t sysfs sys /sys
    /bin/busybox modprobe -aq virtio_pci virtio_blk

    # The first disk that has a first partition; buses other than virtio are tried when there is none after a moment.
    n=0
    while :; do
      for name in vda sda nvme0n1; do
        [ -b /dev/$name ] || continue
        part=${name}1
        [ $name = nvme0n1 ] && part=nvme0n1p1
        [ -b /dev/$part ] && break 2
      done
      n=$((n + 1))
      [ $n = 5 ] && /bin/busybox modprobe -aq virtio_scsi ata_piix sd_mod
      if [ $n -gt 1500 ]; then
        echo "guest: no root disk was found"
        exec /bin/busybox sh
      fi
      /bin/busybox usleep 20000
    done

    # The partition's size is a little-endian 32-bit number of sectors at byte 458 of an MBR.
    read -r sectors < /sys/class/block/$name/size
    read -r used < /sys/class/block/$part/size
    free=$((sectors - 2048))
    [ $free -gt 4294965000 ] && free=4294965000
    if [ $free -gt $((used + 2048)) ]; then
      bytes=$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $((free & 255)) $((free >> 8 & 255)) $((free >> 16 & 255)) $((free >> 24 & 255)))
      printf "$bytes" | /bin/busybox dd of=/dev/$name bs=1 seek=458 conv=notrunc 2>/dev/null
      /bin/busybox blockdev --rereadpt /dev/$name
      while [ ! -b /dev/$part ]; do /bin/busybox usleep 10000; done
      grown=1
    fi
    /bin/busybox mount -t ext4 -o noatime /dev/$part /newroot || exec /bin/busybox sh
    echo "/dev/$part ${grown:-0}" > /dev/.guest-root
    for folder in dev proc sys; do /bin/busybox mount --move /$folder /newroot/$folder; done
    exec /bin/busybox switch_root /newroot /sbin/init

    """#

  /// For busybox's init.
  static let inittab = #"""
    ::sysinit:/etc/init.d/rcS
    ttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100
    tty1::respawn:/sbin/getty 38400 tty1
    ::ctrlaltdel:/sbin/reboot
    ::shutdown:/etc/init.d/rcK

    """#

  /// The static busybox runs it: starting a program of its own costs it nothing.
  static let start = #"""
    #!/usr/bin/busybox sh
    # Starts the system: network, metadata, SSH; what can wait comes last.
    export PATH=/usr/sbin:/usr/bin
    mkdir -p /dev/pts /dev/shm
    mount -t devpts -o mode=620,gid=5 devpts /dev/pts
    mount -t tmpfs -o mode=755 run /run
    mount -t tmpfs -o mode=1777 tmp /tmp
    mkdir -p /run/guest /run/lock
    read -r device grown < /dev/.guest-root
    mv /dev/.guest-root /run/guest/root
    hostname -F /etc/hostname
    echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range
    ip link set lo up
    modprobe virtio_net
    for path in /sys/class/net/eth*; do [ -e "$path" ] && guest-nic "${path##*/}"; done
    guest-init &

    # A press of the power button before acpid listens would be lost.
    modprobe -aq button evdev
    acpid -c /etc/acpi
    if [ "$grown" = 1 ]; then
      resize2fs "$device" >/dev/null 2>&1 &&
        echo "guest: the root file system fills its disk: $(df -m / | awk 'NR == 2 { print $2 }') MiB"
    fi
    [ -f /etc/dropbear/dropbear_ed25519_host_key ] ||
      dropbearkey -t ed25519 -f /etc/dropbear/dropbear_ed25519_host_key 2>/dev/null |
      sed -n 's/^Fingerprint: /guest: host key /p'

    # SSH and the login prompt wait for the metadata, so that the first login finds its key and its host name; not for ever.
    n=0
    while [ ! -e /run/guest/ready ] && [ $n -lt 300 ]; do
      usleep 50000
      n=$((n + 1))
    done
    dropbear -R
    echo "guest: SSH answers after $(cut -d' ' -f1 /proc/uptime) s at $(ip -o addr show scope global | awk '{ print $4 }' | tr '\n' ' ')"
    # From here on only the kernel's errors come between what a person types.
    dmesg -n 4
    guest-late >/dev/null 2>&1 &

    """#

  /// Runs once SSH answers.
  static let late = #"""
    #!/usr/bin/busybox sh
    # What nobody waits for: other devices, hot plugging, the guest agent.
    cat /sys/bus/*/devices/*/modalias | sort -u | xargs modprobe -abq
    modprobe -q isofs
    mdev -d
    n=0
    while [ $n -lt 20 ]; do
      for path in /sys/class/virtio-ports/*; do
        [ -f "$path/name" ] || continue
        read -r name < "$path/name"
        if [ "$name" = org.qemu.guest_agent.0 ]; then
          exec qemu-ga -d -m virtio-serial -p "/dev/${path##*/}" -t /run
        fi
      done
      [ -d /sys/class/virtio-ports ] || exit 0
      usleep 200000
      n=$((n + 1))
    done

    """#

  /// Runs when the system goes down.
  static let stop = #"""
    #!/usr/bin/busybox sh
    # Runs before the system goes down.
    sync
    umount -a -r 2>/dev/null

    """#

  /// What acpid runs when the hypervisor presses the power button.
  static let powerButton = #"""
    #!/bin/sh
    exec /sbin/poweroff

    """#
}
