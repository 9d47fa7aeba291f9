/// How the guest gets its addresses, and notices hardware that comes and goes.
enum NetworkScripts {
  static var files: [GuestFile] {
    [
      GuestFile("usr/sbin/guest-nic", mode: 0o755, interface), GuestFile("etc/udhcpc.script", mode: 0o755, lease),
      GuestFile("etc/mdev.conf", hotplug), GuestFile("usr/sbin/guest-disk", mode: 0o755, disk),
    ]
  }

  /// Sets an interface up.
  static let interface = #"""
    #!/usr/bin/busybox sh
    # guest-nic NAME: sets a network interface up (IPv6 comes from router advertisements) and leases an IPv4 address for as
    # long as it exists. mdev calls it with the name in MDEV for interfaces that come and go.
    nic=${1:-$MDEV}
    pid=/run/udhcpc.$nic.pid
    if [ "$ACTION" = remove ]; then
      [ -s "$pid" ] && kill "$(cat "$pid")" 2>/dev/null
      rm -f "$pid" "/run/guest/dns.$nic"
      exit 0
    fi
    [ -s "$pid" ] && kill -0 "$(cat "$pid")" 2>/dev/null && exit 0
    ip link set "$nic" up
    udhcpc -f -i "$nic" -p "$pid" -s /etc/udhcpc.script -t 5 -T 2 -A 3 -O staticroutes -O mtu -x "hostname:$(hostname)" \
      </dev/null >/dev/null 2>&1 &

    """#

  /// What udhcpc calls.
  static let lease = #"""
    #!/usr/bin/busybox sh
    # Called by udhcpc with the lease in its environment. An address that stays is not touched, so that a renewal does not
    # disturb connections.
    PATH=/usr/sbin:/usr/bin
    state=/run/guest/lease.$interface
    case $1 in
      deconfig)
        ip link set "$interface" up
        [ -s "$state" ] && { read -r old < "$state"; ip addr del "$old" dev "$interface" 2>/dev/null; rm -f "$state"; }
        exit 0 ;;
      bound | renew) ;;
      *) exit 0 ;;
    esac

    [ -n "$mtu" ] && ip link set "$interface" mtu "$mtu"
    address=$ip/${mask:-24}
    old=
    [ -s "$state" ] && read -r old < "$state"
    if [ "$old" != "$address" ]; then
      [ -n "$old" ] && ip addr del "$old" dev "$interface" 2>/dev/null
      ip addr add "$address" broadcast + dev "$interface"
      echo "$address" > "$state"
    fi

    # Interfaces that came first win the default route. Classless routes (option 121) replace the router option.
    metric=$((100 + $(cat "/sys/class/net/$interface/ifindex")))
    if [ -n "$staticroutes" ]; then
      set -- $staticroutes
      while [ $# -ge 2 ]; do
        if [ "$2" = 0.0.0.0 ]; then
          ip route replace "$1" dev "$interface" metric $metric
        else
          ip route replace "$1" via "$2" dev "$interface" metric $metric
        fi
        shift 2
      done
    elif [ -n "$router" ]; then
      ip route replace default via "${router%% *}" dev "$interface" metric $metric
    fi

    {
      [ -n "$domain" ] && echo "search $domain"
      for server in $dns; do echo "nameserver $server"; done
    } > "/run/guest/dns.$interface"
    # Never half written: who looks a name up while a lease is renewed still finds a server.
    cat /run/guest/dns.* > "/etc/resolv.conf.$interface"
    mv "/etc/resolv.conf.$interface" /etc/resolv.conf
    [ "$old" = "$address" ] || echo "guest: $interface has $address by DHCP, gateway ${router:-none}" > /dev/console

    """#

  /// Rules of busybox's mdev.
  static let hotplug = #"""
    $MODALIAS=.* 0:0 660 @modprobe -bq "$MODALIAS"
    SUBSYSTEM=net;eth[0-9]+ 0:0 600 *guest-nic
    SUBSYSTEM=block;.* 0:6 660 *guest-disk
    (null|zero|full|random|urandom|tty|ptmx) 0:0 666
    tty.* 0:5 620

    """#

  /// Names disks by their labels.
  static let disk = #"""
    #!/usr/bin/busybox sh
    # Called by mdev for disks that come and go: keeps /dev/disk/by-label, by which users find them without being root.
    mkdir -p /dev/disk/by-label
    if [ "$ACTION" = remove ]; then
      for link in /dev/disk/by-label/*; do
        [ "$(readlink "$link")" = "../../$MDEV" ] && rm -f "$link"
      done
      exit 0
    fi
    label=$(blkid -p -s LABEL -o value "/dev/$MDEV" 2>/dev/null)
    case $label in
      '' | */*) ;;
      *) ln -sf "../../$MDEV" "/dev/disk/by-label/$label" ;;
    esac

    """#
}
