#include "privsep/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_ALL (UINT64_C(1) << CAP_DAC_READ_SEARCH)

/* glibc has no wrappers for capset(2) and capget(2); two calls do not justify a dependency on
 * libcap. */
static int privileges_set_capabilities(uint64_t mask)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)mask, .permitted = (uint32_t)mask},
        {.effective = (uint32_t)(mask >> 32), .permitted = (uint32_t)(mask >> 32)}};

    return (int)syscall(SYS_capset, &header, data);
}

static uint64_t privileges_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0}};

    if (syscall(SYS_capget, &header, data) != 0)
        return 0;
    return data[0].effective | (uint64_t)data[1].effective << 32;
}

bool fr_privileges_can_read_all(void)
{
    return privileges_capabilities() & READ_ALL;
}

int fr_user_find(const char *name, struct fr_user *user, struct fr_error *error)
{
    const struct passwd *entry = getpwnam(name);

    if (entry == NULL)
        return fr_error_set(error, "user: there is no user \"%s\" (adduser --system --group %s)",
                            name, name);
    *user = (struct fr_user){name, entry->pw_uid, entry->pw_gid};
    return 0;
}

static int privileges_switch_user(const struct fr_user *user, struct fr_error *error)
{
    if (initgroups(user->name, user->gid) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0)
        return fr_error_set(error, "user: cannot switch to %s: %s", user->name, strerror(errno));
    if (setuid(0) == 0 && user->uid != 0)
        return fr_error_set(error, "user: root can be regained after the switch to %s", user->name);
    return 0;
}

int fr_privileges_drop(const struct fr_user *user, bool may_read, struct fr_error *error)
{
    uint64_t kept = may_read ? privileges_capabilities() & READ_ALL : 0;
    bool switch_user = user != NULL && user->uid != geteuid();

    /* Only root may shrink the bounding set, from which execve(2) grants capabilities. */
    for (int c = 0; geteuid() == 0 && c <= CAP_LAST_CAP; c++)
        prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
    if (prctl(PR_SET_KEEPCAPS, kept != 0, 0, 0, 0) != 0)
        return fr_error_set(error, "cannot drop privileges: %s", strerror(errno));
    if (switch_user && privileges_switch_user(user, error) != 0)
        return -1;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (privileges_set_capabilities(kept) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fr_error_set(error, "cannot drop privileges: %s", strerror(errno));
    return 0;
}
