#include "guard/privileges.h"

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

/* glibc has no wrappers for these two, and libcap is not worth a dependency. */
static int set_capabilities(uint64_t which)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)which, .permitted = (uint32_t)which},
        {.effective = (uint32_t)(which >> 32), .permitted = (uint32_t)(which >> 32)}};

    return (int)syscall(SYS_capset, &header, data);
}

static uint64_t capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0}};

    if (syscall(SYS_capget, &header, data) != 0)
        return 0;
    return data[0].effective | (uint64_t)data[1].effective << 32;
}

bool fr_privileges_can_read_all(void)
{
    return capabilities() & READ_ALL;
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

static int become(const struct fr_user *user, struct fr_error *error)
{
    if (initgroups(user->name, user->gid) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0)
        return fr_error_set(error, "user: cannot become %s: %s", user->name, strerror(errno));
    if (setuid(0) == 0 && user->uid != 0)
        return fr_error_set(error, "user: root could be had back after becoming %s", user->name);
    return 0;
}

int fr_privileges_drop(const struct fr_user *user, bool may_read, struct fr_error *error)
{
    uint64_t kept = may_read ? capabilities() & READ_ALL : 0;
    bool other = user != NULL && user->uid != geteuid();

    /* Of what only root may shrink, what execve(2) could give back. */
    for (int c = 0; geteuid() == 0 && c <= CAP_LAST_CAP; c++)
        prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
    if (prctl(PR_SET_KEEPCAPS, kept != 0, 0, 0, 0) != 0)
        return fr_error_set(error, "cannot give privileges up: %s", strerror(errno));
    if (other && become(user, error) != 0)
        return -1;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (set_capabilities(kept) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fr_error_set(error, "cannot give privileges up: %s", strerror(errno));
    return 0;
}
