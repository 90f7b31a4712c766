#include "util/process.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

/* Read the resident memory and its file-backed part from /proc/self/statm (proc(5)). */
static void process_read_statm(long *resident_kb, long *shared_kb)
{
    long page_kb = sysconf(_SC_PAGESIZE) / 1024;
    FILE *file = fopen("/proc/self/statm", "re");

    *resident_kb = *shared_kb = 0;
    if (file == NULL)
        return;
    if (fscanf(file, "%*d %ld %ld", resident_kb, shared_kb) != 2)
        *resident_kb = *shared_kb = 0;
    *resident_kb *= page_kb;
    *shared_kb *= page_kb;
    fclose(file);
}

long fr_resident_kb(void)
{
    long resident, shared;

    process_read_statm(&resident, &shared);
    return resident;
}

long fr_anonymous_kb(void)
{
    long resident, shared;

    process_read_statm(&resident, &shared);
    return resident - shared;
}

unsigned fr_open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the descriptor of `folder` */
}
