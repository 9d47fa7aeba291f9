#ifndef CLINUX_H
#define CLINUX_H
#include <sys/types.h>

/// Moves the calling thread into the network namespace behind `fd`. 0 or -errno. See setns(2).
int clinux_setns_net(int fd);
/// Moves the calling thread into a new network namespace and binds that at `path`, where an empty file is made when
/// none is. The namespace then lives on after the thread. 0 or -errno. See network_namespaces(7).
int clinux_netns_create(const char *path);
/// Makes `folder` a shared mount, so that what is bound in it is seen in other mount namespaces too, as ip-netns(8)
/// does. 0 or -errno.
int clinux_netns_prepare(const char *folder);
/// Unbinds and removes `path`. 0 or -errno.
int clinux_netns_delete(const char *path);
/// 1 when a namespace is bound at `path`, else 0.
int clinux_netns_is_bound(const char *path);
/// Brings up the loopback device of the calling thread's namespace. 0 or -errno.
int clinux_loopback_up(void);

/// Opens a TAP device `name` (made when absent) in the calling thread's namespace and makes it persistent.
/// 0 or -errno. See Documentation/networking/tuntap.rst of the Linux kernel.
int clinux_tap_create(const char *name);

/// A pipe whose ends are closed on exec: reading end, writing end. 0 or -errno. See pipe2(2).
int clinux_pipe(int ends[2]);
/// A process to start.
typedef struct {
  /// Absolute path.
  const char *program;
  char *const *argv;
  char *const *envp;
  /// Working directory, or NULL for ours.
  const char *directory;
  /// Descriptors that become 0, 1 and 2. All others are closed.
  int input, output, error;
  /// A network namespace, or -1 for that of the calling thread.
  int netns;
  /// Whether the process leads a session of its own (else only a process group of its own).
  int session;
} clinux_spawn_request;

/// Starts a process with default signal handling. Its id, or -errno also when the program cannot be executed.
pid_t clinux_spawn(const clinux_spawn_request *request);
/// A descriptor that becomes readable when the process ends, or -errno. See pidfd_open(2).
int clinux_pidfd_open(pid_t pid);
/// Sends a signal to the process behind a pidfd. 0 or -errno. See pidfd_send_signal(2).
int clinux_pidfd_signal(int fd, int signal);
/// Start time of process `pid` in clock ticks since boot, or -1 when there is none (one that has ended and was not
/// waited for counts as none). See proc(5), /proc/pid/stat.
long long clinux_process_start_time(pid_t pid);

/// Limits glibc's arenas, so that many threads do not multiply resident memory. See mallopt(3).
void clinux_limit_arenas(int arenas);

#endif
