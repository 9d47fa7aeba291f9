#define _GNU_SOURCE
#include "include/clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

int clinux_setns_net(int fd) { return setns(fd, CLONE_NEWNET) == 0 ? 0 : -errno; }

int clinux_netns_create(const char *path) {
  int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
  if (fd < 0) return -errno;
  close(fd);
  if (unshare(CLONE_NEWNET) != 0) return -errno;
  /* "self" would be the process's first thread, which stays where it was. */
  return mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL) == 0 ? 0 : -errno;
}

int clinux_netns_prepare(const char *folder) {
  if (mount("", folder, "none", MS_SHARED | MS_REC, NULL) == 0) return 0;
  if (errno != EINVAL) return -errno;
  if (mount(folder, folder, "none", MS_BIND | MS_REC, NULL) != 0) return -errno;
  return mount("", folder, "none", MS_SHARED | MS_REC, NULL) == 0 ? 0 : -errno;
}

int clinux_netns_delete(const char *path) {
  if (umount2(path, MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT) return -errno;
  return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

int clinux_netns_is_bound(const char *path) {
  struct statfs facts;
  const long nsfs_magic = 0x6e736673;
  return statfs(path, &facts) == 0 && facts.f_type == nsfs_magic;
}

int clinux_loopback_up(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  int result = ioctl(fd, SIOCSIFFLAGS, &request) == 0 ? 0 : -errno;
  close(fd);
  return result;
}

/* In the child of vfork, which shares our memory: only system calls. Returns errno when the program did not start. */
static int become(const clinux_spawn_request *request) {
  struct sigaction standard;
  memset(&standard, 0, sizeof standard);
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
  /* The C library keeps two signals for itself and refuses to touch them; whoever started us may have ignored them. */
  const unsigned long kernel_standard[4] = {0, 0, 0, 0};
  for (int number = 32; number <= 33; number++) syscall(SYS_rt_sigaction, number, kernel_standard, NULL, 8);
  if ((request->session ? setsid() : setpgid(0, 0)) < 0) return errno;
  if (request->netns >= 0 && setns(request->netns, CLONE_NEWNET) != 0) return errno;
  if (request->directory != NULL && chdir(request->directory) != 0) return errno;
  int wanted[3] = {request->input, request->output, request->error};
  for (int index = 0; index < 3; index++)
    if ((wanted[index] = fcntl(wanted[index], F_DUPFD_CLOEXEC, 3)) < 0) return errno;
  for (int index = 0; index < 3; index++)
    if (dup2(wanted[index], index) < 0) return errno;
  const unsigned close_on_exec = 4;
  syscall(SYS_close_range, 3u, ~0u, close_on_exec);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  execve(request->program, request->argv, request->envp);
  return errno;
}

pid_t clinux_spawn(const clinux_spawn_request *request) {
  volatile int failure = 0;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  pid_t pid = vfork();
  if (pid == 0) {
    failure = become(request);
    _exit(127);
  }
  int reason = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (pid < 0) return -reason;
  if (failure == 0) return pid;
  waitpid(pid, NULL, 0);
  return -failure;
}

int clinux_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno; }

int clinux_pidfd_open(pid_t pid) {
  long fd = syscall(SYS_pidfd_open, pid, 0);
  return fd < 0 ? -errno : (int)fd;
}

int clinux_pidfd_signal(int fd, int signal) {
  return syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) == 0 ? 0 : -errno;
}

int clinux_tap_create(const char *name) {
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd < 0) return -errno;
  struct ifreq request;
  memset(&request, 0, sizeof request);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  int result = 0;
  if (ioctl(fd, TUNSETIFF, &request) != 0 || ioctl(fd, TUNSETPERSIST, 1) != 0) result = -errno;
  close(fd);
  return result;
}

long long clinux_process_start_time(pid_t pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return -1;
  text[length] = 0;
  char *cursor = strrchr(text, ')');
  if (cursor == NULL) return -1;
  if (cursor[1] == ' ' && (cursor[2] == 'Z' || cursor[2] == 'X')) return -1;
  long long value = -1;
  /* The start time is field 22; the closing parenthesis ends field 2. */
  if (sscanf(cursor + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld", &value) != 1)
    return -1;
  return value;
}

void clinux_limit_arenas(int arenas) { mallopt(M_ARENA_MAX, arenas); }
