#include "journal/store_extend.h"

#include <sys/stat.h>
#include <sys/uio.h>

#include "journal/store_state.h"

#define BLOCK (64 * 1024)
#define BLOCKS (FR_STORE_EXTEND_BYTES / BLOCK)

/* Write BLOCKS blocks of zeros at `offset`. Returns the number of bytes written; 0: failed. */
static uint64_t extend_write_zeros(int fd, uint64_t offset)
{
    static const char zeros[BLOCK];
    struct iovec parts[BLOCKS];
    ssize_t n;

    for (size_t i = 0; i < BLOCKS; i++)
        parts[i] = (struct iovec){(void *)(uintptr_t)zeros, BLOCK};
    n = pwritev(fd, parts, BLOCKS, (off_t)offset);
    return n > 0 ? (uint64_t)n : 0;
}

void fr_store_extend(struct fr_store *store)
{
    MDB_envinfo info;
    struct stat st;
    uint64_t used, size;
    int fd;

    if (store->env == NULL || mdb_env_info(store->env, &info) != 0)
        return;
    used = ((uint64_t)info.me_last_pgno + 1) * store->page_size;
    if (used + FR_STORE_EXTEND_BYTES / 2 <= store->extended)
        return;
    if (mdb_env_get_fd(store->env, &fd) != 0 || fstat(fd, &st) != 0)
        return;
    size = (uint64_t)st.st_size;
    if (size >= used && size < used + FR_STORE_EXTEND_BYTES / 2 &&
        size + FR_STORE_EXTEND_BYTES <= info.me_mapsize)
        size += extend_write_zeros(fd, size);
    /* After a failure, and at the end of the map, the next attempt is due when the file has grown. */
    store->extended = used + FR_STORE_EXTEND_BYTES > size ? used + FR_STORE_EXTEND_BYTES : size;
}
