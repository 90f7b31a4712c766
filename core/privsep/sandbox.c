#include "privsep/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/log.h"
#include "util/memory.h"

/* Under AddressSanitizer there is no seccomp filter: LeakSanitizer calls ptrace(2) when the process
 * ends. */
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

#define FOLDERS_MAX 160

/* ---- Landlock -------------------------------------------------------------------- */

/* The rights of Landlock's ABI version 1 that change files or folders. */
#define WRITING                                                                                    \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                               \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |   \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define WRITING_TO_FILE LANDLOCK_ACCESS_FS_WRITE_FILE

static char *writable[FOLDERS_MAX]; /* set once, before threads start; read-only afterwards */
static size_t writable_count;
static bool landlocked;

/* The nearest existing folder at or above `path`; the caller frees it. */
static char *sandbox_existing_folder(const char *path)
{
    char *folder = fr_strdup(path);
    struct stat st;

    for (char *slash; stat(folder, &st) != 0 || !S_ISDIR(st.st_mode); *slash = '\0') {
        slash = strrchr(folder, '/');
        if (slash == NULL || slash == folder) {
            free(folder);
            return fr_strdup(slash == NULL ? "." : "/");
        }
    }
    return folder;
}

static bool sandbox_is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    while (len > 0 && folder[len - 1] == '/')
        len--;
    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

bool fr_sandbox_permits_write(const char *path)
{
    for (size_t i = 0; i < writable_count; i++)
        if (sandbox_is_below(path, writable[i]))
            return true;
    return !landlocked;
}

static int sandbox_allow_path(int rules, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights};
    int status;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return -1;
    status = (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
    return status;
}

static int sandbox_restrict_writes(const char *const *folders, size_t count, struct fr_error *error)
{
    struct landlock_ruleset_attr attributes = {.handled_access_fs =
                                                   WRITING | LANDLOCK_ACCESS_FS_EXECUTE};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    int status = 0;

    if (rules < 0) {
        fr_log(FR_LOG_INFO,
               "this kernel has no Landlock (%s): only file permissions restrict where "
               "the daemon writes",
               strerror(errno));
        return 0;
    }
    for (size_t i = 0; i < count && i < FOLDERS_MAX; i++) {
        writable[writable_count] = sandbox_existing_folder(folders[i]);
        if (sandbox_allow_path(rules, writable[writable_count], WRITING) != 0)
            fr_log(FR_LOG_WARNING, "sandbox: files below %s cannot be written: %s",
                   writable[writable_count], strerror(errno));
        writable_count++;
    }
    sandbox_allow_path(rules, "/dev/null", WRITING_TO_FILE);
    if (syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        status = fr_error_set(error, "sandbox: Landlock: %s", strerror(errno));
    close(rules);
    landlocked = status == 0;
    return status;
}

/* ---- seccomp --------------------------------------------------------------------- */

/* Names, because some architectures lack some of these calls. */
static const char *const daemon_calls[] = {
    /* files */
    "access",
    "chdir",
    "chmod",
    "close",
    "close_range",
    "copy_file_range",
    "creat",
    "dup",
    "dup2",
    "dup3",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fallocate",
    "fchdir",
    "fchmod",
    "fchmodat",
    "fcntl",
    "fcntl64",
    "fdatasync",
    "flock",
    "fstat",
    "fstat64",
    "fstatat64",
    "fstatfs",
    "fstatfs64",
    "fsync",
    "ftruncate",
    "ftruncate64",
    "getcwd",
    "getdents",
    "getdents64",
    "inotify_add_watch",
    "inotify_init1",
    "inotify_rm_watch",
    "ioctl",
    "link",
    "linkat",
    "lseek",
    "_llseek",
    "lstat",
    "lstat64",
    "mkdir",
    "mkdirat",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "sendfile64",
    "splice",
    "stat",
    "stat64",
    "statfs",
    "statfs64",
    "statx",
    "symlink",
    "symlinkat",
    "sync",
    "sync_file_range",
    "syncfs",
    "truncate",
    "truncate64",
    "umask",
    "unlink",
    "unlinkat",
    "utimensat",
    "write",
    "writev",
    /* memory */
    "brk",
    "madvise",
    "membarrier",
    "memfd_create",
    "mlock",
    "mlock2",
    "mmap",
    "mmap2",
    "mprotect",
    "mremap",
    "msync",
    "munlock",
    "munmap",
    /* network */
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socket",
    "socketpair",
    /* waiting */
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd2",
    "futex",
    "futex_waitv",
    "gettimeofday",
    "nanosleep",
    "pipe",
    "pipe2",
    "poll",
    "ppoll",
    "pselect6",
    "restart_syscall",
    "select",
    "signalfd4",
    "time",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
    /* threads, signals, the process itself */
    "arch_prctl",
    "capget",
    "exit",
    "exit_group",
    "get_robust_list",
    "getcpu",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresuid",
    "getrlimit",
    "getrusage",
    "getsid",
    "gettid",
    "getuid",
    "kill",
    "prctl",
    "prlimit64",
    "rseq",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigqueueinfo",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_setaffinity",
    "sched_setscheduler", /* libzmq aborts without it; the kernel refuses a higher priority */
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "setpriority",
    "setrlimit",
    "sigaltstack",
    "sysinfo",
    "tgkill",
    "times",
    "uname",
    "wait4",
    "waitid",
};

static const char *const key_reader_calls[] = {
    "close", "exit_group", "open", "openat", "read", "rt_sigreturn", "sendmsg", "restart_syscall",
};

#define NAMESPACES                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

static int sandbox_allow_calls(scmp_filter_ctx filter, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        int status = number != __NR_SCMP_ERROR && number >= 0
                         ? seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0)
                         : 0;

        if (status < 0)
            return status;
    }
    return 0;
}

/* Allow clone(2) for threads, but not for namespaces. A filter cannot read the flags of clone3(2),
 * which are in memory; with ENOSYS libc falls back to clone(2). */
static int sandbox_allow_threads(scmp_filter_ctx filter)
{
    int status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACES, 0));

    if (status == 0)
        status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return status;
}

static int sandbox_restrict_calls(const char *const *names, size_t count, bool threads,
                                  struct fr_error *error)
{
    scmp_filter_ctx filter;
    int status;

    if (UNDER_SANITIZER)
        return 0;
    filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return fr_error_set(error, "sandbox: seccomp: cannot create a filter");
    status = sandbox_allow_calls(filter, names, count);
    if (status == 0 && threads)
        status = sandbox_allow_threads(filter);
    if (status == 0)
        status = seccomp_load(filter);
    seccomp_release(filter);
    if (status == 0)
        return 0;
    if (status != -ECANCELED && status != -EINVAL && status != -ENOSYS)
        return fr_error_set(error, "sandbox: seccomp: %s", strerror(-status));
    fr_log(FR_LOG_INFO, "this kernel has no seccomp filters: system calls are not restricted");
    return 0;
}

int fr_sandbox_enter(const char *const *folders, size_t count, struct fr_error *error)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fr_error_set(error, "sandbox: %s", strerror(errno));
    if (sandbox_restrict_writes(folders, count, error) != 0)
        return -1;
    return sandbox_restrict_calls(daemon_calls, sizeof daemon_calls / sizeof *daemon_calls, true,
                                  error);
}

int fr_sandbox_enter_key_reader(struct fr_error *error)
{
    if (sandbox_restrict_writes(NULL, 0, error) != 0)
        return -1;
    return sandbox_restrict_calls(key_reader_calls,
                                  sizeof key_reader_calls / sizeof *key_reader_calls, false, error);
}
