#ifndef CLINUX_H
#define CLINUX_H
#include <sys/types.h>

/// Moves the calling thread into the network namespace behind `fd`. 0 or -errno. See setns(2).
int clinux_setns_net(int fd);
/// Opens a TAP device `name` (made when absent) in the calling thread's namespace and makes it persistent.
/// 0 or -errno. See Documentation/networking/tuntap.rst of the Linux kernel.
int clinux_tap_create(const char *name);
/// Start time of process `pid` in clock ticks since boot, or -1 when there is none. See proc(5), /proc/pid/stat.
long long clinux_process_start_time(pid_t pid);
/// Limits glibc's arenas, so that many threads do not multiply resident memory. See mallopt(3).
void clinux_limit_arenas(int arenas);

#endif
