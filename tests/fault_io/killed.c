/*
 * killed.so - kills the program `fleetroute` with SIGKILL at a rename of a file, when it is preloaded
 * (LD_PRELOAD). FR_KILLED_AT is the number of the rename, from 1; with a "+" behind it the kill
 * follows the rename, else it precedes it. Other programs that inherit the variables are not killed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long renames;

/* Called before and after each rename; kills the process if this is the selected one. */
static void killed_at(int after)
{
    const char *wanted = getenv("FR_KILLED_AT");
    char *end;
    long number;

    if (wanted == NULL || strcmp(program_invocation_short_name, "fleetroute") != 0)
        return;
    renames += !after;
    number = strtol(wanted, &end, 10);
    if (renames == number && (*end == '+') == after)
        kill(getpid(), SIGKILL);
}

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (found == NULL)
        abort();
    return found;
}

int rename(const char *from, const char *to)
{
    int status;

    killed_at(0);
    status = ((int (*)(const char *, const char *))real("rename"))(from, to);
    killed_at(1);
    return status;
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    int status;

    killed_at(0);
    status = ((int (*)(int, const char *, int, const char *, unsigned))real("renameat2"))(
        from_folder, from, to_folder, to, flags);
    killed_at(1);
    return status;
}
