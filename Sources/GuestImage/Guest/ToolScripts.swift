/// Programs that Debian's packages bring in another form, or not at all.
enum ToolScripts {
  static var files: [GuestFile] {
    [
      GuestFile("usr/bin/nc", mode: 0o755, netcat), GuestFile("usr/sbin/chpasswd", mode: 0o755, passwords),
      GuestFile("usr/sbin/mkfs.vfat", mode: 0o755, vfat),
    ]
  }

  /// One nc with the options of all.
  static let netcat = #"""
    #!/bin/sh
    # nc as OpenBSD's, which has no -e PROGRAM [ARGUMENT...]; with it, a server (-l, -k: for ever) that runs the program for
    # each client, as busybox's and the traditional nc do.
    run= udp= keep= listen= port= end=
    for word; do
      case $end$word in -e | -*e) run=1; break ;; --) break ;; esac
    done
    [ -n "$run" ] || exec nc.openbsd "$@"
    while [ $# -gt 0 ]; do
      case $1 in
        -p) port=$2; shift ;;
        -e) shift; break ;;
        -w | -s | -i) shift ;;
        -*)
          case $1 in *u*) udp=-u ;; esac
          case $1 in *k*) keep=1 ;; esac
          case $1 in *l*) listen=1 ;; esac
          case $1 in *e) shift; break ;; *p) port=$2; shift ;; esac ;;
        *) port=$1 ;;
      esac
      shift
    done
    if [ -z "$listen" ] || [ -z "$port" ] || [ $# = 0 ]; then
      echo "nc: -e needs -l, a port and a program" >&2
      exit 1
    fi
    if [ -n "$udp" ]; then
      while nc.traditional -u -l -p "$port" -c "$*" || [ -n "$keep" ]; do
        [ -n "$keep" ] || exit 0
      done
    elif [ -n "$keep" ]; then
      exec busybox nc -ll -p "$port" -e "$@"
    else
      exec busybox nc -l -p "$port" -e "$@"
    fi

    """#

  /// Sets passwords; the guest agent calls it too.
  static let passwords = #"""
    #!/bin/sh
    # Sets passwords: lines USER:PASSWORD on standard input; -e: the passwords are hashes already.
    while IFS= read -r line; do
      user=${line%%:*} password=${line#*:}
      grep -q "^$user:" /etc/shadow || { echo "chpasswd: there is no user $user" >&2; exit 1; }
      if [ "$1" = -e ]; then hash=$password; else hash=$(printf '%s\n' "$password" | mkpasswd -m sha512 -P 0); fi
      USER_NAME=$user HASH=$hash awk -F: -v OFS=: '$1 == ENVIRON["USER_NAME"] { $2 = ENVIRON["HASH"] } { print }' \
        /etc/shadow > /etc/shadow.new
      chmod 600 /etc/shadow.new
      mv /etc/shadow.new /etc/shadow
    done

    """#

  /// Makes a FAT file system.
  static let vfat = #"""
    #!/bin/sh
    # mkfs.vfat by its busybox name.
    exec mkdosfs "$@"

    """#
}
